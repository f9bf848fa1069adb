/**
 * Shows what is in a ZIP archive, and files in it. Only the parts that are needed are fetched, with range requests, so
 * that the server does no more than send a file.
 */

import { button, h, icon } from "./dom.js";
import { decoded, SHOWN_BYTES } from "./file_text.js";
import { formatSize } from "./format.js";
import { kindOf } from "./kinds.js";
import { t, tn } from "./language.js";
import { request } from "./login.js";
import { visible } from "./rows.js";
import { showContent } from "./text_view.js";
import { readContent, readEntries, ZipProblem } from "./zip_reader.js";

/** @typedef {import("./preview.js").View} View */
/** @typedef {import("./zip_reader.js").ZipEntry} ZipEntry */

/** Maximum size of a file that is shown or saved from here; of packed bytes that are fetched for it, too. */
const MOST = 32 * 1024 * 1024;

/** Maximum number of names shown at once in a folder; a button shows the next ones. */
const SHOWN = 500;

/** Folders deeper than that are shown as part of a name. */
const DEPTH = 32;

const ORDER = new Intl.Collator(undefined, { numeric: true });

/** @typedef {{ folders: Map<string, Folder>, files: { name: string, entry: ZipEntry }[] }} Folder */

/** @param {View} view */
export async function showZip(view) {
  view.put(h("p", { class: "faint" }, t("Loading …")));
  const read = reader(view);
  try {
    const entries = await readEntries(read, view.entry.size ?? 0);
    if (view.signal.aborted) return;
    view.tell(tn(entries.filter(({ name }) => !name.endsWith("/")).length, "{n} file", "{n} files"));
    const list = listOf(treeOf(entries), (entry, opener) => openFile(view, read, entry, opener));
    view.put(h("div", { class: "zip" }, list));
  } catch (error) {
    if (!(error instanceof ZipProblem)) throw error;
    view.fail(`${error.message}.`);
  }
}

