/** The README of a directory, shown below its listing. */

import { h } from "./dom.js";
import { fetchText } from "./file_text.js";
import { renderMarkdown } from "./markdown.js";

const NAMES = ["readme.md", "readme.markdown", "readme.txt", "readme"];

/**
 * @param {readonly import("./entries.js").Entry[]} entries
 * @returns {import("./entries.js").Entry | undefined}
 */
export function readmeOf(entries) {
  return NAMES.map((name) => entries.find((entry) => entry.kind === "file" && entry.name.toLowerCase() === name))
    .find((entry) => entry?.href);
}

/** @param {import("./entries.js").Entry} entry @returns {Promise<HTMLElement | null>} */
export async function readmeCard({ name, href }) {
  const content = await fetchText(/** @type {string} */ (href)).catch(() => null);
  if (content === null || content.text.trim() === "") return null;
  const base = new URL(/** @type {string} */ (href), location.href).href;
  const isMarkdown = /\.(?:md|markdown)$/i.test(name);
  const body = isMarkdown ? renderMarkdown(content.text, base) : h("pre", { tabindex: "0" }, content.text);
  return h("section", { class: "readme", "aria-label": name }, h("p", { class: "file" }, name), body);
}
