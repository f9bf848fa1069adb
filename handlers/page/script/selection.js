/** What is selected. */

/** @typedef {import("./entries.js").Entry} Entry */

/** Tells of `change`. */
export class Selection extends EventTarget {
  /** @type {Set<Entry>} */
  #chosen = new Set();
  /** Where a range begins. @type {Entry | null} */
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

  /** Selects all from the last one that was chosen to this one. @param {Entry} entry @param {readonly Entry[]} shown */
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

  /** Lets go of what is not there any more; the same name is the same thing. @param {readonly Entry[]} entries */
  keep(entries) {
    const names = new Set(this.entries.map(({ href }) => href));
    this.#chosen = new Set(entries.filter(({ href }) => href !== null && names.has(href)));
    this.#tell();
  }

  #tell() {
    this.dispatchEvent(new Event("change"));
  }
}
