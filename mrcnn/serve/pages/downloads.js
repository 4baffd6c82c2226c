"use strict";
// Files of what is shown: the mask PNG and the annotation of one picture, COCO JSON of all.

function offer(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000); // the browser reads it after the click
}

function json(content) {
  return new Blob([JSON.stringify(content)], { type: "application/json" });
}

function stem(name) {
  return name.replace(/\.[^.]*$/, "") || name;
}

async function saveMasks() {
  const picture = gallery.current;
  offer(await instancePng(shownOf(picture.objects), picture.size), `${stem(picture.name)}_masks.png`);
}

async function saveCoco() {
  const done = gallery.pictures.filter((picture) => picture.state === "done");
  const pictures = done.map(({ name, size, objects }) => ({ name, size, objects: shownOf(objects) }));
  const description = `Mask R-CNN, objects of score ${filter.least.toFixed(2)} and above`;
  const content = await cocoContent(pictures, [...filter.colors.keys()], description);
  offer(json(content), "coco.json");
}

async function saveAnnotation() {
  offer(json(gallery.current.annotation), `${gallery.current.name}.json`);
}

// Runs a download while its button is off, so that a second click does not start it twice.
async function whileOff(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say(`the file could not be made: ${error.message}`, true);
  }
  showDownloads();
}

function showDownloads() {
  const done = gallery.current?.state === "done";
  byId("save-masks").disabled = byId("save-annotation").disabled = !done;
  byId("save-coco").disabled = !gallery.pictures.some((picture) => picture.state === "done");
}

function startDownloads() {
  for (const [id, work] of [["save-masks", saveMasks], ["save-coco", saveCoco], ["save-annotation", saveAnnotation]]) {
    byId(id).addEventListener("click", () => whileOff(byId(id), work));
  }
}
