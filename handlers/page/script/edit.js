/** Edits and makes small text files. They are saved over what was read only, so that no other change is lost. */

import { encodeName } from "./changes.js";
import { ask, askName, countLayers } from "./dialogs.js";
import { button, h, toast } from "./dom.js";
import { refresh } from "./folder.js";
import { formatSize } from "./format.js";
import { t } from "./language.js";
import { request } from "./login.js";
import { sentenceOf } from "./problem.js";
import { visible } from "./rows.js";
import { can, store } from "./store.js";
import { adoptViewStyle } from "./view_style.js";

/** Maximum number of bytes. */
const MOST = 512 * 1024;

/** How often saving is tried while the server does not vouch for the version of a file that has just been changed. */
const ATTEMPTS = 8;
const PAUSE_MS = 500;

/** Lines of a difference that are shown. */
const LINES = 200;

/**
 * @typedef {object} Original The file as it was read.
 * @property {string} text With line feeds only, as a field for text has it.
 * @property {string | null} etag Null for a file that is not there.
 * @property {(text: string) => string} restored Text with the line ends and the byte order mark of the file.
 */

/** @type {Original} */
const NEW = { text: "", etag: null, restored: (text) => text };

class Gone extends Error {}

/** @param {{ name: string, href: string }} entry */
export async function editFile({ name, href }) {
  try {
    new Editor(name, href, await read(href));
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "failed");
  }
}

export async function newTextFile() {
  const name = await askName(t("New text file"), t("Name"), "notes.txt", t("Create"));
  if (name !== null) new Editor(name, encodeName(name), NEW);
}

/** @param {string} href @returns {Promise<Original>} */
async function read(href) {
  const response = await request(href, { cache: "no-store" });
  if (response.status === 404) throw new Gone(t("The file no longer exists"));
  if (!response.ok) throw new Error(t("The server answered {status}", { status: String(response.status) }));
  const text = textOf(await bytesOf(response));
  const mark = text.startsWith("\ufeff") ? "\ufeff" : "";
  const ends = text.includes("\r\n") ? "\r\n" : "\n";
  const restored = (/** @type {string} */ edited) => mark + edited.replaceAll("\n", ends);
  const plain = text.slice(mark.length).replaceAll("\r\n", "\n");
  if (restored(plain) !== text || plain.includes("\r")) {
    throw new Error(t("The file has several kinds of line ends, which would be lost here"));
  }
  const etag = response.headers.get("etag");
  if (etag === null) throw new Error(t("The server does not say which version this is, so it cannot be edited here"));
  return { text: plain, etag, restored };
}

/** @param {Response} response */
async function bytesOf(response) {
  const tooLarge = new Error(t("Files of up to {size} can be edited here", { size: formatSize(MOST) }));
  const reader = response.body?.getReader();
  /** @type {BlobPart[]} */
  const chunks = [];
  for (let length = 0;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) return await new Blob(chunks).arrayBuffer();
    chunks.push(piece.value);
    length += piece.value.length;
    if (length <= MOST) continue;
    await reader?.cancel();
    throw tooLarge;
  }
}

/** @param {ArrayBuffer} bytes */
function textOf(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // not UTF-8
  }
  throw new Error(t("The file is not text in UTF-8, so it cannot be edited here"));
}

class Editor {
  #name;
  #href;
  #original;
  #isDone = false;
  #isSaving = false;
  #dialog;
  #field = h("textarea", { dir: "auto", spellcheck: "false", autocapitalize: "none", "aria-label": t("Content") });
  #save = button("done", t("Save"), () => this.#saveNow(), { words: true, class: "primary", keys: "Ctrl + S" });
  /** @param {Event} event */
  #leaving = (event) => this.#isChanged && event.preventDefault();

  /** @param {string} name @param {string} href @param {Original} original */
  constructor(name, href, original) {
    adoptViewStyle();
    this.#name = name;
    this.#href = href;
    this.#original = original;
    this.#field.value = original.text;
    this.#dialog = h(
      "dialog",
      { class: "preview editor", "aria-labelledby": "editor-title" },
      h(
        "header",
        {},
        h("div", { class: "what" }, h("h2", { id: "editor-title" }, h("bdi", {}, ...visible(name)))),
        h("div", { class: "tools" }, this.#save, button("close", t("Close (Esc)"), () => this.#close())),
      ),
      this.#field,
    );
    this.#listen();
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    countLayers();
    this.#field.setSelectionRange(0, 0);
    this.#field.focus();
    this.#field.scrollTop = 0;
  }

