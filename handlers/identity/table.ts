/**
 * A map of bounded size that forgets.
 *
 * @module
 */

/** Options of {@linkcode Table}. */
export interface TableOptions {
  /** The largest number of entries; those that were set longest ago make room. */
  readonly max: number;
  /** How long an entry lasts after it was set, in milliseconds. */
  readonly forgetMs: number;
  /** The clock in milliseconds. */
  readonly now: () => number;
}

/** A map whose entries expire, without a timer: an expired entry is dropped when it is looked up, or makes room. */
export class Table<V> {
  readonly #entries = new Map<string, { readonly value: V; readonly until: number }>();
  readonly #options: TableOptions;

  /** An empty table. */
  constructor(options: TableOptions) {
    this.#options = options;
  }

  /** The number of entries, expired ones included. */
  get size(): number {
    return this.#entries.size;
  }

  /** The value of a key; undefined if it is missing or has expired. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || this.#options.now() < entry.until) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  /** Sets a value, and makes it the newest. */
  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, { value, until: this.#options.now() + this.#options.forgetMs });
    if (this.#entries.size <= this.#options.max) return;
    // Several at once: a map with many deleted entries takes long to find its first one.
    let surplus = Math.ceil(this.#options.max / 16);
    for (const oldest of this.#entries.keys()) {
      if (surplus-- <= 0) break;
      this.#entries.delete(oldest);
    }
  }

  /** Removes a key. */
  delete(key: string): void {
    this.#entries.delete(key);
  }
}
