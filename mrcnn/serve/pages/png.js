"use strict";
// PNG files of one grey channel, which a canvas cannot write. Source: the PNG specification, third edition.

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function crc32(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return ~value >>> 0;
}

function chunk(name, content) {
  const bytes = new Uint8Array(12 + content.length), fields = new DataView(bytes.buffer);
  fields.setUint32(0, content.length);
  for (let index = 0; index < 4; index++) bytes[4 + index] = name.charCodeAt(index);
  bytes.set(content, 8);
  fields.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

// A file of `numbers`, row after row: 8 bits a pixel, or 16 where a number is above 255.
async function greyPng(numbers, width, height) {
  const deep = numbers.some((number) => number > 255), stride = 1 + width * (deep ? 2 : 1);
  const rows = new Uint8Array(height * stride); // the first byte of a row is its filter, 0 for none
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const number = numbers[y * width + x], at = y * stride + 1 + (deep ? 2 * x : x);
      if (deep) rows[at] = number >>> 8;
      rows[deep ? at + 1 : at] = number & 255;
    }
  }
  const zipped = new Response(new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate")));
  const header = new Uint8Array(13), fields = new DataView(header.buffer);
  fields.setUint32(0, width);
  fields.setUint32(4, height);
  header[8] = deep ? 16 : 8;
  const signature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const content = new Uint8Array(await zipped.arrayBuffer());
  const chunks = [chunk("IHDR", header), chunk("IDAT", content), chunk("IEND", new Uint8Array(0))];
  return new Blob([signature, ...chunks], { type: "image/png" });
}

// The numbers of the objects, from 1 in their order, on a picture; the first of several that share a pixel counts.
async function instancePng(objects, { width, height }) {
  const numbers = new Uint16Array(width * height);
  for (let index = objects.length - 1; index >= 0; index--) {
    const mask = await maskPixels(objects[index]);
    for (let y = 0; y < mask.height; y++) {
      for (let x = 0; x < mask.width; x++) {
        if (mask.pixels[y * mask.width + x]) numbers[(mask.y + y) * width + mask.x + x] = index + 1;
      }
    }
  }
  return greyPng(numbers, width, height);
}
