// Runs an exported ONNX file in the browser, by ONNX Runtime Web on the processor (WebAssembly); see docs/export.md.
//
// Beside this page are `model/`, the folder that `mrcnn export --format onnx` wrote, and `node_modules/onnxruntime-web`.
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";

const MODEL = "model/model.onnx";
const LABELS = "model/labels.json"; // ONNX Runtime Web does not read the metadata of a file
const LARGEST = 1600; // pixels of the longer side; larger pictures are shrunk, as each mask has the picture's size
const OUTPUTS = ["boxes", "class_ids", "scores", "masks"];
const OPACITY = 0.45; // of a mask

const find = (id) => document.getElementById(id);
const say = (text) => (find("status").textContent = text);

ort.env.wasm.numThreads = 1; // more need a page that is isolated from other origins

async function start() {
  const [session, labels] = await Promise.all([
    ort.InferenceSession.create(MODEL, { executionProviders: ["wasm"] }),
    fetch(LABELS).then((response) => response.json()),
  ]);
  const classes = new Map(labels.classes.map((item) => [item.id, item]));
  find("photo").addEventListener("change", (event) => run(session, classes, event.target.files[0]).catch(fail));
  find("photo").disabled = false;
  say("The model is ready.");
}

async function run(session, classes, file) {
  if (!file) return;
  find("photo").disabled = true;
  try {
    const pixels = await read(file);
    say("Looking for objects…");
    await new Promise((done) => setTimeout(done, 50)); // shows the text: the model then blocks the page
    const began = performance.now();
    const found = await session.run({ image: withoutAlpha(pixels) }, OUTPUTS);
    const seconds = (performance.now() - began) / 1000;
    show(pixels, found, classes);
    const count = found.scores.dims[0];
    say(`${count} ${count === 1 ? "object" : "objects"} in ${seconds.toFixed(1)} s`);
  } finally {
    find("photo").disabled = false;
  }
}

async function read(file) {
  const picture = await createImageBitmap(file); // turned upright by its EXIF orientation
  const scale = Math.min(1, LARGEST / Math.max(picture.width, picture.height));
  const canvas = find("view");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}

function withoutAlpha({ data, width, height }) {
  const rgb = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; from < data.length; from += 4, to += 3) {
    rgb[to] = data[from];
    rgb[to + 1] = data[from + 1];
    rgb[to + 2] = data[from + 2];
  }
  return new ort.Tensor("uint8", rgb, [height, width, 3]);
}

function show(pixels, found, classes) {
  const { width, height } = pixels;
  const context = find("view").getContext("2d");
  const colors = [...found.scores.data].map((_, index) => [(index * 137) % 256, (index * 59 + 90) % 256, (index * 211 + 60) % 256]);
  const rows = colors.map((color, index) => {
    const mask = found.masks.data.subarray(index * width * height, (index + 1) * width * height);
    const area = blend(pixels.data, mask, color);
    const item = classes.get(found.class_ids.data[index]);
    return { title: item?.title ?? "?", score: found.scores.data[index], area, box: [...found.boxes.data.slice(index * 4, index * 4 + 4)] };
  });
  context.putImageData(pixels, 0, 0);
  context.lineWidth = 2;
  rows.forEach(({ box: [y1, x1, y2, x2] }, index) => {
    context.strokeStyle = `rgb(${colors[index]})`;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  });
  find("objects").replaceChildren(...rows.map(row));
  document.querySelector("table").hidden = rows.length === 0;
}

function blend(data, mask, color) {
  let area = 0;
  for (let pixel = 0; pixel < mask.length; pixel += 1) {
    if (!mask[pixel]) continue;
    area += 1;
    for (let channel = 0; channel < 3; channel += 1) {
      const place = pixel * 4 + channel;
      data[place] += OPACITY * (color[channel] - data[place]);
    }
  }
  return area;
}

function row({ title, score, area, box }) {
  const line = document.createElement("tr");
  for (const text of [title, score.toFixed(3), String(area)]) {
    line.appendChild(document.createElement("td")).textContent = text;
  }
  line.dataset.box = JSON.stringify(box);
  return line;
}

const fail = (error) => say(`It did not work: ${error.message ?? error}`);

start().catch(fail);
