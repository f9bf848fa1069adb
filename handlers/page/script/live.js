/** Live reload of a page: inserted into HTML files by a server that watches them. */

import { listen, pathOf } from "./stream.js";

/** Changes that come together are one: a page is reloaded once. In milliseconds. */
const TOGETHER_MS = 5;

const SCRIPT = /\.(?:[cm]?js|wasm)$/i;
const PAGE = /\.(?:html?|xhtml)$/i;
const INDEX = /\/(?:index|default|home)\.[^/]*$/i;

/** Paths of everything that the page has loaded. @type {Set<string>} */
const loaded = new Set();
/** @type {Set<string>} */
let changed = new Set();

// The list of the browser itself is limited.
new PerformanceObserver((list) => {
  for (const { name } of list.getEntries()) note(name);
}).observe({ type: "resource", buffered: true });

listen(({ type, path, kind }) => {
  if (type === "missed") return location.reload();
  if (type !== "changed") return;
  if (changed.size === 0) setTimeout(show, TOGETHER_MS);
  changed.add(kind === "directory" && path !== "/" ? `${path}/` : path);
});

/** @param {string} url */
function note(url) {
  const path = pathOf(url);
  if (path !== null) loaded.add(path);
}

function show() {
  const paths = changed;
  changed = new Set();
  const left = [...paths].filter((path) => !exchange(path));
  if (left.some(concerns)) location.reload();
}

/** Whether the page must be reloaded for a change. @param {string} path A directory ends with a slash. */
function concerns(path) {
  const here = pathOf(location.href) ?? "/";
  if (path.endsWith("/")) return [here, ...loaded].some((each) => each.startsWith(path));
  if (SCRIPT.test(path) || loaded.has(path) || here === path) return true;
  // The file of an address without an extension: an index file, a page, or the page of an app from a directory above.
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  if (here.endsWith("/")) return INDEX.test(path) && here.startsWith(directory);
  return PAGE.test(path) && !PAGE.test(here) && here.startsWith(directory);
}

/** Exchanges style sheets and images; returns whether that is all there is to do. @param {string} path */
function exchange(path) {
  const sheets = [...document.querySelectorAll("link[href]")].filter((link) =>
    pathOf(/** @type {any} */ (link).href) === path
  );
  const images = [...document.images].filter(({ currentSrc }) => currentSrc !== "" && pathOf(currentSrc) === path);
  if (images.some((image) => image.srcset !== "" || image.parentElement?.matches("picture"))) return false;
  for (const link of sheets) replaceLink(/** @type {HTMLLinkElement} */ (link));
  for (const image of images) image.src = fresh(image.src);
  return sheets.length + images.length > 0;
}

/** The old one stays until the new one is there: the page is never without style. @param {HTMLLinkElement} link */
function replaceLink(link) {
  const next = /** @type {HTMLLinkElement} */ (link.cloneNode());
  next.removeAttribute("integrity");
  next.href = fresh(link.href);
  next.addEventListener("load", () => link.remove());
  next.addEventListener("error", () => next.remove());
  link.after(next);
  if (!link.relList.contains("stylesheet")) link.remove();
}

/** The same URL, as one that the browser has not loaded yet. @param {string} url */
function fresh(url) {
  const next = new URL(url);
  next.searchParams.set("live", String(Date.now()));
  return next.href;
}
