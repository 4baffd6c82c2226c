"use strict";
// The pictures: a queue that sends one after the other, and a strip of tiles of which one is selected. The state of a
// picture is waiting, sent, done or failed.

const THUMB = 96; // CSS pixels high, at most
const gallery = {
  pictures: [], // of { id, file, name, state, reason, size, objects, annotation, tile }
  current: null,
  busy: false,
  made: 0, // ids given so far
  thumbs: Promise.resolve(), // one picture is decoded at a time
  selected: () => {}, // called when another picture is selected, or the selected one has changed
  counted: () => {}, // called when the states of the pictures, or their number, may have changed
};

function addPictures(files) {
  const added = [];
  for (const file of files) {
    added.push(newPicture(file));
    gallery.pictures.push(added.at(-1));
  }
  if (!added.length) return;
  byId("strip").append(...added.map((picture) => picture.tile));
  for (const picture of added) gallery.thumbs = gallery.thumbs.then(() => drawThumb(picture));
  select(added[0]);
  sendAll();
}

function newPicture(file) {
  const picture = { id: ++gallery.made, file, name: freeName(file.name), state: "waiting", reason: "", objects: [] };
  picture.tile = newTile(picture);
  showTile(picture);
  return picture;
}

// Pictures of different folders may have the same name, by which COCO JSON tells them apart: the second "a.png" becomes
// "a (2).png".
function freeName(name) {
  const taken = new Set(gallery.pictures.map((picture) => picture.name));
  const [, front, suffix] = /^(.+?)(\.[^.]*)?$/s.exec(name) ?? [name, name, ""];
  let free = name;
  for (let number = 2; taken.has(free); number++) free = `${front} (${number})${suffix ?? ""}`;
  return free;
}

function newTile(picture) {
  const tile = document.createElement("li"), thumb = document.createElement("canvas");
  const name = document.createElement("span"), state = document.createElement("span");
  tile.id = `picture-${picture.id}`;
  tile.setAttribute("role", "option");
  tile.setAttribute("aria-selected", "false");
  tile.tabIndex = -1;
  name.className = "name";
  name.textContent = name.title = picture.name;
  state.className = "state";
  thumb.className = "thumb";
  thumb.width = thumb.height = 1;
  tile.append(thumb, name, state);
  tile.addEventListener("click", () => select(picture));
  return tile;
}

function showTile(picture) {
  const text = stateText(picture), state = picture.tile.querySelector(".state");
  picture.tile.className = picture.state;
  state.textContent = state.title = text;
}

function stateText(picture) {
  if (picture.state === "done") {
    const all = picture.objects.length, shown = shownOf(picture.objects).length;
    return shown === all ? `${all} ${all === 1 ? "object" : "objects"}` : `${shown} of ${all} objects`;
  }
  return { waiting: "waiting", sent: "detecting …", failed: `failed: ${picture.reason}` }[picture.state];
}

async function drawThumb(picture) {
  if (!gallery.pictures.includes(picture)) return;
  const options = { resizeHeight: 2 * THUMB, resizeQuality: "medium", imageOrientation: "from-image" };
  const image = await createImageBitmap(picture.file, options).catch(() => null);
  if (!image) return; // its tile has a name and a state
  const thumb = picture.tile.querySelector(".thumb");
  thumb.width = image.width;
  thumb.height = image.height;
  thumb.getContext("2d").drawImage(image, 0, 0);
  image.close();
}

async function sendAll() {
  if (gallery.busy) return;
  gallery.busy = true;
  for (let next; (next = gallery.pictures.find((picture) => picture.state === "waiting"));) await send(next);
  gallery.busy = false;
}

async function send(picture) {
  change(picture, { state: "sent" });
  try {
    const annotation = await detect(picture.file);
    const objects = objectsOf(annotation);
    change(picture, { state: "done", annotation, objects, size: annotation.size });
  } catch (error) {
    change(picture, { state: "failed", reason: error.message });
  }
}

function sendAgain(picture) {
  change(picture, { state: "waiting", reason: "" });
  sendAll();
}

function change(picture, values) {
  Object.assign(picture, values);
  showTile(picture);
  showProgress();
  if (picture === gallery.current) gallery.selected();
}

function showProgress() {
  const count = (state) => gallery.pictures.filter((picture) => picture.state === state).length;
  const all = gallery.pictures.length, failed = count("failed");
  const done = `${count("done")} of ${all} ${all === 1 ? "picture" : "pictures"} done`;
  byId("progress").textContent = !all ? "" : failed ? `${done}, ${failed} failed` : done;
  gallery.counted();
}

function select(picture, focus = false) {
  for (const other of gallery.pictures) {
    const on = other === picture;
    other.tile.setAttribute("aria-selected", String(on));
    other.tile.tabIndex = on ? 0 : -1;
  }
  gallery.current = picture;
  byId("strip").hidden = !picture;
  if (picture) {
    if (focus) picture.tile.focus({ preventScroll: true });
    picture.tile.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  showProgress();
  gallery.selected();
}

// Selects a picture by its distance from the selected one; the ends stop.
function step(by, focus = false) {
  if (!gallery.current) return;
  const last = gallery.pictures.length - 1, at = gallery.pictures.indexOf(gallery.current) + by;
  select(gallery.pictures[Math.max(0, Math.min(at, last))], focus);
}

function removePicture(picture) {
  const at = gallery.pictures.indexOf(picture), focus = picture.tile.contains(document.activeElement);
  gallery.pictures.splice(at, 1);
  picture.tile.remove();
  select(gallery.pictures[Math.min(at, gallery.pictures.length - 1)] || null, focus);
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity };

function startGallery() {
  byId("strip").addEventListener("keydown", (event) => {
    if (event.key in STEPS) step(STEPS[event.key], true);
    else if (event.key === "Delete") removePicture(gallery.current);
    else return;
    event.preventDefault();
  });
}
