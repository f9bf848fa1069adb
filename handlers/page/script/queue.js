/** The upload queue. */

import { makeFolder } from "./changes.js";
import { t } from "./language.js";
import { LoggedOut, logIn, loginCount } from "./login.js";
import { forget, Passing, sendFile, Stopped, Taken } from "./transfer.js";

/** Concurrent uploads. */
const AT_ONCE = 3;

/** Seconds over which the transfer rate is averaged. */
const WINDOW = 6;

/** Seconds before each retry; after the last one the upload fails. */
const PAUSES = [1, 2, 4, 8, ...Array(40).fill(15)];

/** @typedef {"waiting" | "sending" | "paused" | "retrying" | "asking" | "done" | "failed" | "skipped"} State */
/** @typedef {"fail" | "rename" | "overwrite"} Policy */

/**
 * @typedef {object} Item
 * @property {number} id
 * @property {File} file
 * @property {string} path The path below the folder, with `/`.
 * @property {State} state
 * @property {number} sent
 * @property {string} note Why it has failed or is paused.
 * @property {Policy} policy
 * @property {number} tries
 * @property {AbortController} stop
 */

/** Dispatches `change` on any progress, and `done` for each stored file. */
export class Queue extends EventTarget {
  /** @type {Item[]} */
  items = [];
  #ask;
  #isTaken;
  #isPaused = false;
  /** Empty folders to be created after a login. @type {string[]} */
  #folders = [];
  #ids = 0;
  /** @type {{ at: number, bytes: number }[]} */
  #samples = [];
  #sentBefore = 0;
  /** Serializes the questions. @type {Promise<unknown>} */
  #asking = Promise.resolve();
  /** The answer given for all conflicts. @type {Policy | "skip" | null} */
  #forAll = null;

  /**
   * @param {(item: Item, others: boolean) => Promise<{ answer: Policy | "skip", all: boolean } | null>} ask Asks how to
   * resolve a conflict.
   * @param {(path: string) => boolean} isTaken
   */
  constructor(ask, isTaken) {
    super();
    this.#ask = ask;
    this.#isTaken = isTaken;
    addEventListener("online", () => this.#wake());
  }

  get isPaused() {
    return this.#isPaused;
  }

  /** Whether nothing is sent because the server does not answer. */
  get isWaiting() {
    const isIn = (/** @type {State} */ state) => this.items.some((item) => item.state === state);
    return isIn("retrying") && !isIn("sending");
  }

  get isActive() {
    return this.items.some(({ state }) => !["done", "failed", "skipped"].includes(state));
  }

  /** Bytes sent, total bytes, and bytes per second. */
  get totals() {
    let [sent, size] = [0, 0];
    for (const item of this.items) {
      if (item.state === "skipped") continue;
      size += item.file.size;
      // What was sent of a file that was refused is of no use.
      if (item.state !== "failed") sent += item.state === "done" ? item.file.size : Math.min(item.sent, item.file.size);
    }
    const [first] = this.#samples;
    const last = this.#samples.at(-1);
    const seconds = first && last ? (last.at - first.at) / 1000 : 0;
    const speed = first && last && seconds > 0.3 ? Math.max(0, (last.bytes - first.bytes) / seconds) : 0;
    return { sent, size, speed };
  }

  /** @param {{ file: File, path: string }[]} files */
  add(files) {
    if (!this.isActive) {
      this.#forAll = null;
      this.#samples = [];
      this.#sentBefore = 0;
      this.items = this.items.filter(({ state }) => state === "failed");
    }
    for (const { file, path } of files) {
      this.items.push({
        id: ++this.#ids,
        file,
        path,
        state: "waiting",
        sent: 0,
        note: "",
        policy: "fail",
        tries: 0,
        stop: new AbortController(),
      });
    }
    this.#next();
  }

  /** Creates empty folders and their parents, which no upload would create. @param {string[]} paths */
  async addFolders(paths) {
    const all = new Set(
      paths.flatMap((path) => path.split("/").map((_, at, names) => names.slice(0, at + 1).join("/"))),
    );
    for (const path of all) {
      const problem = await makeFolder(path).catch((error) => error); // an existing folder is fine
      if (problem instanceof LoggedOut) {
        this.#folders.push(...paths);
        return;
      }
    }
    if (paths.length > 0) this.dispatchEvent(new Event("done"));
  }

  pause() {
    this.#isPaused = true;
    for (const item of this.items) {
      if (item.state === "sending" || item.state === "retrying") this.#halt(item, "paused");
    }
    this.#tell();
  }

  resume() {
    this.#isPaused = false;
    this.#samples = [];
    this.addFolders(this.#folders.splice(0));
    for (const item of this.items) {
      if (item.state === "paused") Object.assign(item, { state: "waiting", note: "" });
    }
    this.#next();
  }

  /** @param {Item} item */
  retry(item) {
    if (item.state !== "failed") return;
    Object.assign(item, { state: "waiting", note: "", tries: 0, stop: new AbortController() });
    this.#next();
  }

  /** @param {Item} item */
  cancel(item) {
    if (item.state === "done") return;
    const begun = item.sent > 0;
    this.#halt(item, "skipped");
    this.items = this.items.filter((each) => each !== item);
    if (begun) forget(item.file, hrefOf(item.path));
    this.#next();
  }

  cancelAll() {
    for (const item of [...this.items]) this.cancel(item);
    this.#isPaused = false;
    this.#folders = [];
    this.items = [];
    this.#tell();
  }

  /** @param {Item} item @param {State} state */
  #halt(item, state) {
    item.state = state;
    item.stop.abort();
    item.stop = new AbortController();
  }

  #wake() {
    for (const item of this.items) if (item.state === "retrying") item.state = "waiting";
    this.#next();
  }

