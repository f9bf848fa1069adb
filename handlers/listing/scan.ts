/**
 * Reads a directory up to a given number of entries.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { ListingTotals } from "../serving/listing_data.ts";
import type { Turns } from "../core/turns.ts";
import { FileChanged, type FileEntry, type FileSource, isUnread } from "../sources/types.ts";

/** Maximum number of attempts at a directory that is replaced during the read. */
const ATTEMPTS = 5;

type Slices = AsyncIterator<readonly FileEntry[]> | Iterator<readonly FileEntry[]>;

/** Options of {@linkcode DirectoryScan}. */
export interface ScanOptions {
  /** Whether entries may be read later, by {@linkcode DirectoryScan.read}: for large directories, if the source can. */
  readonly namesFirst?: boolean;
}

/** A directory being read in time slices. The creator closes it. */
export class DirectoryScan implements AsyncDisposable {
  readonly #source: FileSource;
  readonly #path: SitePath;
  readonly #turns: Turns;
  readonly #namesFirst: boolean;
  #slices: Slices | null = null;
  #until: DisposableStack | undefined;
  #attempts = 0;
  #entries: FileEntry[] = [];
  #hasUnread = false;
  #totals = { directories: 0, files: 0, bytes: 0 };
  #isStable = true;
  #hasLooseLinks = false;

  constructor(source: FileSource, path: SitePath, turns: Turns, { namesFirst = false }: ScanOptions = {}) {
    this.#namesFirst = namesFirst;
    this.#source = source;
    this.#path = path;
    this.#turns = turns;
  }

  /** The entries read so far. They prove nothing until {@linkcode readOver} has returned `complete`. */
  get entries(): readonly FileEntry[] {
    return this.#entries;
  }

  /** Totals of the entries read so far; of those whose metadata is read later, only since then. */
  get totals(): ListingTotals {
    return this.#totals;
  }

  /** Whether any further change to them would show in their times. */
  get isStable(): boolean {
    return this.#isStable;
  }

  /** Whether an entry can change its kind without a change of the directory. */
  get hasLooseLinks(): boolean {
    return this.#hasLooseLinks;
  }

  /**
   * Reads until there are more than `limit` entries.
   *
   * @returns `more` if there are, `complete` if all have been read; null if the directory no longer exists.
   */
  async readOver(limit: number, signal?: AbortSignal): Promise<"complete" | "more" | null> {
    for (;;) {
      try {
        const read = await this.#readOver(limit, signal);
        if (read === null) await this[Symbol.asyncDispose]();
        return read;
      } catch (error) {
        await this[Symbol.asyncDispose]();
        if (!(error instanceof FileChanged)) throw error;
        if (++this.#attempts === ATTEMPTS) return null;
      }
    }
  }

  async #readOver(limit: number, signal?: AbortSignal): Promise<"complete" | "more" | null> {
    if (this.#slices === null) {
      this.#until = this.#namesFirst ? new DisposableStack() : undefined;
      const list = await this.#source.list(this.#path, this.#until);
      if (list === null) return null;
      this.#entries = [];
      this.#totals = { directories: 0, files: 0, bytes: 0 };
      this.#isStable = true;
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

  /** An entry with its metadata; null if it has disappeared since its name was read. Call it once for each. */
  read(entry: FileEntry): FileEntry | null {
    if (!isUnread(entry)) return entry;
    const read = entry.read();
    if (read !== null) this.#count(read);
    return read;
  }

  /** Reads what has been left for later, of a scan that is complete. */
  async readAll(): Promise<void> {
    if (!this.#hasUnread) return;
    await using _closing = this;
    const entries: FileEntry[] = [];
    for (const [index, entry] of this.#entries.entries()) {
      const read = this.read(entry);
      if (read !== null) entries.push(read);
      if (index % 16 === 0 && this.#turns.due) await this.#turns.next();
    }
    this.#entries = entries;
  }

  #add(entry: FileEntry): void {
    this.#entries.push(entry);
    if (isUnread(entry)) this.#hasUnread = true;
    else this.#count(entry);
  }

  /** Counts here rather than in a second pass, which would block the event loop for 20 ms at 100,000 entries. */
  #count({ stat, link }: FileEntry): void {
    if (stat?.kind === "directory") this.#totals.directories += 1;
    if (stat?.kind === "file") this.#totals.files += 1;
    this.#totals.bytes += stat?.size ?? 0;
    if (stat?.stable === false) this.#isStable = false;
    if (stat === null || (link && stat.kind !== "file")) this.#hasLooseLinks = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const [slices, until] = [this.#slices, this.#until];
    this.#slices = null;
    this.#until = undefined;
    until?.dispose();
    await slices?.return?.();
  }
}