/** Reads parts of a file, all of the same version. @param {View} view @returns {import("./zip_reader.js").Read} */
function reader({ entry, signal }) {
  /** @type {string | null} */
  let version = null;
  return async (start, end) => {
    if (end <= start) throw new ZipProblem(t("The archive is damaged"));
    const headers = { range: `bytes=${start}-${end - 1}` };
    const response = await request(entry.href, { headers, signal, cache: "no-cache" });
    if (response.status !== 206) {
      await response.body?.cancel();
      throw new ZipProblem(
        response.ok ? t("The server does not send parts of this file") : t("The archive cannot be read"),
      );
    }
    // It is weak while the server does not vouch for a file that has just been changed.
    const etag = response.headers.get("etag")?.replace(/^W\//, "") ?? null;
    version ??= etag;
    if (etag !== version) throw new ZipProblem(t("The archive has changed: open it again"));
    return new Uint8Array(await response.arrayBuffer());
  };
}

/** @param {readonly ZipEntry[]} entries @returns {Folder} */
function treeOf(entries) {
  const root = folder();
  for (const entry of entries) {
    const parts = entry.name.split("/").filter((part) => part !== "");
    const isFolder = entry.name.endsWith("/");
    const above = parts.slice(0, Math.min(DEPTH, isFolder ? parts.length : parts.length - 1));
    let place = root;
    for (const part of above) {
      const known = place.folders.get(part) ?? folder();
      place.folders.set(part, known);
      place = known;
    }
    if (!isFolder) place.files.push({ name: parts.slice(above.length).join("/"), entry });
  }
  return root;
}

/** @returns {Folder} */
function folder() {
  return { folders: new Map(), files: [] };
}

/** @param {Folder} of @param {(entry: ZipEntry, opener: HTMLElement) => void} open */
function listOf(of, open) {
  const list = h("ul", { role: "list" });
  const folders = [...of.folders].sort(([a], [b]) => ORDER.compare(a, b));
  const files = of.files.toSorted((a, b) => ORDER.compare(a.name, b.name));
  const makers = [
    ...folders.map(([name, content]) => () => folderItem(name, content, open)),
    ...files.map((file) => () => fileItem(file, open)),
  ];
  /** @param {number} from */
  const add = (from) => {
    list.append(...makers.slice(from, from + SHOWN).map((make) => h("li", {}, make())));
    const next = from + SHOWN;
    if (next >= makers.length) return;
    const more = h("button", { type: "button", class: "button" }, t("Show more of {n}", { n: makers.length }));
    more.addEventListener("click", () => {
      more.parentElement?.remove();
      add(next);
      /** @type {HTMLElement | null} */ (list.children[next]?.querySelector("summary, button"))?.focus();
    });
    list.append(h("li", {}, more));
  };
  add(0);
  return list;
}

/** @param {string} name @param {Folder} content @param {(entry: ZipEntry, opener: HTMLElement) => void} open */
function folderItem(name, content, open) {
  const element = h("details", { "data-kind": "folder" }, h("summary", {}, picture(), h("bdi", {}, ...visible(name))));
  element.addEventListener("toggle", () => element.append(listOf(content, open)), { once: true });
  return element;
}

/** @param {{ name: string, entry: ZipEntry }} file @param {(entry: ZipEntry, opener: HTMLElement) => void} open */
function fileItem({ name, entry }, open) {
  const item = h(
    "button",
    { type: "button", class: "file-item", "data-kind": kindOf(name) },
    picture(),
    h("bdi", {}, ...visible(name)),
    h("span", { class: "faint" }, formatSize(entry.size)),
  );
  item.addEventListener("click", () => open(entry, item));
  return item;
}

function picture() {
  return h("span", { class: "picture", "aria-hidden": "true" });
}

/** Shows a file in place of the list. @param {View} view @param {import("./zip_reader.js").Read} read @param {ZipEntry} entry @param {HTMLElement} opener */
async function openFile(view, read, entry, opener) {
  const list = /** @type {HTMLElement} */ (view.stage.querySelector(".zip"));
  const top = view.stage.scrollTop;
  const left = new AbortController();
  view.signal.addEventListener("abort", () => left.abort());
  const back = button("before", t("Back to the list"), () => {
    left.abort();
    view.put(list);
    view.control();
    view.stage.scrollTop = top;
    opener.focus();
  }, { words: true });
  const inner = innerView(view, entry, left.signal, back);
  inner.put(h("p", { class: "faint" }, t("Loading …")));
  inner.control();
  back.focus();
  try {
    await showFile(inner, read, entry);
  } catch (error) {
    if (!left.signal.aborted) inner.fail(`${error instanceof Error ? error.message : error}.`);
  }
}

/** A view for a file in the archive. @param {View} view @param {ZipEntry} entry @param {AbortSignal} signal @param {HTMLElement} back @returns {View} */
function innerView(view, entry, signal, back) {
  const name = h("p", { class: "cut" }, h("bdi", {}, ...visible(entry.name)), ` · ${formatSize(entry.size)}`);
  return {
    ...view,
    signal,
    entry: { ...view.entry, name: entry.name, href: `${view.entry.href}/` },
    put: (...parts) => signal.aborted || view.put(name, ...parts),
    control: (...controls) => signal.aborted || view.control(back, ...controls),
    fail: (sentence) => signal.aborted || view.put(name, h("p", { class: "failed" }, sentence)),
  };
}

/** @param {View} view @param {import("./zip_reader.js").Read} read @param {ZipEntry} entry */
async function showFile(view, read, entry) {
  const isImage = kindOf(entry.name) === "image";
  if (isImage && entry.size > MOST) throw new ZipProblem(t("This file is too large to show"));
  const bytes = await readContent(read, entry, isImage ? MOST : SHOWN_BYTES, MOST);
  if (view.signal.aborted) return;
  const save = entry.size <= MOST && button("download", t("Download"), () => download(view, read, entry));
  if (isImage) {
    const type = /\.svg$/i.test(entry.name) ? "image/svg+xml" : "";
    const url = urlOf(bytes, type, view.signal);
    const image = h("img", { src: url, alt: entry.name });
    image.addEventListener("error", () => view.fail(t("No preview is available for this file.")));
    view.put(h("div", { class: "zip-image" }, image));
    return view.control(save);
  }
  const text = decoded(bytes);
  if (text === null) view.put(h("p", { class: "failed" }, t("This is not a text file.")));
  else {
    const control = view.control;
    const isCut = entry.size > bytes.length;
    await showContent({ ...view, control: (...more) => control(...more, save) }, { text, isCut, isPart: true });
    return;
  }
  view.control(save);
}

/** @param {View} view @param {import("./zip_reader.js").Read} read @param {ZipEntry} entry */
async function download(view, read, entry) {
  const bytes = await readContent(read, entry, MOST, MOST);
  // Its type keeps a browser from showing it as part of this site.
  const url = urlOf(bytes, "application/octet-stream", view.signal);
  const name = entry.name.slice(entry.name.lastIndexOf("/") + 1);
  const link = h("a", { href: url, download: name, hidden: true }, icon("download"));
  view.stage.append(link);
  link.click();
  link.remove();
}

/** @param {Uint8Array} bytes @param {string} type @param {AbortSignal} signal */
function urlOf(bytes, type, signal) {
  const url = URL.createObjectURL(new Blob([/** @type {BlobPart} */ (bytes)], { type }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(url));
  return url;
}
