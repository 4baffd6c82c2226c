"use strict";
// Requests to the service. A failure is an Error whose message is one line for the reader.

const PLAIN = JSON.stringify({ model_classes: { add_suffix: "" }, model_tags: { add_suffix: "" } });
const FORM_BYTES = 4096; // bytes that a form has, at most, besides those of its picture

async function request(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("the service does not answer; check that it runs, then send the picture again");
  }
  let content = null;
  try {
    content = await response.json();
  } catch {} // of a proxy, or cut off
  if (response.ok && content) return content;
  const unknown = `the answer has the status ${response.status} and no reason; send the picture again`;
  throw new Error(content?.error || unknown);
}

function post(path, parts) {
  const body = new FormData();
  for (const [name, value] of Object.entries(parts)) body.append(name, value);
  return request(path, { method: "POST", body });
}

const service = {
  known: null, // a promise of the classes with their colours, and of the limits
  learned: () => {}, // called with both when they have arrived
};

function about() {
  service.known ??= Promise.all([post("2020/model/get_out_meta", { mode: PLAIN }), request("limits")]).then(
    ([{ classes }, limits]) => {
      service.learned({ classes, limits });
      return { classes, limits };
    },
    (error) => {
      service.known = null; // the next picture asks again
      throw error;
    },
  );
  return service.known;
}

async function checkFile(file, limits) {
  if (file.size + FORM_BYTES > limits.max_body_bytes) {
    const [size, most] = [file.size, limits.max_body_bytes].map((bytes) => Number((bytes / 1e6).toPrecision(3)));
    const limit = `more than the service accepts (${most} MB, --max-body-bytes)`;
    throw new Error(`the file has ${size} MB, ${limit}; send a smaller one`);
  }
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error("the file cannot be read: it is a folder, or was moved");
  }
}

// The annotation of a picture: all objects from the service's lowest score on.
async function detect(file) {
  const { limits } = await about();
  await checkFile(file, limits);
  return post("2020/model/inference", { image: file, mode: PLAIN });
}

// The bitmaps of an annotation, best score first. Stuff, which has no score, comes last: its score is null.
function objectsOf(annotation) {
  const objects = annotation.objects.filter((object) => object.bitmap).map((object) => ({
    title: object.classTitle,
    score: object.tags.length ? object.tags[0].value : null,
    origin: object.bitmap.origin,
    data: object.bitmap.data,
  }));
  return objects.sort((one, other) => (other.score ?? -1) - (one.score ?? -1));
}
