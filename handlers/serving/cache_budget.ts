/**
 * The memory that several caches may use together.
 *
 * @module
 */

/** A cache that can be made smaller. */
interface Member {
  /** Its current size in bytes. */
  readonly bytes: number;
  /** Evicts one entry. */
  evict(): void;
}

/**
 * A limit for the response caches of several file servers together, such as those of virtual hosts: pass the same one as
 * `cacheSize` to all of them. If it is exceeded, the largest cache evicts entries.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { CacheBudget, fileServer, hosts, memory, toFetch } from "@x/pyserve";
 *
 * const cacheSize = new CacheBudget(16 * 1024 * 1024);
 * const fetch = toFetch(hosts({
 *   "a.localhost": fileServer(memory({ "index.html": "A" }), { cacheSize, log: false }),
 *   "b.localhost": fileServer(memory({ "index.html": "B" }), { cacheSize, log: false }),
 * }));
 * assert(await (await fetch(new Request("http://b.localhost/"))).text() === "B");
 * ```
 *
 * @category Server
 */
export class CacheBudget {
  /** The limit in bytes; with 0, nothing is cached. */
  readonly maxBytes: number;
  readonly #members: Member[] = [];

  /** Defaults to 64 MiB. */
  constructor(maxBytes: number = 64 * 1024 * 1024) {
    this.maxBytes = maxBytes;
  }

  /**
   * The limit of a cache, given as the option `cacheSize`.
   *
   * @internal
   */
  static of(size: number | CacheBudget | undefined): CacheBudget {
    return size instanceof CacheBudget ? size : new CacheBudget(size);
  }

  /**
   * Adds a cache.
   *
   * @internal
   */
  join(member: Member): void {
    this.#members.push(member);
  }

  /**
   * Evicts entries until the limit is kept.
   *
   * @internal
   */
  makeRoom(): void {
    while (this.#members.reduce((sum, { bytes }) => sum + bytes, 0) > this.maxBytes) {
      const largest = this.#members.reduce((largest, member) => member.bytes > largest.bytes ? member : largest);
      largest.evict();
    }
  }
}
