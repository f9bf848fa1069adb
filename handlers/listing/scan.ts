/**
 * Reading a directory, as far as is wanted.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { ListingTotals } from "../listing_data.ts";
import type { Turns } from "./turns.ts";
import { FileChanged, type FileEntry, type FileSource } from "../sources/types.ts";

/** Tries to read a directory that is exchanged meanwhile. */
const ATTEMPTS = 5;

type Slices = AsyncIterator<readonly FileEntry[]> | Iterator<readonly FileEntry[]>;

/** A directory that is being read, slice by slice. Whoever makes one closes it. */
export class DirectoryScan implements AsyncDisposable {
  readonly #source: FileSource;
  readonly #path: SitePath;
  readonly #turns: Turns;
  #slices: Slices | null = null;
  #attempts = 0;
  #entries: FileEntry[] = [];
  #totals = { directories: 0, files: 0, bytes: 0 };
  #isSettled = true;
  #hasLooseLinks = false;

  constructor(source: FileSource, path: SitePath, turns: Turns) {
    this.#source = source;
    this.#path = path;
    this.#turns = turns;
  }

  /** What has been read. It proves nothing before {@linkcode readOver} has said `complete`. */
  get entries(): readonly FileEntry[] {
    return this.#entries;
  }

  /** How much that is. */
  get totals(): ListingTotals {
    return this.#totals;
  }

  /** Whether none of it could still change without its times showing it. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Whether any of it can become something else without a change in the directory. */
  get hasLooseLinks(): boolean {
    return this.#hasLooseLinks;
  }

  /**
   * Reads on until there are more than so many entries.
   *
   * @returns Whether there were, or these are all; null where there is no such directory any more.
   */
  async readOver(limit: number, signal?: AbortSignal): Promise<"complete" | "more" | null> {
    for (;;) {
      try {
        return await this.#readOver(limit, signal);
      } catch (error) {
        await this[Symbol.asyncDispose]();
        if (!(error instanceof FileChanged)) throw error;
        if (++this.#attempts === ATTEMPTS) return null;
      }
    }
  }

  async #readOver(limit: number, signal?: AbortSignal): Promise<"complete" | "more" | null> {
    if (this.#slices === null) {
      const list = await this.#source.list(this.#path);
      if (list === null) return null;
      this.#entries = [];
      this.#totals = { directories: 0, files: 0, bytes: 0 };
      this.#isSettled = true;
      this.#hasLooseLinks = false;
      this.#slices = Symbol.asyncIterator in list ? list[Symbol.asyncIterator]() : list[Symbol.iterator]();
    }
    while (this.#entries.length <= limit) {
      const slice = await this.#slices.next();
      if (slice.done) return "complete";
      for (const entry of slice.value) this.#add(entry);
      if (this.#turns.due) await this.#turns.next();
      signal?.throwIfAborted();
    }
    return "more";
  }

  /** Counts while an entry is at hand: to go through 100,000 of them once more would hold up everybody for 20 ms. */
  #add(entry: FileEntry): void {
    const { stat, link } = entry;
    this.#entries.push(entry);
    if (stat?.kind === "directory") this.#totals.directories += 1;
    if (stat?.kind === "file") this.#totals.files += 1;
    this.#totals.bytes += stat?.size ?? 0;
    if (stat?.settled === false) this.#isSettled = false;
    if (stat === null || (link && stat.kind !== "file")) this.#hasLooseLinks = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const slices = this.#slices;
    this.#slices = null;
    await slices?.return?.();
  }
}
