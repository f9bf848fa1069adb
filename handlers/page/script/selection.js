/** The selection. */

/** @typedef {import("./entries.js").Entry} Entry */

/** Dispatches `change`. */
export class Selection extends EventTarget {
  /** @type {Set<Entry>} */
  #chosen = new Set();
  /** Start of a range selection. @type {Entry | null} */
  #anchor = null;

  get size() {
    return this.#chosen.size;
  }

  get entries() {
    return [...this.#chosen];
  }

  /** @param {Entry} entry */
  has(entry) {
    return this.#chosen.has(entry);
  }

  /** @param {Entry} entry */
  toggle(entry) {
    if (entry.href === null) return;
    if (!this.#chosen.delete(entry)) this.#chosen.add(entry);
    this.#anchor = entry;
    this.#tell();
  }

  /** Selects the range from the anchor to this entry. @param {Entry} entry @param {readonly Entry[]} shown */
  extend(entry, shown) {
    const from = this.#anchor ? shown.indexOf(this.#anchor) : -1;
    const to = shown.indexOf(entry);
    if (from < 0 || to < 0) return this.toggle(entry);
    this.add(shown.slice(Math.min(from, to), Math.max(from, to) + 1));
  }

  /** @param {readonly Entry[]} entries */
  add(entries) {
    for (const entry of entries) if (entry.href !== null) this.#chosen.add(entry);
    this.#tell();
  }

  clear() {
    if (this.size === 0) return;
    this.#chosen.clear();
    this.#anchor = null;
    this.#tell();
  }

  /** Drops entries that no longer exist; entries are identified by name. @param {readonly Entry[]} entries */
  keep(entries) {
    const names = new Set(this.entries.map(({ href }) => href));
    this.#chosen = new Set(entries.filter(({ href }) => href !== null && names.has(href)));
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
