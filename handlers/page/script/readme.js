/** The README of a directory, shown below its listing. */

import { h } from "./dom.js";
import { renderMarkdown } from "./markdown.js";
import { urlOf } from "./places.js";

/** @param {import("./entries.js").Entry} entry @param {string} text */
export function readmeCard(entry, text) {
  const { name } = entry;
  const isMarkdown = /\.(?:md|markdown)$/i.test(name);
  const body = isMarkdown ? renderMarkdown(text, urlOf(entry)) : h("pre", { tabindex: "0" }, text);
  return h("section", { class: "readme", "aria-label": name }, h("p", { class: "file" }, h("bdi", {}, name)), body);
}
