/**
 * Listings that are kept, and who may have which of them.
 *
 * @module
 */

import type { ListingPage } from "./pages.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";

/** Milliseconds that the sizes and dates of a listing are kept at least. */
const MIN_AGE_MS = 100;

/** How much longer a listing is kept than it takes to make it: so that making it takes 5 % of the time at most. */
const AGE_PER_COST = 20;

/** One page is kept up to this size. */
const MAX_PAGE_BYTES = 4 * 1024 * 1024;

/** A page that was made, and what it was made of. */
export interface Made {
  /** The directory before its names were read. */
  readonly stat: FileStat;
  /** When that was, by `performance.now`. */
  readonly since: number;
  /** How long it took to make it. */
  readonly cost: number;
  /** Its bytes. */
  readonly size: number;
  readonly page: ListingPage;
  /**
   * Whether neither the directory nor anything in it changed just now: it could change again without any of its times
   * moving, and a file that is being written should be seen to grow.
   */
  readonly settled: boolean;
  /** Whether what each entry is can change without the directory: a link that leads nowhere yet, or to a directory. */
  readonly hasLooseLinks: boolean;
}

interface Kept extends Made {
  /** Whether the directory is as it was, without asking all there is to ask; null where that cannot be had. */
  readonly holds: (() => boolean) | null;
}

/**
 * Pages up to a number of bytes; the ones longest not asked for go first.
 *
 * The version of a directory that has settled proves the names in it: they are never old. It says nothing of the sizes
 * and dates of what is in it: these are as old as the page, which is therefore not kept for long.
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

  /** Whether nothing is kept. */
  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /**
   * The page that is proven to hold by a check of its own, quicker than `stat`, and with it that what was no file in the
   * directory still is none; null where there is no such page.
   */
  proven(key: string): ListingPage | null {
    const kept = this.#young(key);
    return kept && !kept.hasLooseLinks && kept.holds?.() ? kept.page : null;
  }

  /** The page that holds for a directory as it is now, or null. */
  get(key: string, now: FileStat): ListingPage | null {
    const kept = this.#young(key);
    return kept?.stat.version === now.version ? kept.page : null;
  }

  /** Whether a page of this size can be kept. */
  hasRoomFor(bytes: number): boolean {
    return bytes <= Math.min(MAX_PAGE_BYTES, this.#maxBytes);
  }

  /** Keeps a page, where its directory can prove it. Says whether it does. */
  keep(key: string, path: SitePath, made: Made): boolean {
    if (!made.settled || !this.hasRoomFor(made.size)) return false;
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
