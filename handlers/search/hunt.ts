/**
 * Looking through directories for names.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { entryOf, type ListingEntry } from "../listing_data.ts";
import { DirectoryScan } from "../listing/scan.ts";
import { sortEntries } from "../listing/sort.ts";
import { type Gate, Turns } from "../listing/turns.ts";
import { encodeSegment } from "../http/escape.ts";
import type { FileEntry, FileSource } from "../sources/types.ts";
import type { Pattern } from "./pattern.ts";

/** Something that was found. */
export interface Found extends ListingEntry {
  /** Where it is, below the directory that is searched: `docs/a.txt`. */
  readonly path: string;
}

/** Where to stop. */
export interface SearchLimits {
  /** Results at most. */
  readonly results: number;
  /** Directories that are looked through at most. */
  readonly directories: number;
  /** Milliseconds of looking at most; the time in which nobody takes results does not count. */
  readonly milliseconds: number;
}

/** How a search ended: with everything looked at, or at which limit. */
export type SearchEnd = "complete" | "results" | "directories" | "time";

/** A search that goes on while its results are taken. */
export interface Hunt {
  /** Results, some at a time. */
  readonly batches: AsyncGenerator<readonly Found[]>;
  /** How it ended; null while it goes on. */
  end(): SearchEnd | null;
}

/** What to look for, and where. */
export interface HuntOptions {
  readonly directory: SitePath;
  readonly pattern: Pattern;
  readonly limits: SearchLimits;
  /** Lets so many directories be read at the same time. */
  readonly gate: Gate;
  /** Aborted when nobody wants the results. */
  readonly signal: AbortSignal;
}

/**
 * Looks through a directory and all below it, nearest first: what people look for is more often near than deep, and no
 * single branch can use up the limits. Each directory is looked through once, whatever links lead to it.
 */
export function hunt(source: FileSource, options: HuntOptions): Hunt {
  const search = new Search(source, options);
  return { batches: search.run(), end: () => search.end };
}

interface Place {
  readonly path: SitePath;
  /** Names from the directory that is searched, each with a slash behind it. */
  readonly text: string;
  readonly href: string;
}

class Search {
  readonly #source: FileSource;
  readonly #options: HuntOptions;
  readonly #turns = new Turns();
  readonly #seen = new Set<string>();
  #queue: Place[] = [];
  #results = 0;
  #directories = 0;
  #milliseconds = 0;
  end: SearchEnd | null = null;

  constructor(source: FileSource, options: HuntOptions) {
    this.#source = source;
    this.#options = options;
  }

  async *run(): AsyncGenerator<readonly Found[]> {
    const { directory, limits } = this.#options;
    await this.#enqueue({ path: directory, text: "", href: "" }, false);
    for (let at = 0; at < this.#queue.length; at++) {
      const since = performance.now();
      const found = await this.#lookThrough(this.#queue[at]!);
      this.#milliseconds += performance.now() - since;
      const batch = found.slice(0, limits.results - this.#results);
      this.#results += batch.length;
      if (batch.length > 0) yield batch;
      if (batch.length < found.length) return this.#stop("results");
      if (at + 1 < this.#queue.length && this.#milliseconds > limits.milliseconds) return this.#stop("time");
      if (at === QUEUE_BEHIND) {
        this.#queue = this.#queue.slice(at + 1);
        at = -1;
      }
    }
    this.end ??= "complete";
  }

  #stop(end: SearchEnd): void {
    this.end = end;
  }

  async #lookThrough(place: Place): Promise<Found[]> {
    const entries = await this.#entriesOf(place.path);
    const found: Found[] = [];
    for (const entry of entries) {
      const result = this.#resultOf(entry, place);
      if (result !== null) found.push(result);
      if (entry.stat?.kind === "directory" && entry.problem === null) await this.#enqueueChild(entry, place);
      if (this.#turns.due) await this.#turns.next();
    }
    return found;
  }

  /** Nothing of a directory is known before all of it has been read: only then it is proven to be the one asked for. */
  async #entriesOf(path: SitePath): Promise<readonly FileEntry[]> {
    const { gate, signal } = this.#options;
    using _place = await gate.enter();
    signal.throwIfAborted();
    await using scan = new DirectoryScan(this.#source, path, this.#turns);
    try {
      const read = await scan.readOver(Infinity, signal);
      return read === null ? [] : await sortEntries(scan.entries, { sort: "name", order: "asc" }, this.#turns);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return [];
      throw error;
    }
  }

  #resultOf(entry: FileEntry, { text, href }: Place): Found | null {
    const { pattern } = this.#options;
    const path = text + entry.name;
    if (entry.problem !== null || !pattern.matches(pattern.onPath ? path : entry.name)) return null;
    const data = entryOf(entry);
    return { path, ...data, href: href + data.href };
  }

  async #enqueueChild(entry: FileEntry, { path, text, href }: Place): Promise<void> {
    const child = path.child(entry.name);
    if (child === null) return;
    const place = { path: child, text: `${text}${entry.name}/`, href: `${href}${encodeSegment(entry.name)}/` };
    await this.#enqueue(place, entry.link);
  }

  async #enqueue(place: Place, isLink: boolean): Promise<void> {
    if (this.#directories >= this.#options.limits.directories) {
      this.end = "directories";
      return;
    }
    const identity = await this.#source.locate?.(place.path) ?? null;
    // Without knowing where it leads, nobody could say that the way through a link ends.
    if (identity === null ? isLink : this.#seen.has(identity)) return;
    if (identity !== null) this.#seen.add(identity);
    this.#directories += 1;
    this.#queue.push(place);
  }
}

/** Directories of the queue that have been looked through before they are let go. */
const QUEUE_BEHIND = 1_000;
