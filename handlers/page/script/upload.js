/** Uploads: the queue and the progress panel. */

import { ask } from "./dialogs.js";
import { announce, button, h, icon } from "./dom.js";
import { formatDuration, formatSize } from "./format.js";
import { refresh } from "./folder.js";
import { t, tn } from "./language.js";
import { loaded } from "./lazy.js";
import { Queue } from "./queue.js";
import { can, store } from "./store.js";

/** @typedef {import("./queue.js").Item} Item */

/** Maximum number of rows in the panel; the totals cover the rest. */
const SHOWN = 100;

/**
 * @param {HTMLElement} dock Where the panel is shown.
 * @returns {(choice: import("./drop.js").Choice) => void} Uploads what was chosen.
 */
export function startUploads(dock) {
  /** @param {string} path */
  const isTaken = (path) => store.state.folder.entries.some(({ name, kind }) => name === path && kind !== "directory");
  const queue = new Queue(async (item, others) => {
    const conflict = await loaded(() => import("./conflict.js"));
    return conflict && conflict.askConflict(item, others, can("delete"));
  }, isTaken);
  const panel = new Panel(queue);
  refreshAfter(queue);
  addEventListener("beforeunload", (event) => queue.isActive && event.preventDefault());
  dock.prepend(panel.element);
  return ({ files, folders }) => {
    queue.add(files);
    queue.addFolders(folders);
  };
}

/**
 * Refreshes the listing at intervals rather than after each of thousands of files.
 *
 * @param {Queue} queue
 */
function refreshAfter(queue) {
  let due = false;
  queue.addEventListener("done", () => {
    if (due) return;
    due = true;
    setTimeout(async () => {
      due = false;
      await refresh();
    }, queue.items.length > 20 ? 2_000 : 150);
  });
}

/** @param {import("./queue.js").State} state */
function stateText(state) {
  return {
    waiting: t("waiting"),
    sending: "",
    paused: t("paused"),
    retrying: t("retrying"),
    asking: t("the name is taken"),
    done: t("done"),
    failed: t("failed"),
    skipped: t("skipped"),
  }[state];
}

class Panel {
  #queue;
  #title = h("h2", { id: "upload-title" });
  #facts = h("p", { class: "facts" });
  #bar = h("progress", { max: 1, value: 0, "aria-labelledby": "upload-title" });
  #list = h("ul", { "aria-label": t("Uploads") });
  #more = h("p", { class: "facts" });
  #pause = button("pause", t("Pause"), () => this.#queue.isPaused ? this.#queue.resume() : this.#queue.pause());
  #fold = button("before", t("Hide the list"), () => this.#toggle(), { class: "fold" });
  #close = button("close", t("Close"), () => this.#end());
  /** @type {Map<number, { element: HTMLElement, update: (item: Item) => void }>} */
  #rows = new Map();
  #wasActive = false;
  #due = false;
  element = h(
    "section",
    { class: "uploads", "aria-labelledby": "upload-title", hidden: true },
    h("header", {}, h("div", {}, this.#title, this.#facts), this.#pause, this.#fold, this.#close),
    this.#bar,
    this.#list,
    this.#more,
  );

  /** @param {Queue} queue */
  constructor(queue) {
    this.#queue = queue;
    queue.addEventListener("change", () => {
      if (this.#due) return;
      this.#due = true;
      setTimeout(() => {
        this.#due = false;
        this.#update();
      }, 100);
    });
  }

  #toggle() {
    const isFolded = this.element.classList.toggle("folded");
    this.#fold.setAttribute("aria-label", isFolded ? t("Show the list") : t("Hide the list"));
    this.#fold.setAttribute("aria-expanded", String(!isFolded));
  }

  async #end() {
    if (this.#queue.isActive) {
      const answer = await ask(t("Stop uploading?"), [h("p", {}, t("Unfinished files are cancelled."))], [
        ["stop", t("Stop")],
        ["continue", t("Continue")],
      ], { danger: true });
      if (answer !== "stop") return;
    }
    this.#queue.cancelAll();
  }

  #update() {
    const { items, isActive, isPaused, isWaiting } = this.#queue;
    const { sent, size, speed } = this.#queue.totals;
    this.element.hidden = items.length === 0;
    const done = items.filter(({ state }) => state === "done").length;
    const failed = items.filter(({ state }) => state === "failed").length;
    const left = items.filter(({ state }) => !["done", "failed", "skipped"].includes(state)).length;
    this.#title.textContent = isActive
      ? isPaused
        ? tn(left, "Paused: {n} file to go", "Paused: {n} files to go")
        : tn(left, "Uploading: {n} file to go", "Uploading: {n} files to go")
      : failed > 0
      ? tn(failed, "{n} file could not be uploaded", "{n} files could not be uploaded")
      : tn(done, "{n} file uploaded", "{n} files uploaded");
    const isMoving = speed > 0 && isActive && !isPaused && !isWaiting;
    this.#facts.textContent = [
      t("{done} of {all}", { done: formatSize(sent), all: formatSize(size) }),
      isWaiting && t("waiting for the server"),
      isMoving && t("{size}/s", { size: formatSize(speed) }),
      isMoving && t("{time} left", { time: formatDuration((size - sent) / speed) }),
    ].filter(Boolean).join(" · ");
    this.#bar.value = size > 0 ? sent / size : isActive ? 0 : 1;
    this.#bar.hidden = !isActive;
    this.#pause.hidden = !isActive;
    const label = isPaused ? t("Resume") : t("Pause");
    this.#pause.setAttribute("aria-label", label);
    this.#pause.title = label;
    /** @type {HTMLElement} */ (this.#pause.firstElementChild).style.setProperty(
      "--icon",
      `var(--i-${isPaused ? "play" : "pause"})`,
    );
    this.#showRows(items);
    if (this.#wasActive && !isActive) announce(this.#title.textContent);
    this.#wasActive = isActive;
  }

