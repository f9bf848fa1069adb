/**
 * CRC-32 checksums of archived files: known only for files already read, yet a zip file lists them all at its end.
 *
 * @module
 */

/** Checksums of the files of one archive, by index in the plan; 8 bytes each. */
export class Sums {
  /** The sum plus one, so that 0 means unknown. */
  readonly #values: Float64Array;

  /** Allocates space for this many files. */
  constructor(count: number) {
    this.#values = new Float64Array(count);
  }

  /** Number of files. */
  get length(): number {
    return this.#values.length;
  }

  /** The sum of a file, or null if it is unknown. */
  get(index: number): number | null {
    const value = this.#values[index] ?? 0; // formats without sums allocate nothing
    return value === 0 ? null : value - 1;
  }

  set(index: number, sum: number): void {
    this.#values[index] = sum + 1;
  }
}

/** Maximum number of sums kept: 16 MB. */
const MAX_SUMS = 2_000_000;

/**
 * The sums of recently sent archives, so that resuming a download near its end does not read all files again. The key
 * is the entity tag, which identifies the state of all files, so an entry is never stale.
 */
export class KeptSums {
  readonly #archives = new Map<string, Sums>();
  #count = 0;

  /** The sums of an archive; kept if it has an entity tag. */
  of(etag: string | null, count: number): Sums {
    const kept = etag === null ? undefined : this.#archives.get(etag);
    const sums = kept ?? new Sums(count);
    if (etag === null || count > MAX_SUMS) return sums;
    this.#archives.delete(etag); // re-insert at the end: LRU order
    this.#archives.set(etag, sums);
    if (!kept) this.#count += count;
    for (const [oldest, { length }] of this.#archives) {
      if (this.#count <= MAX_SUMS) break;
      this.#archives.delete(oldest);
      this.#count -= length;
    }
    return sums;
  }
}
