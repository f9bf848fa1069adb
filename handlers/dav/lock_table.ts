/**
 * The locks of a site: taken, refreshed and released by clients, and respected by the store.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import type { Locks, LockUser, Reach } from "../store/locks.ts";
import { canUse, type Lock, LockSet } from "./lock_set.ts";

/** What a client asks for. */
export type LockWish = Omit<Lock, "token" | "expires">;

/** Changes to a set of locks: those to add, and the tokens of those to remove. */
export interface LockChanges {
  readonly added?: readonly Lock[];
  readonly removed?: readonly string[];
}

/** Where locks are kept. */
export interface LockKeeper {
  /** All locks, as they are now; the set changes with later calls. */
  current(): LockSet;
  /** Decides on changes while no other process can change the locks, and makes them. Errors change nothing. */
  change<T>(decide: (locks: LockSet) => { readonly changes: LockChanges; readonly result: T }): T;
}

/** Locks that end with the process. */
export function locksInMemory(now: () => number = Date.now): LockKeeper {
  const locks = new LockSet(now);
  return {
    current: () => locks,
    change(decide) {
      const { changes, result } = decide(locks);
      applyChanges(locks, changes);
      return result;
    },
  };
}

/** Makes changes to a set. */
export function applyChanges(locks: LockSet, { added = [], removed = [] }: LockChanges): void {
  for (const token of removed) locks.delete(token);
  for (const lock of added) locks.add(lock);
}

/** Other locks prevent a new one. */
export class LockConflict extends Error {
  /** The roots of these locks. */
  readonly roots: readonly SitePath[];

  /** Takes the roots of the locks. */
  constructor(roots: readonly SitePath[]) {
    super("Cannot lock it: it is locked");
    this.roots = roots;
  }
}

/** Maximum number of locks of one client: a file manager has one for each file that it has open or writes. */
const MAX_OF_CLIENT = 500;

/** Maximum number of shared locks on a path: each is reported for each entry of a directory. */
const MAX_SHARED = 8;

/** Maximum number of locks that the refusal of another one names. */
const MAX_SHOWN = 20;

/** Maximum number of locks of a site, so that deleting a directory, which looks at all of them, stays fast. */
const MAX_LOCKS = 10_000;

/** The locks of a site. */
export class LockTable implements Locks {
  readonly #keeper: LockKeeper;
  readonly #now: () => number;

  /** By default, locks are in memory. */
  constructor(keeper?: LockKeeper, now: () => number = Date.now) {
    this.#keeper = keeper ?? locksInMemory(now);
    this.#now = now;
  }

  /** All locks, as they are now: for one look at many paths. */
  current(): LockSet {
    return this.#keeper.current();
  }

  blocking(path: SitePath, user: LockUser, reach: Reach): SitePath | null {
    return this.#keeper.current().blocking(path, user, reach);
  }

  /** Locks that cannot be removed expire. */
  removed(path: SitePath): void {
    const ended = (locks: LockSet) => {
      const all = [...locks.covering(path).filter(({ root }) => root.text === path.text), ...locks.below(path)];
      return all.map(({ token }) => token);
    };
    try {
      if (ended(this.#keeper.current()).length === 0) return;
      this.#keeper.change((locks) => ({ changes: { removed: ended(locks) }, result: null }));
    } catch { /* the path is gone already */ }
  }

  /**
   * Takes a lock.
   *
   * @throws {LockConflict} If other locks prevent it.
   * @throws {HttpError} 507 if the client has too many, 503 if there are too many in all.
   */
  take(wish: LockWish): Lock {
    const lock: Lock = { ...wish, token: `opaquelocktoken:${crypto.randomUUID()}`, expires: this.#end(wish.seconds) };
    return this.#keeper.change((locks) => {
      locks.prune();
      const others = locks.overlapping(lock);
      const conflicting = others.filter((other) => !lock.isShared || !other.isShared);
      if (conflicting.length > 0) throw new LockConflict(conflicting.slice(0, MAX_SHOWN).map(({ root }) => root));
      if (others.length >= MAX_SHARED) throw new HttpError(507, "There are too many shared locks there already");
      requireRoom(locks, lock);
      return { changes: { added: [lock] }, result: lock };
    });
  }

  /** Prolongs the lock on a path whose token the client has submitted; null if there is none. */
  refresh(path: SitePath, user: LockUser, seconds: number): Lock | null {
    return this.#keeper.change((locks) => {
      const lock = locks.covering(path).find((each) => canUse(each, user));
      if (lock === undefined) return { changes: {}, result: null };
      const refreshed = { ...lock, seconds, expires: this.#end(seconds) };
      return { changes: { added: [refreshed] }, result: refreshed };
    });
  }

  /** Ends a lock. */
  release({ token }: Lock): void {
    this.#keeper.change(() => ({ changes: { removed: [token] }, result: null }));
  }

  #end(seconds: number): number {
    return this.#now() + seconds * 1_000;
  }
}

function requireRoom(locks: LockSet, client: Pick<Lock, "by" | "address">): void {
  if (locks.heldBy(client) >= MAX_OF_CLIENT) {
    throw new HttpError(507, `You hold ${MAX_OF_CLIENT} locks; release some first, or wait until they expire`);
  }
  if (locks.size < MAX_LOCKS) return;
  throw new HttpError(503, "There are too many locks; try again when some have expired", {
    headers: { "retry-after": "60" },
  });
}