  /** Active and failed uploads come first; the rest are only counted. @param {Item[]} items */
  #showRows(items) {
    const rank = { failed: 0, asking: 0, sending: 1, retrying: 1, paused: 1, waiting: 2, done: 3, skipped: 3 };
    const shown = items.length <= SHOWN
      ? items
      : items.toSorted((a, b) => rank[a.state] - rank[b.state]).slice(0, SHOWN);
    const wanted = new Set(shown.map(({ id }) => id));
    for (const [id, { element }] of this.#rows) {
      if (wanted.has(id)) continue;
      element.remove();
      this.#rows.delete(id);
    }
    for (const [index, item] of shown.entries()) {
      let row = this.#rows.get(item.id);
      if (!row) {
        row = this.#row(item);
        this.#rows.set(item.id, row);
      }
      row.update(item);
      if (this.#list.children[index] !== row.element) {
        this.#list.insertBefore(row.element, this.#list.children[index] ?? null);
      }
    }
    this.#more.textContent = items.length > shown.length
      ? tn(items.length - shown.length, "and {n} other", "and {n} others")
      : "";
  }

  /** @param {Item} item */
  #row(item) {
    const bar = h("progress", { max: 1, "aria-label": item.path });
    const facts = h("p", { class: "facts" });
    const sign = icon("upload");
    const retry = button("retry", t("Retry: {name}", { name: item.path }), () => this.#queue.retry(item));
    const cancel = button("close", t("Cancel: {name}", { name: item.path }), () => this.#queue.cancel(item));
    const name = h("bdi", {}, item.path);
    const element = h("li", {}, sign, h("div", {}, name, bar, facts), retry, cancel);
    return {
      element,
      /** @param {Item} now */
      update(now) {
        element.dataset.state = now.state;
        if (name.textContent !== now.path) name.textContent = now.path; // both files were kept
        bar.value = now.file.size > 0 ? now.sent / now.file.size : 0;
        bar.hidden = !["sending", "paused", "retrying"].includes(now.state);
        const size = now.state === "sending"
          ? t("{done} of {all}", { done: formatSize(now.sent), all: formatSize(now.file.size) })
          : formatSize(now.file.size);
        facts.textContent = [size, ["failed", "paused"].includes(now.state) && now.note || stateText(now.state)].filter(
          Boolean,
        ).join(" · ");
        retry.hidden = now.state !== "failed";
        cancel.hidden = now.state === "done" || now.state === "skipped";
        sign.style.setProperty(
          "--icon",
          `var(--i-${now.state === "done" ? "done" : now.state === "failed" ? "problem" : "file"})`,
        );
      },
    };
  }
}
