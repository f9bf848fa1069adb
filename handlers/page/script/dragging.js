/** Drags files to a folder of this page or of its path, and out of the browser. */

import { bring } from "./moving.js";
import { herePath, parentOf, pathOfHref, urlOf } from "./places.js";
import { chosenOf } from "./selectors.js";
import { can, store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** The paths that are dragged: before the drop, a page cannot read the data of a drag. @type {readonly string[]} */
let dragged = [];

/** What shows where they would go. @type {Element | null} */
let landing = null;

/** @param {HTMLElement} body @param {import("./rows.js").Rows} rows */
export function listenToDrags(body, rows) {
  body.addEventListener("dragstart", ({ target, dataTransfer }) => {
    const entry = rows.entryAt(/** @type {Node} */ (target));
    if (dataTransfer && entry?.href) take(dataTransfer, entry);
  });
  document.addEventListener("dragover", (event) => {
    const place = placeAt(event, rows);
    mark(place?.element ?? null);
    if (!place || !event.dataTransfer) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = kindOf(event);
  });
  document.addEventListener("drop", (event) => {
    const place = placeAt(event, rows);
    if (!place) return;
    event.preventDefault();
    bring(kindOf(event), dragged, place.folder);
    end();
  });
  document.addEventListener("dragend", end);
}

function end() {
  dragged = [];
  mark(null);
}

/** Takes the entry, or the selection that it belongs to. @param {DataTransfer} data @param {Entry} entry */
function take(data, entry) {
  const chosen = chosenOf(store.state);
  const entries = chosen.includes(entry) ? chosen : [entry];
  const urls = entries.map(urlOf);
  data.setData("text/uri-list", urls.join("\r\n"));
  data.setData("text/plain", urls.join("\n"));
  if (entries.length === 1 && entry.kind === "file") {
    // Chromium downloads it to where it is dropped.
    data.setData("DownloadURL", `application/octet-stream:${entry.name.replaceAll(":", "_")}:${urlOf(entry)}`);
  }
  data.effectAllowed = can("upload") ? "copyMove" : "copyLink";
  dragged = can("upload") ? entries.map(({ href }) => pathOfHref(/** @type {string} */ (href))) : [];
}

/** The folder below the pointer, if it is another one than where something is. @param {DragEvent} event @param {import("./rows.js").Rows} rows */
function placeAt({ target }, rows) {
  if (dragged.length === 0 || !(target instanceof Element)) return null;
  const place = rowAt(target, rows) ?? linkAt(target);
  return place && dragged.every((path) => !place.folder.startsWith(path)) ? place : null;
}

/** @param {Element} target @param {import("./rows.js").Rows} rows */
function rowAt(target, rows) {
  const element = target.closest("tr");
  const entry = element && rows.entryAt(element);
  return entry?.kind === "directory" && entry.href ? { element, folder: pathOfHref(entry.href) } : null;
}

/** A link to a folder above this one. @param {Element} target */
function linkAt(target) {
  const element = target.closest("h1 a");
  const links = [...document.querySelectorAll("h1 a")];
  if (!element) return null;
  let folder = herePath;
  for (let index = links.indexOf(element); index < links.length; index++) folder = parentOf(folder);
  return { element, folder };
}

/** Moving, or copying where the user asks for it, or may not move. @param {DragEvent} event @returns {"move" | "copy"} */
function kindOf({ ctrlKey, altKey }) {
  return ctrlKey || altKey || !can("delete") ? "copy" : "move";
}

/** @param {Element | null} element */
function mark(element) {
  if (element === landing) return;
  landing?.classList.remove("landing");
  element?.classList.add("landing");
  landing = element;
}
