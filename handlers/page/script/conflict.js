/** The question what to do with a file whose name is taken, with both files side by side. */

import { ask } from "./dialogs.js";
import { h } from "./dom.js";
import { formatAgo, formatExact, formatSize } from "./format.js";
import { kindOf } from "./kinds.js";
import { t, tNodes } from "./language.js";
import { request } from "./login.js";
import { store } from "./store.js";

/** @typedef {{ size: number | null, modified: number | null, url: string, blob: () => Promise<Blob> }} Side */

/** The beginning of a text that is shown, in bytes. */
const EXCERPT = 500;

/** Larger files are not loaded to be compared. */
const LOADED_BYTES = 8 * 1024 * 1024;

/**
 * @param {import("./queue.js").Item} item
 * @param {boolean} others Whether more files wait.
 * @param {boolean} canReplace
 * @returns {Promise<{ answer: "rename" | "overwrite" | "skip", all: boolean } | null>}
 */
export async function askConflict({ path, file }, others, canReplace) {
  const all = h("input", { type: "checkbox" });
  /** @type {(readonly ["rename" | "overwrite" | "skip", string])[]} */
  const answers = [["rename", t("Keep both")]];
  if (canReplace) answers.push(["overwrite", t("Replace")]);
  answers.push(["skip", t("Skip")]);
  const url = URL.createObjectURL(file);
  const answer = await ask(t("The name is taken"), [
    h("p", {}, tNodes("A file named {name} already exists.", { name: h("strong", {}, h("bdi", {}, path)) })),
    h("div", { class: "sides" }, ...await sides(path, file, url)),
    ...(others ? [h("label", { class: "check" }, all, t("Do the same for all conflicts"))] : []),
  ], answers);
  URL.revokeObjectURL(url);
  return answer && { answer, all: all.checked };
}

/** Nothing if the other file is not listed here, such as one in a folder that is uploaded. @param {string} path @param {File} file @param {string} url */
function sides(path, file, url) {
  const there = store.state.folder.entries.find(({ name, kind }) => name === path && kind === "file");
  if (!there?.href) return [];
  const { href, size, modified } = there;
  const kind = kindOf(path);
  const headers = { range: `bytes=0-${EXCERPT - 1}` };
  return Promise.all([
    side(t("On the server"), kind, {
      size,
      modified,
      url: href,
      blob: async () => (await request(href, { headers })).blob(),
    }),
    side(t("Your file"), kind, {
      size: file.size,
      modified: file.lastModified,
      url,
      blob: () => Promise.resolve(file),
    }),
  ]);
}

/** @param {string} title @param {string} kind @param {Side} side */
async function side(title, kind, { size, modified, url, blob }) {
  const isSmall = size !== null && size > 0 && size <= LOADED_BYTES;
  return h(
    "figure",
    {},
    h("figcaption", {}, h("strong", {}, title)),
    h(
      "p",
      { class: "facts" },
      size !== null && formatSize(size),
      size !== null && modified !== null && ", ",
      modified !== null && h("time", { title: formatExact(modified) }, formatAgo(modified)),
    ),
    isSmall && kind === "image" && h("img", { src: url, alt: "" }),
    isSmall && (kind === "text" || kind === "code") && h("pre", {}, await beginningOf(blob)),
  );
}

/** @param {() => Promise<Blob>} blob */
async function beginningOf(blob) {
  try {
    return await (await blob()).slice(0, EXCERPT).text();
  } catch {
    return ""; // the question can be answered without it
  }
}
