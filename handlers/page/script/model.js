/** The entries, the filter and the order. */

import { matcher } from "./match.js";
import { entryOrder, orderOf, rankByName } from "./order.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** Dispatches `change` when the visible entries have changed. */
export class Model extends EventTarget {
  /** @type {Entry[]} */
  entries = [];
  /** @type {Entry[]} The filtered and sorted entries. */
  shown = [];
  order = orderOf(location.search);
  text = "";
  /** Whether all entries have been read. */
  complete = false;
  /** Whether the entries are search results rather than those of the directory. */
  found = false;
  #ranked = this.order.sort === "name" && this.order.order === "asc";

  /** Appends entries, which arrive in the server's order. @param {Entry[]} entries */
  append(entries) {
    for (const entry of entries) this.entries.push(entry);
    const test = matcher(this.text);
    if (this.found) return this.#update();
    for (const entry of test ? entries.filter(test) : entries) this.shown.push(entry);
    this.#tell();
  }

  /** @param {Entry[]} entries @param {{ found?: boolean }} [options] */
  replace(entries, { found = false } = {}) {
    this.entries = entries;
    this.found = found;
    this.#ranked = !found;
    this.#update();
  }

  finish() {
    this.complete = true;
    this.#tell();
  }

  /** @param {import("./order.js").Order} order */
  sort(order) {
    this.order = order;
    if (!this.#ranked) rankByName(this.entries);
    this.#ranked = !this.found;
    this.#update();
  }

  /** @param {string} text */
  filter(text) {
    this.text = text;
    this.#update();
  }

  /** Number of directories and files, and the total size. */
  totals(entries = this.entries) {
    const totals = { directories: 0, files: 0, bytes: 0 };
    for (const { kind, size } of entries) {
      if (kind === "directory") totals.directories += 1;
      if (kind === "file") totals.files += 1;
      totals.bytes += size ?? 0;
    }
    return totals;
  }

  #update() {
    const test = this.found ? null : matcher(this.text);
    this.shown = (test ? this.entries.filter(test) : [...this.entries]).sort(entryOrder(this.order));
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
