/**
 * A set of locks, and which of them concern a path (RFC 4918 sections 6 and 7). No I/O.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { LockUser, Reach } from "../store/locks.ts";

/** A write lock. */
export interface Lock {
  /** The token: a URI that cannot be guessed. */
  readonly token: string;
  /** The path for which it was taken; nothing need exist there. */
  readonly root: SitePath;
  /** Whether it covers everything below its root (`Depth: infinity`). */
  readonly isDeep: boolean;
  /** Whether others can have locks of this kind on the same paths. */
  readonly isShared: boolean;
  /** The content of the `owner` element as the client sent it, as XML; empty for none. */
  readonly owner: string;
  /** Identifies the client that took it; null if it was not known: then whoever has the token can use it. */
  readonly by: string | null;
  /** The network address of a client that was not known, for the limit of locks of one client; `""` for others. */
  readonly address: string;
  /** For how long it was granted, in seconds. */
  readonly seconds: number;
  /** When it expires, in milliseconds since 1970. */
  readonly expires: number;
}

/** Whether a client can use a lock: it has submitted its token, and is the one that took it (RFC 4918 section 6.4). */
export function canUse({ token, by }: Lock, { identity, tokens }: LockUser): boolean {
  return tokens.includes(token) && (by === null || by === identity);
}

function clientOf({ by, address }: Pick<Lock, "by" | "address">): string {
  return by ?? `\0${address}`;
}

/** Locks by token and root. Those that have expired are not returned, and stay until {@linkcode LockSet.prune}. */
export class LockSet {
  readonly #byToken = new Map<string, Lock>();
  readonly #byRoot = new Map<string, Lock[]>();
  /** The keys of `#byRoot`, sorted: what is below a directory is in one place. */
  readonly #roots: string[] = [];
  /** How many locks each client has. */
  readonly #held = new Map<string, number>();
  /** No lock expires before. */
  #firstExpiry = Infinity;
  readonly #now: () => number;

  /** Starts empty. */
  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** The number of locks, including those that have expired. */
  get size(): number {
    return this.#byToken.size;
  }

  /** All locks that have not expired. */
  get all(): Lock[] {
    return [...this.#byToken.values()].filter(this.#isLive);
  }

  /** Adds a lock, in place of one with the same token. */
  add(lock: Lock): void {
    this.delete(lock.token);
    this.#byToken.set(lock.token, lock);
    const key = lock.root.text;
    if (!this.#byRoot.has(key)) this.#roots.splice(this.#position(key), 0, key);
    this.#byRoot.set(key, [...this.#byRoot.get(key) ?? [], lock]);
    this.#held.set(clientOf(lock), this.heldBy(lock) + 1);
    this.#firstExpiry = Math.min(this.#firstExpiry, lock.expires);
  }

  /** Removes a lock. */
  delete(token: string): void {
    const lock = this.#byToken.get(token);
    if (lock === undefined) return;
    this.#byToken.delete(token);
    const key = lock.root.text;
    const others = this.#byRoot.get(key)!.filter((each) => each !== lock);
    if (others.length > 0) this.#byRoot.set(key, others);
    else {
      this.#byRoot.delete(key);
      this.#roots.splice(this.#position(key), 1);
    }
    const held = this.heldBy(lock) - 1;
    if (held > 0) this.#held.set(clientOf(lock), held);
    else this.#held.delete(clientOf(lock));
  }

  /** Removes all locks. */
  clear(): void {
    this.#byToken.clear();
    this.#byRoot.clear();
    this.#roots.length = 0;
    this.#held.clear();
    this.#firstExpiry = Infinity;
  }

  /** How many locks a client has, including those that have expired. */
  heldBy(client: Pick<Lock, "by" | "address">): number {
    return this.#held.get(clientOf(client)) ?? 0;
  }

  /** Forgets what has expired. */
  prune(): void {
    if (this.#firstExpiry > this.#now()) return;
    this.#firstExpiry = Infinity;
    for (const lock of [...this.#byToken.values()]) {
      if (this.#isLive(lock)) this.#firstExpiry = Math.min(this.#firstExpiry, lock.expires);
      else this.delete(lock.token);
    }
  }

  /** The locks whose scope contains a path. */
  covering(path: SitePath): Lock[] {
    if (this.#byToken.size === 0) return [];
    const found = this.#at(path.text);
    let text = "";
    for (const segment of path.segments) {
      found.push(...this.#at(text === "" ? "/" : text).filter(({ isDeep }) => isDeep));
      text += `/${segment}`;
    }
    return found;
  }

  /** The locks whose root is below a path. */
  below(path: SitePath): Lock[] {
    // "0" comes after "/".
    const [start, end] = path.parent === null ? ["/", ""] : [`${path.text}/`, `${path.text}0`];
    const roots = this.#roots.slice(this.#position(start), end === "" ? Infinity : this.#position(end));
    return roots.filter((root) => root !== "/").flatMap((root) => this.#at(root));
  }

  /** The lock with a token, if its scope contains a path. */
  find(token: string, path: SitePath): Lock | null {
    const lock = this.#byToken.get(token);
    if (lock === undefined || !this.#isLive(lock)) return null;
    const depth = path.below(lock.root)?.segments.length;
    return depth === 0 || (depth !== undefined && lock.isDeep) ? lock : null;
  }

  /** The root of a lock that keeps a client from writing; null if there is none. */
  blocking(path: SitePath, user: LockUser, reach: Reach): SitePath | null {
    if (this.#byToken.size === 0) return null;
    const parent = reach === "content" ? null : path.parent;
    const below = reach === "tree" ? this.below(path).map(({ root }) => root) : [];
    for (const each of [path, ...parent === null ? [] : [parent], ...below]) {
      const locks = this.covering(each);
      // Of shared locks, one suffices.
      if (locks.length > 0 && !locks.some((lock) => canUse(lock, user))) return locks[0]!.root;
    }
    return null;
  }

  /** The locks whose scope meets that of another one. */
  overlapping({ root, isDeep }: Pick<Lock, "root" | "isDeep">): Lock[] {
    return [...this.covering(root), ...isDeep ? this.below(root) : []];
  }

  /** Where a root is, or would be, among the sorted ones. */
  #position(root: string): number {
    let [low, high] = [0, this.#roots.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#roots[middle]! < root) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #at(text: string): Lock[] {
    return (this.#byRoot.get(text) ?? []).filter(this.#isLive);
  }

  readonly #isLive = ({ expires }: Lock): boolean => expires > this.#now();
}
