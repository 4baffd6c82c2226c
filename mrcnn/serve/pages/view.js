"use strict";
// The large picture: drawn into a canvas as large as its frame, zoomed about a point and moved by dragging.

const MOST_ZOOM = 32, STEP = 1.25, NUDGE = 60; // times the fitting size; of one key press; CSS pixels of an arrow key
const LETTERS = 13, LINE = 18; // CSS pixels of a label's letters and height
const view = {
  size: null, // of the picture, { width, height }; null shows nothing
  picture: null, // an ImageBitmap; null where the browser cannot decode the file
  objects: [], masks: new Map(), // the objects to draw; object -> its tinted mask
  zoom: 1, x: 0, y: 0, // the point of the picture in the middle of the frame
  changed: () => {},
};

function frame() {
  return { width: byId("canvas").clientWidth, height: byId("canvas").clientHeight };
}

// CSS pixels per pixel of the picture.
function scale() {
  const { width, height } = frame();
  return view.zoom * Math.min(width / view.size.width, height / view.size.height);
}

function toFrame(x, y) {
  const { width, height } = frame(), factor = scale();
  return [width / 2 + (x - view.x) * factor, height / 2 + (y - view.y) * factor];
}

function toPicture(left, top) {
  const { width, height } = frame(), factor = scale();
  return [view.x + (left - width / 2) / factor, view.y + (top - height / 2) / factor];
}

// A middle that leaves no empty edge where the picture is larger than the frame, and centres it where it is smaller.
function kept(middle, side, visible) {
  return side <= visible ? side / 2 : Math.min(Math.max(middle, visible / 2), side - visible / 2);
}

function place(zoom, x, y) {
  view.zoom = Math.min(Math.max(zoom, 1), MOST_ZOOM);
  const { width, height } = frame(), factor = scale();
  view.x = kept(x, view.size.width, width / factor);
  view.y = kept(y, view.size.height, height / factor);
  draw();
  view.changed();
}

// Zooms so that the point of the picture at (left, top) of the frame stays there; the frame's middle by default.
function zoomBy(factor, left = frame().width / 2, top = frame().height / 2) {
  if (!view.size) return;
  const [x, y] = toPicture(left, top);
  view.zoom = Math.min(Math.max(view.zoom * factor, 1), MOST_ZOOM);
  const [newX, newY] = toPicture(left, top);
  place(view.zoom, view.x + x - newX, view.y + y - newY);
}

function moveBy(right, down) {
  if (view.size) place(view.zoom, view.x - right / scale(), view.y - down / scale());
}

function fit() {
  if (view.size) place(1, view.size.width / 2, view.size.height / 2);
}

function draw() {
  const canvas = byId("canvas"), paint = canvas.getContext("2d"), dots = window.devicePixelRatio || 1;
  const { width, height } = frame();
  canvas.width = Math.round(width * dots);
  canvas.height = Math.round(height * dots);
  if (!view.size || !width || !height) return;
  paint.scale(dots, dots);
  const factor = scale(), [left, top] = toFrame(0, 0);
  const area = [left, top, factor * view.size.width, factor * view.size.height];
  paint.imageSmoothingEnabled = factor < 8;
  if (view.picture) paint.drawImage(view.picture, ...area);
  else {
    paint.fillStyle = "#888";
    paint.fillRect(...area);
  }
  if (byId("masks").checked) drawMasks(paint, factor);
  if (byId("boxes").checked) drawBoxes(paint, factor);
}

function boxInFrame([x, y, width, height], factor) {
  return [...toFrame(x, y), factor * width, factor * height];
}

function drawMasks(paint, factor) {
  paint.imageSmoothingEnabled = factor < 1; // enlarged, a mask ends where it ends
  paint.globalAlpha = 0.5;
  for (const object of view.objects) {
    const mask = view.masks.get(object);
    if (mask) paint.drawImage(mask.canvas, ...boxInFrame(mask.box, factor));
  }
  paint.globalAlpha = 1;
}

function drawBoxes(paint, factor) {
  paint.font = `600 ${LETTERS}px system-ui, sans-serif`;
  paint.lineWidth = 2;
  const labels = [];
  view.objects.forEach((object, index) => {
    const mask = view.masks.get(object);
    if (!mask) return;
    const box = boxInFrame(mask.box, factor), text = objectText(object, index);
    paint.strokeStyle = colorOf(object.title);
    paint.strokeRect(...box);
    if (isInFrame(box)) labels.push({ text, ...labelPlace(labels, box, paint.measureText(text).width + 8) });
  });
  for (const { text, left, top, width } of labels) {
    paint.fillStyle = "#000c";
    paint.fillRect(left, top, width, LINE);
    paint.fillStyle = "#fff";
    paint.fillText(text, left + 4, top + 0.75 * LINE);
  }
}

function isInFrame([x, y, width, height]) {
  return x < frame().width && y < frame().height && x + width > 0 && y + height > 0;
}

// Above the box and inside the frame; below the labels of better objects that are there already.
function labelPlace(others, [x, y], width) {
  const left = Math.max(0, Math.min(x - 1, frame().width - width));
  let top = Math.max(0, y - LINE);
  const beside = (other) => left >= other.left + other.width || other.left >= left + width;
  const hits = (other) => !beside(other) && Math.abs(top - other.top) < LINE;
  for (let hit; (hit = others.find(hits));) top = hit.top + LINE;
  return { left, top, width };
}

function objectText(object, index) {
  return `${index + 1} ${object.title}${object.score === null ? "" : ` ${object.score.toFixed(2)}`}`;
}

// One pointer moves the picture, two fingers zoom it about their middle.
function startPointers(canvas) {
  const down = new Map(); // id of a pointer -> its place in the frame
  const span = () => {
    const [[x1, y1], [x2, y2]] = down.values();
    return { length: Math.max(1, Math.hypot(x1 - x2, y1 - y2)), middle: [(x1 + x2) / 2, (y1 + y2) / 2] };
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return;
    const [x, y] = down.get(event.pointerId), before = down.size === 2 && span();
    down.set(event.pointerId, [event.offsetX, event.offsetY]);
    if (before) zoomBy(span().length / before.length, ...span().middle);
    else if (down.size === 1) moveBy(event.offsetX - x, event.offsetY - y);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => down.delete(event.pointerId));
  }
}

function startView() {
  const canvas = byId("canvas");
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(STEP ** (-Math.sign(event.deltaY) * Math.min(2, Math.abs(event.deltaY) / 50)), event.offsetX, event.offsetY);
  }, { passive: false });
  startPointers(canvas);
  byId("closer").addEventListener("click", () => zoomBy(STEP));
  byId("farther").addEventListener("click", () => zoomBy(1 / STEP));
  byId("fit").addEventListener("click", fit);
  new ResizeObserver(() => { if (view.size) place(view.zoom, view.x, view.y); }).observe(canvas);
}
