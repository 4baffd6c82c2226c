"use strict";
// Which objects are shown: those of the ticked classes whose score reaches the threshold.

const filter = { least: 0, off: new Set(), colors: new Map(), changed: () => {} };

function colorOf(title) {
  return filter.colors.get(title) || "#ff00ff";
}

function isAbove(object) { // stuff has no score and is always shown
  return object.score === null || object.score >= filter.least;
}

function shownOf(objects) {
  return objects.filter((object) => isAbove(object) && !filter.off.has(object.title));
}

// How many objects of each class are above the threshold, ticked or not.
function countsOf(objects) {
  const counts = new Map([...filter.colors.keys()].map((title) => [title, 0]));
  for (const object of objects.filter(isAbove)) counts.set(object.title, (counts.get(object.title) || 0) + 1);
  return counts;
}

function classRow(title, color) {
  const row = document.createElement("label"), box = document.createElement("input");
  const swatch = document.createElement("span"), name = document.createElement("span");
  const count = document.createElement("output");
  row.className = "row";
  swatch.className = "swatch";
  swatch.style.background = color;
  name.textContent = title;
  Object.assign(box, { type: "checkbox", checked: true, value: title });
  box.addEventListener("change", () => tick([box], box.checked));
  row.append(box, swatch, name, count);
  return row;
}

function tick(boxes, on) {
  for (const box of boxes) {
    box.checked = on;
    if (on) filter.off.delete(box.value);
    else filter.off.add(box.value);
  }
  filter.changed();
}

function classBoxes() {
  return [...document.querySelectorAll("#classes input")];
}

function showClasses(classes) {
  filter.colors = new Map(classes.map(({ title, color }) => [title, color]));
  byId("classes").replaceChildren(...classes.map(({ title, color }) => classRow(title, color)));
}

function showCounts(objects) {
  const counts = objects && countsOf(objects);
  for (const box of classBoxes()) {
    box.parentElement.querySelector("output").textContent = counts ? counts.get(box.value) : "";
  }
}

// Shows what the service says about itself: its classes and its lowest score.
function showAbout({ classes, limits }) {
  showClasses(classes);
  showLowest(limits.score_threshold);
}

function showLowest(score) {
  const bar = byId("threshold"), lowest = Math.floor(100 * score + 1e-9) / 100;
  bar.min = bar.value = lowest;
  byId("lowest-score").textContent = score.toFixed(2);
  byId("lowest").hidden = false;
  setLeast();
}

function setLeast() {
  filter.least = Number(byId("threshold").value);
  byId("shown").textContent = filter.least.toFixed(2);
  filter.changed();
}

function startFilter() {
  byId("threshold").addEventListener("input", setLeast);
  byId("all").addEventListener("click", () => tick(classBoxes(), true));
  byId("none").addEventListener("click", () => tick(classBoxes(), false));
}
