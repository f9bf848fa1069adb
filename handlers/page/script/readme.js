/** The README of a directory, shown below its listing. */

import { h } from "./dom.js";
import { renderMarkdown } from "./markdown.js";

/** @param {import("./entries.js").Entry} entry @param {string} text */
export function readmeCard({ name, href }, text) {
  const base = new URL(/** @type {string} */ (href), location.href).href;
  const isMarkdown = /\.(?:md|markdown)$/i.test(name);
  const body = isMarkdown ? renderMarkdown(text, base) : h("pre", { tabindex: "0" }, text);
  body.dir = "auto";
  return h("section", { class: "readme", "aria-label": name }, h("p", { class: "file" }, h("bdi", {}, name)), body);
}
