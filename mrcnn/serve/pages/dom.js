"use strict";
// The page's elements and its status line.

const byId = (id) => document.getElementById(id);

function say(text, bad = false) {
  byId("status").textContent = text;
  byId("status").className = bad ? "bad" : "";
}