  #listen() {
    addEventListener("beforeunload", this.#leaving);
    this.#dialog.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#saveNow();
    });
    this.#dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      this.#close();
    });
    // A browser may close a dialog whatever the page says.
    this.#dialog.addEventListener("close", () => {
      if (this.#isDone || !this.#isChanged) this.#leave();
      else this.#dialog.showModal();
    });
  }

  get #isChanged() {
    return this.#field.value !== this.#original.text || this.#original === NEW;
  }

  async #close() {
    if (this.#isChanged && this.#field.value !== "") {
      const answers = /** @type {const} */ ([["discard", t("Discard")], ["keep", t("Keep editing")]]);
      const text = h("p", {}, t("What you have written has not been saved."));
      if (await ask(t("Discard the changes?"), [text], answers, { danger: true }) !== "discard") return;
    }
    this.#finish();
  }

  #finish() {
    this.#isDone = true;
    this.#dialog.close();
  }

  #leave() {
    removeEventListener("beforeunload", this.#leaving);
    this.#dialog.remove();
    countLayers();
    if (store.state.layers === 0) store.dispatch({ type: "focus", key: null });
  }

  async #saveNow() {
    if (this.#isSaving) return;
    this.#isSaving = true;
    this.#save.setAttribute("aria-disabled", "true"); // a disabled button would lose the focus
    try {
      await this.#saveOver(this.#original.etag);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      toast(t("The file has not been saved: {reason}", { reason }), "failed");
    } finally {
      this.#isSaving = false;
      this.#save.removeAttribute("aria-disabled");
    }
  }

  /** @param {string | null} etag The version to replace; null for none. */
  async #saveOver(etag) {
    const response = await put(this.#href, this.#original.restored(this.#field.value), etag);
    if (response.status === 412 || response.status === 409) return await this.#resolve();
    if (!response.ok) throw new Error(await sentenceOf(response));
    await this.#saved(this.#href, t("Saved “{name}”", { name: this.#name }));
  }

  /** Another version is there: the user decides, and until then nothing is written. */
  async #resolve() {
    const theirs = await read(this.#href).catch((error) => {
      if (error instanceof Gone) return NEW;
      throw error;
    });
    const isGone = theirs === NEW;
    const sentence = isGone
      ? t("It has been deleted since it was opened.")
      : t("It has been changed since you opened it. Saving would undo that change.");
    /** @type {(readonly ["replace" | "copy" | "keep", string])[]} */
    const answers = [["copy", t("Save mine as a copy")], ["keep", t("Keep editing")]];
    if (isGone) answers.unshift(["replace", t("Create it again")]);
    else if (can("delete")) answers.unshift(["replace", t("Replace it with mine")]);
    const difference = isGone ? [] : differenceOf(theirs.text, this.#field.value);
    const answer = await ask(t("The file has changed"), [h("p", {}, sentence), ...difference], answers, {
      danger: true,
    });
    if (answer === "replace") await this.#saveOver(theirs.etag);
    if (answer === "copy") await this.#saveCopy();
  }

  async #saveCopy() {
    const body = this.#original.restored(this.#field.value);
    const response = await request(`${this.#href}?on-conflict=rename`, {
      method: "PUT",
      body,
      headers: { accept: "application/json" },
    });
    if (!response.ok) throw new Error(await sentenceOf(response));
    const folder = this.#href.slice(0, this.#href.lastIndexOf("/") + 1);
    const name = /[^/]*$/.exec(response.headers.get("location") ?? this.#href)?.[0] ?? "";
    await this.#saved(folder + name, t("Saved as “{name}”", { name: decodeURIComponent(name) }));
  }

  /** @param {string} key @param {string} message */
  async #saved(key, message) {
    this.#finish();
    toast(message);
    await refresh();
    if (store.state.preview === null) store.dispatch({ type: "focus", key });
  }
}

/**
 * Stores a file if it is still of a version. For up to two seconds after a change, a server may not vouch for the
 * version, because a second change would not show: then it is asked again.
 *
 * @param {string} href
 * @param {string} body
 * @param {string | null} etag
 */
async function put(href, body, etag) {
  const condition = etag === null ? { "if-none-match": "*" } : { "if-match": strong(etag) };
  const headers = { accept: "application/problem+json", "content-type": "text/plain; charset=utf-8", ...condition };
  for (let attempt = 1;; attempt++) {
    const response = await request(href, { method: "PUT", body, headers });
    if (response.status !== 412 || etag === null || attempt === ATTEMPTS) return response;
    const now = await request(href, { method: "HEAD", cache: "no-store" });
    const current = now.headers.get("etag");
    if (!now.ok || current === null || strong(current) !== strong(etag)) return response;
    await response.body?.cancel();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

/** @param {string} etag */
function strong(etag) {
  return etag.replace(/^W\//, "");
}

/** What differs between two texts: all but the lines that are the same at the beginning and at the end. @param {string} theirs @param {string} mine */
function differenceOf(theirs, mine) {
  const [a, b] = [theirs.split("\n"), mine.split("\n")];
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  /** @param {string} title @param {string[]} lines */
  const part = (title, lines) => {
    const own = lines.slice(start, lines.length - end);
    const text = own.slice(0, LINES).join("\n") + (own.length > LINES ? "\n…" : "");
    const head = t("{title} (from line {n})", { title, n: start + 1 });
    return h("div", {}, h("h3", {}, head), h("pre", { tabindex: "0", dir: "auto" }, text === "" ? "—" : text));
  };
  return [h("div", { class: "difference" }, part(t("On the server"), a), part(t("Yours"), b))];
}
