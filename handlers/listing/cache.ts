/**
 * The listing cache and its freshness rules.
 *
 * @module
 */

import type { ListingPage } from "./pages.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";

/** Minimum time to keep the sizes and dates of a listing, in milliseconds. */
const MIN_AGE_MS = 100;

/** A listing is kept 20 times as long as it took to build, so that building takes at most 5 % of the time. */
const AGE_PER_COST = 20;

/** Maximum size of a cached page. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** A page and the state it was built from. */
export interface Made {
  /** The directory's state before its names were read. */
  readonly stat: FileStat;
  /** The time of that, as `performance.now`. */
  readonly since: number;
  /** Build time in milliseconds. */
  readonly cost: number;
  /** Size in bytes. */
  readonly size: number;
  readonly page: ListingPage;
  /**
   * False if the directory or anything in it changed just now: it could change again within the same timestamp, and a
   * file being written should be seen to grow.
   */
  readonly stable: boolean;
  /** Whether an entry can change its kind without a change of the directory: a dangling link, or one to a directory. */
  readonly hasLooseLinks: boolean;
}

interface Kept extends Made {
  /** A cheaper check than `stat` that the directory is unchanged; null if the source has none. */
  readonly holds: (() => boolean) | null;
}

/**
 * An LRU cache of pages, limited in bytes.
 *
 * The version of a stable directory proves its names, so they are never stale. It proves nothing about the sizes and
 * dates of the entries, which are as old as the page: it therefore expires soon.
 */
export class ListingCache {
  readonly #source: FileSource;
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(source: FileSource, maxBytes: number) {
    this.#source = source;
    this.#maxBytes = maxBytes;
  }

  /** Whether the cache is empty. */
  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /**
   * The page, if the source's own check, which is cheaper than `stat`, proves it fresh; null otherwise. It also proves
   * that no file has appeared in the directory, such as an index page.
   */
  proven(key: string): ListingPage | null {
    const kept = this.#young(key);
    return kept && !kept.hasLooseLinks && kept.holds?.() ? kept.page : null;
  }

  /** The page, if it is fresh for the directory's current state, or null. */
  get(key: string, now: FileStat): ListingPage | null {
    const kept = this.#young(key);
    return kept?.stat.version === now.version ? kept.page : null;
  }

  /** Whether a page of this size can be cached. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= Math.min(MAX_PAGE_BYTES, this.#maxBytes);
  }

  /** Caches a page if the state of its directory can prove it fresh. Returns whether it did. */
  keep(key: string, path: SitePath, made: Made): boolean {
    if (!made.stable || !this.hasRoomFor(made.size)) return false;
    this.#drop(key);
    this.#kept.set(key, { ...made, holds: this.#source.freshness?.(path, made.stat) ?? null });
    this.#bytes += made.size;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
    return true;
  }

  #young(key: string): Kept | null {
    const kept = this.#kept.get(key);
    if (!kept) return null;
    this.#kept.delete(key);
    if (performance.now() - kept.since >= Math.max(MIN_AGE_MS, AGE_PER_COST * kept.cost)) {
      this.#bytes -= kept.size;
      return null;
    }
    this.#kept.set(key, kept);
    return kept;
  }

  #drop(key: string): void {
    this.#bytes -= this.#kept.get(key)?.size ?? 0;
    this.#kept.delete(key);
  }
}
