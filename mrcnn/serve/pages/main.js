"use strict";
// Joins the parts: what is selected, filtered and zoomed is drawn and said; keys, files and drops reach the parts.

let turn = 0; // counts what was asked to be shown: of two pictures, the one selected last wins
let loaded = null; // the picture whose pixels the view has

// Decodes the selected picture and its masks, shows it whole, and says its state.
async function showSelected() {
  const picture = gallery.current, mine = ++turn;
  byId("again").hidden = picture?.state !== "failed";
  byId("drop").classList.toggle("full", Boolean(picture));
  byId("hint").hidden = Boolean(picture);
  byId("canvas").hidden = byId("tools").hidden = !picture;
  sayState();
  if (!picture) return clearView();
  if (picture !== loaded) {
    const image = await createImageBitmap(picture.file, { imageOrientation: "from-image" }).catch(() => null);
    if (mine !== turn) return image?.close();
    clearView();
    loaded = picture;
    view.picture = image;
  }
  const masks = new Map();
  for (const object of picture.objects) {
    masks.set(object, await tinted(object, colorOf(object.title), picture.objects.length));
    if (mine !== turn) return;
  }
  view.masks = masks;
  const before = view.size;
  view.size = picture.size || (view.picture && { width: view.picture.width, height: view.picture.height });
  if (before && view.size && before.width === view.size.width) refresh();
  else refit();
}

function clearView() {
  view.picture?.close();
  Object.assign(view, { picture: null, size: null, objects: [], masks: new Map() });
  loaded = null;
  refresh();
}

function refit() {
  fit();
  refresh();
}

function sayState() {
  const picture = gallery.current;
  if (!picture) return say("Ready");
  if (picture.state === "failed") return say(picture.reason, true);
  if (picture.state !== "done") return say(`${picture.name}: ${stateText(picture)}`);
  const drawn = loaded === picture && picture.objects.every((object) => view.masks.has(object));
  if (!drawn) return say(`${picture.name}: drawing …`);
  const blind = !view.picture ? "; this browser cannot show the picture" : "";
  say(`${shownOf(picture.objects).length} of ${picture.objects.length} objects shown${blind}`);
}

// Draws and counts anew after a change of the filter; sends nothing.
function refresh() {
  const picture = gallery.current, done = picture?.state === "done";
  view.objects = done ? shownOf(picture.objects) : [];
  draw();
  byId("drop").classList.toggle("blank", Boolean(picture && loaded === picture && !view.size));
  showCounts(done ? picture.objects : null);
  gallery.pictures.forEach(showTile);
  if (picture) {
    sayState();
    byId("canvas").setAttribute("aria-label", [picture.name, ...view.objects.map(objectText)].join(", "));
  }
}

function showZoom() {
  byId("zoom").textContent = `${view.zoom.toFixed(1)}×`;
  byId("canvas").classList.toggle("zoomed", view.zoom > 1);
  byId("farther").disabled = byId("fit").disabled = view.zoom === 1;
  byId("closer").disabled = view.zoom === MOST_ZOOM;
}

const ZOOM_KEYS = { "+": () => zoomBy(STEP), "=": () => zoomBy(STEP), "-": () => zoomBy(1 / STEP), 0: fit };
const MOVES = { ArrowLeft: [NUDGE, 0], ArrowRight: [-NUDGE, 0], ArrowUp: [0, NUDGE], ArrowDown: [0, -NUDGE] };

function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in ZOOM_KEYS)) return; // the browser's own zoom
    ZOOM_KEYS[event.key]();
    event.preventDefault();
  });
  byId("canvas").addEventListener("keydown", (event) => {
    if (view.zoom > 1 && event.key in MOVES) moveBy(...MOVES[event.key]);
    else if (event.key in STEPS) step(STEPS[event.key]);
    else return;
    event.preventDefault();
  });
}

function startFiles() {
  const file = byId("file");
  for (const id of ["choose", "hint"]) byId(id).addEventListener("click", () => file.click());
  file.addEventListener("change", () => { addPictures(file.files); file.value = ""; });
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => { event.preventDefault(); byId("drop").classList.add("over"); });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) byId("drop").classList.remove("over"); // the mouse left the window
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").classList.remove("over");
    addPictures(event.dataTransfer.files);
  });
}

function start() {
  gallery.selected = () => showSelected().catch((error) => say(`the picture cannot be drawn: ${error.message}`, true));
  gallery.counted = showDownloads;
  service.learned = showAbout;
  filter.changed = refresh;
  view.changed = showZoom;
  startFilter();
  startView();
  startGallery();
  startDownloads();
  startFiles();
  startKeys();
  for (const id of ["masks", "boxes"]) byId(id).addEventListener("change", refresh);
  byId("again").addEventListener("click", () => sendAgain(gallery.current));
  byId("remove").addEventListener("click", () => removePicture(gallery.current));
  showZoom();
  learn();
}

// Asks for classes and limits; without an answer, the first picture asks again.
async function learn() {
  try {
    await about();
    if (!gallery.current) say("Ready");
  } catch (error) {
    if (!gallery.current) say(error.message, true);
  }
}

start();
