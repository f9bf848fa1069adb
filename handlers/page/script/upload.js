/** Uploads: drop targets and the progress panel. */

import { ask } from "./dialogs.js";
import { announce, button, h, icon } from "./dom.js";
import { choiceOfDrop, choiceOfInput, choiceOfPaste } from "./drop.js";
import { count, formatDuration, formatSize } from "./format.js";
import { refresh } from "./folder.js";
import { loaded } from "./lazy.js";
import { Queue } from "./queue.js";
import { can, store } from "./store.js";

/** @typedef {import("./queue.js").Item} Item */

/** Maximum number of rows in the panel; the totals cover the rest. */
const SHOWN = 100;

/** @param {HTMLElement} dock Where the panel is shown. */
export function startUploads(dock) {
  /** @param {string} path */
  const isTaken = (path) => store.state.folder.entries.some(({ name, kind }) => name === path && kind !== "directory");
  const queue = new Queue(async (item, others) => {
    const conflict = await loaded(() => import("./conflict.js"));
    return conflict && conflict.askConflict(item, others, can("delete"));
  }, isTaken);
  /** @param {import("./drop.js").Choice} choice */
  const take = ({ files, folders }) => {
    queue.add(files);
    queue.addFolders(folders);
  };
  const panel = new Panel(queue);
  refreshAfter(queue);
  listenToDrops(take);
  document.addEventListener("paste", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (target.matches("input, textarea") || !event.clipboardData?.files.length) return;
    event.preventDefault();
    take(choiceOfPaste(event.clipboardData));
  });
  addEventListener("beforeunload", (event) => queue.isActive && event.preventDefault());
  const files = h("input", {
    type: "file",
    multiple: true,
    hidden: true,
    class: "files",
    "aria-label": "Files to upload",
  });
  const folder = h("input", {
    type: "file",
    webkitdirectory: true,
    hidden: true,
    class: "folder",
    "aria-label": "Folder to upload",
  });
  for (const input of [files, folder]) {
    input.addEventListener("change", () => {
      if (input.files) take(choiceOfInput(input.files));
      input.value = ""; // allows choosing the same file again
    });
  }
  document.body.append(files, folder);
  dock.prepend(panel.element);
  return { pickFiles: () => files.click(), pickFolder: () => folder.click() };
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

/** The whole page is a drop target. @param {(choice: import("./drop.js").Choice) => void} take */
function listenToDrops(take) {
  const veil = h("div", { class: "veil", hidden: true }, h("p", {}, icon("upload"), "Drop to upload"));
  document.body.append(veil);
  /** @param {DragEvent} event */
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") && store.state.layers === 0;
  addEventListener("dragenter", (event) => {
    if (hasFiles(event)) veil.hidden = false;
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  veil.addEventListener("dragleave", () => {
    veil.hidden = true;
  });
  addEventListener("drop", async (event) => {
    veil.hidden = true;
    if (!hasFiles(event) || !event.dataTransfer) return;
    event.preventDefault();
    take(await choiceOfDrop(event.dataTransfer));
  });
}

/** @type {Record<import("./queue.js").State, string>} */
const WORDS = {
  waiting: "waiting",
  sending: "",
  paused: "paused",
  retrying: "retrying",
  asking: "the name is taken",
  done: "done",
  failed: "failed",
  skipped: "skipped",
};

class Panel {
  #queue;
  #title = h("h2", { id: "upload-title" });
  #facts = h("p", { class: "facts" });
  #bar = h("progress", { max: 1, value: 0, "aria-labelledby": "upload-title" });
  #list = h("ul", { "aria-label": "Uploads" });
  #more = h("p", { class: "facts" });
  #pause = button("pause", "Pause", () => this.#queue.isPaused ? this.#queue.resume() : this.#queue.pause());
  #fold = button("before", "Hide the list", () => this.#toggle(), { class: "fold" });
  #close = button("close", "Close", () => this.#end());
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
    this.#fold.setAttribute("aria-label", isFolded ? "Show the list" : "Hide the list");
    this.#fold.setAttribute("aria-expanded", String(!isFolded));
  }

  async #end() {
    if (this.#queue.isActive) {
      const answer = await ask("Stop uploading?", [h("p", {}, "Unfinished files are cancelled.")], [
        ["stop", "Stop"],
        ["continue", "Continue"],
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
      ? `${isPaused ? "Paused" : "Uploading"}: ${count(left, "file")} to go`
      : failed > 0
      ? `${count(failed, "file")} could not be uploaded`
      : `${count(done, "file")} uploaded`;
    const time = speed > 0 && isActive ? ` · ${formatDuration((size - sent) / speed)} left` : "";
    const pace = isWaiting
      ? " · waiting for the server"
      : speed > 0 && isActive && !isPaused
      ? ` · ${formatSize(speed)}/s${time}`
      : "";
    this.#facts.textContent = `${formatSize(sent)} of ${formatSize(size)}${pace}`;
    this.#bar.value = size > 0 ? sent / size : isActive ? 0 : 1;
    this.#bar.hidden = !isActive;
    this.#pause.hidden = !isActive;
    const label = isPaused ? "Resume" : "Pause";
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
    this.#more.textContent = items.length > shown.length ? `and ${count(items.length - shown.length, "other")}` : "";
  }

  /** @param {Item} item */
  #row(item) {
    const bar = h("progress", { max: 1, "aria-label": item.path });
    const facts = h("p", { class: "facts" });
    const sign = icon("upload");
    const retry = button("retry", `Retry: ${item.path}`, () => this.#queue.retry(item));
    const cancel = button("close", `Cancel: ${item.path}`, () => this.#queue.cancel(item));
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
          ? `${formatSize(now.sent)} of ${formatSize(now.file.size)}`
          : formatSize(now.file.size);
        facts.textContent = [size, ["failed", "paused"].includes(now.state) && now.note || WORDS[now.state]].filter(
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
