/**
 * Reading a directory, as far as is wanted.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
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

  constructor(source: FileSource, path: SitePath, turns: Turns) {
    this.#source = source;
    this.#path = path;
    this.#turns = turns;
  }

  /** What has been read. It proves nothing before {@linkcode readOver} has said `complete`. */
  get entries(): readonly FileEntry[] {
    return this.#entries;
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
      this.#slices = Symbol.asyncIterator in list ? list[Symbol.asyncIterator]() : list[Symbol.iterator]();
    }
    while (this.#entries.length <= limit) {
      const slice = await this.#slices.next();
      if (slice.done) return "complete";
      for (const entry of slice.value) this.#entries.push(entry);
      if (this.#turns.due) await this.#turns.next();
      signal?.throwIfAborted();
    }
    return "more";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const slices = this.#slices;
    this.#slices = null;
    await slices?.return?.();
  }
}
