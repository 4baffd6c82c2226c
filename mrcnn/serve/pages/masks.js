"use strict";
// Masks of objects: crops of their boxes, each in base64 of zlib of a PNG whose alpha channel is the mask.

const MOST_DRAWN = 60e6; // pixels of all masks of a picture that are kept for drawing, 4 bytes each

async function maskImage(object) {
  const bytes = Uint8Array.from(atob(object.data), (letter) => letter.charCodeAt(0));
  const unzipped = new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate")));
  return createImageBitmap(new Blob([await unzipped.arrayBuffer()], { type: "image/png" }));
}

function painted(image, width, height) {
  const paint = new OffscreenCanvas(width, height).getContext("2d");
  paint.imageSmoothingEnabled = false;
  paint.drawImage(image, 0, 0, width, height);
  return paint;
}

// The exact mask: 1 inside, row after row.
async function maskPixels(object) {
  const image = await maskImage(object), { width, height } = image;
  const { data } = painted(image, width, height).getImageData(0, 0, width, height);
  const pixels = new Uint8Array(width * height);
  for (let index = 0; index < pixels.length; index++) pixels[index] = data[4 * index + 3] > 127 ? 1 : 0;
  image.close();
  return { x: object.origin[0], y: object.origin[1], width, height, pixels };
}

// A mask in one colour, to draw; of a picture with many large ones at a smaller size.
async function tinted(object, color, count) {
  const image = await maskImage(object), { width, height } = image;
  const factor = Math.min(1, Math.sqrt(MOST_DRAWN / count / (width * height)));
  const paint = painted(image, Math.max(1, Math.round(factor * width)), Math.max(1, Math.round(factor * height)));
  paint.globalCompositeOperation = "source-in";
  paint.fillStyle = color;
  paint.fillRect(0, 0, paint.canvas.width, paint.canvas.height);
  image.close();
  return { canvas: paint.canvas, box: [...object.origin, width, height] };
}
