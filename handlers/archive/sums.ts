/**
 * CRC-32 of the files in archives: only what has been read has one, and a zip file has them all at its end.
 *
 * @module
 */

/** Checksums of the files of one archive, by their number in its plan; 8 bytes each. */
export class Sums {
  /** One more than the sum, so that a new array knows none. */
  readonly #values: Float64Array;

  /** Room for the sums of so many files. */
  constructor(count: number) {
    this.#values = new Float64Array(count);
  }

  /** How many files. */
  get length(): number {
    return this.#values.length;
  }

  /** The sum of a file, or null where it is not known. */
  get(index: number): number | null {
    const value = this.#values[index] ?? 0; // of a format without sums there is room for none
    return value === 0 ? null : value - 1;
  }

  /** Keeps the sum of a file. */
  set(index: number, sum: number): void {
    this.#values[index] = sum + 1;
  }
}

/** Sums kept at most: 16 MB of them. */
const MAX_SUMS = 2_000_000;

/**
 * The sums of archives that were sent lately: who resumes a download gets the end without all files being read again. An
 * entity tag names the state of all files, so what is kept under it stays right.
 */
export class KeptSums {
  readonly #archives = new Map<string, Sums>();
  #count = 0;

  /** The sums of an archive, kept where it has an entity tag. */
  of(etag: string | null, count: number): Sums {
    const kept = etag === null ? undefined : this.#archives.get(etag);
    const sums = kept ?? new Sums(count);
    if (etag === null || count > MAX_SUMS) return sums;
    this.#archives.delete(etag); // to be put behind the others: what was used last goes last
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