  #next() {
    // Filtered again each time: an item that fails at once calls this method before it returns.
    while (!this.#isPaused && this.items.filter(({ state }) => state === "sending").length < AT_ONCE) {
      const item = this.items.find(({ state }) => state === "waiting");
      if (!item) break;
      this.#send(item);
    }
    this.#tell();
  }

  /** @param {Item} item */
  async #send(item) {
    item.state = "sending";
    const { stop } = item;
    const login = loginCount();
    try {
      // Ask about known conflicts before sending anything.
      if (item.policy === "fail" && this.#isTaken(item.path)) throw new Taken();
      const name = await sendFile(item.file, hrefOf(item.path), item.policy, {
        signal: stop.signal,
        sent: (bytes) => {
          if (stop.signal.aborted) return;
          if (bytes > item.sent) item.tries = 0;
          this.#sentBefore += Math.max(0, bytes - item.sent);
          item.sent = bytes;
          this.#sample();
        },
      });
      Object.assign(item, { state: "done", path: item.path.replace(/[^/]*$/, () => name) });
      this.dispatchEvent(new Event("done"));
    } catch (error) {
      if (error instanceof Stopped || stop.signal.aborted) return;
      if (error instanceof LoggedOut) this.#logIn(item, login);
      else if (error instanceof Taken) this.#settle(item);
      else if (error instanceof Passing && item.tries < PAUSES.length) this.#later(item, error);
      else Object.assign(item, { state: "failed", note: error instanceof Error ? error.message : String(error) });
    }
    this.#next();
  }

  /**
   * Pauses until the user has logged in. What is being sent may arrive: it was accepted while there was a session.
   *
   * @param {Item} item
   * @param {number} login The login that it was sent with.
   */
  async #logIn(item, login) {
    item.state = "waiting";
    if (login !== loginCount()) return;
    Object.assign(item, { state: "paused", note: t("log in to continue") });
    this.#isPaused = true;
    if (await logIn()) this.resume();
  }

  /** @param {Item} item @param {Error} error */
  #later(item, error) {
    Object.assign(item, { state: "retrying", note: error.message });
    this.#samples = []; // the speed was that of another connection
    const { stop } = item;
    setTimeout(() => {
      if (item.state !== "retrying" || item.stop !== stop) return;
      item.state = "waiting";
      this.#next();
    }, PAUSES[item.tries++] * 1000);
  }

  /** Asks how to resolve a conflict. @param {Item} item */
  #settle(item) {
    item.state = "asking";
    this.#asking = this.#asking.then(async () => {
      if (item.state !== "asking") return;
      const others = this.items.some((each) => each !== item && (each.state === "asking" || each.state === "waiting"));
      const said = this.#forAll
        ? { answer: this.#forAll, all: true }
        : await this.#ask(item, others) ?? { answer: "skip", all: false };
      if (said.all) this.#forAll = said.answer;
      if (said.answer === "skip") {
        item.state = "skipped";
        if (item.sent > 0) forget(item.file, hrefOf(item.path));
      } else Object.assign(item, { state: "waiting", policy: said.answer });
      this.#next();
    });
  }

  #sample() {
    const now = performance.now();
    const last = this.#samples.at(-1);
    if (last && now - last.at < 200) return;
    this.#samples.push({ at: now, bytes: this.#sentBefore });
    while ((this.#samples[0]?.at ?? now) < now - WINDOW * 1000) this.#samples.shift();
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} path */
function hrefOf(path) {
  // A colon in the first segment would make it a scheme.
  return "./" + path.split("/").map((name) => encodeURIComponent(name.toWellFormed())).join("/");
}
