// Sends an image to the service or to TensorFlow Serving and prints its objects; Node.js 18 or newer, or a browser.
//
//   node examples/client.mjs photo.jpg [URL [MODEL]]
//
// URL is http://127.0.0.1:5000 unless given, MODEL the name of the model there, mrcnn unless given. Each line of the
// output is an object: class id, score, and y1 x1 y2 x2 in pixels.
import { readFile } from "node:fs/promises";

export async function detect(bytes, url, model) {
  const encoded = { b64: Buffer.from(bytes).toString("base64") };
  const answer = await fetch(`${url}/v1/models/${model}:predict`, {
    method: "POST",
    body: JSON.stringify({ signature_name: "encoded", inputs: { encoded } }),
  });
  if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
  const { class_ids: ids, scores, boxes } = (await answer.json()).outputs;
  return ids.map((id, number) => ({ id, score: scores[number], box: boxes[number] }));
}

const [image, url = "http://127.0.0.1:5000", model = "mrcnn"] = process.argv.slice(2);
try {
  for (const { id, score, box } of await detect(await readFile(image), url, model)) {
    console.log(id, score.toFixed(3), ...box.map((side) => side.toFixed(1)));
  }
} catch (error) {
  console.error(error.cause ? `${url} does not answer: ${error.cause.message}` : error.message);
  process.exitCode = 1;
}
