/**
 * The recursive search.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { entryOf } from "../serving/listing_data.ts";
import { DirectoryScan } from "../listing/scan.ts";
import { sortEntries } from "../listing/sort.ts";
import { type Gate, Turns } from "../core/turns.ts";
import { encodeSegment } from "../http/escape.ts";
import type { FileEntry, FileSource } from "../sources/types.ts";
import type { Pattern } from "./pattern.ts";
import type { Found, SearchEnd } from "./results.ts";

/** Limits of a search. */
export interface SearchLimits {
  /** Maximum number of results. */
  readonly results: number;
  /** Maximum number of directories read. */
  readonly directories: number;
  /** Maximum duration in milliseconds, excluding time spent waiting for the client to read. */
  readonly milliseconds: number;
}

/** A search in progress; it advances as results are read. */
export interface Hunt {
  /** Results in batches. */
  readonly batches: AsyncGenerator<readonly Found[]>;
  /** How it ended; null while it is running. */
  end(): SearchEnd | null;
}

/** Parameters of a search. */
export interface HuntOptions {
  readonly directory: SitePath;
  readonly pattern: Pattern;
  readonly limits: SearchLimits;
  /** Limits the number of directories read at the same time. */
  readonly gate: Gate;
  /** Aborted when the results are no longer needed. */
  readonly signal: AbortSignal;
}

/**
 * Breadth-first search below a directory: matches are more often near than deep, and no single branch can use up the
 * limits. Each directory is read once, however many links lead to it.
 */
export function hunt(source: FileSource, options: HuntOptions): Hunt {
  const search = new Search(source, options);
  return { batches: search.run(), end: () => search.end };
}

interface HuntedDirectory {
  readonly path: SitePath;
  /** Names from the searched directory down, each followed by a slash. */
  readonly text: string;
  readonly href: string;
}

class Search {
  readonly #source: FileSource;
  readonly #options: HuntOptions;
  readonly #turns = new Turns();
  readonly #seen = new Set<string>();
  #queue: HuntedDirectory[] = [];
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

  async #lookThrough(place: HuntedDirectory): Promise<Found[]> {
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

  /** Returns entries only after reading the whole directory: only then is it proven to be the requested one. */
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

  #resultOf(entry: FileEntry, { text, href }: HuntedDirectory): Found | null {
    const { pattern } = this.#options;
    const path = text + entry.name;
    if (entry.problem !== null || !pattern.matches(pattern.onPath ? path : entry.name)) return null;
    const data = entryOf(entry);
    return { path, ...data, href: href + data.href };
  }

  async #enqueueChild(entry: FileEntry, { path, text, href }: HuntedDirectory): Promise<void> {
    const child = path.child(entry.name);
    if (child === null) return;
    const place = { path: child, text: `${text}${entry.name}/`, href: `${href}${encodeSegment(entry.name)}/` };
    await this.#enqueue(place, entry.link);
  }

  async #enqueue(place: HuntedDirectory, isLink: boolean): Promise<void> {
    if (this.#directories >= this.#options.limits.directories) {
      this.end = "directories";
      return;
    }
    const identity = await this.#source.locate?.(place.path) ?? null;
    // Without real paths a cycle of links cannot be detected.
    if (identity === null ? isLink : this.#seen.has(identity)) return;
    if (identity !== null) this.#seen.add(identity);
    this.#directories += 1;
    this.#queue.push(place);
  }
}

/** Number of processed directories after which the queue is compacted. */
const QUEUE_BEHIND = 1_000;
