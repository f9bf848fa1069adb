/**
 * A growing delay after failed logins.
 *
 * @module
 */

import type { Precedence } from "./password.ts";
import { Table } from "./table.ts";

/** Failures of one user from one address before the first delay: people mistype. */
const FREE = 5;

/** Failures of one address, whatever the names, before the first delay: an office may share one. */
const FREE_OF_ADDRESS = 20;

/** Failures for one name, whatever the addresses, after which a new address has a single free attempt. */
const ATTACKED = 20;

/** The longest delay in seconds: of a user from one address, of an address, and where the address is not known. */
const [MAX_OF_PAIR, MAX_OF_ADDRESS, MAX_OF_UNKNOWN] = [900, 30, 10];

/** Concurrent attempts from one address: otherwise all of them could begin before the first has failed. */
const MAX_UNDER_WAY = 8;

/**
 * Concurrent attempts in total: of addresses where nobody has logged in before, one and a half seconds of hashes on
 * one core; half of it for those with failures, so that an attack from many addresses leaves room for new ones.
 */
const MAX_UNDER_WAY_IN_TOTAL = 32;
const MAX_OF_SUSPECTS = 16;

/** An attack: more than 10 attempts under way or failed, of which one is forgotten each 3 seconds; at most 30 are counted. */
const ATTACK = 10;
const MAX_RECENT = 30;
const RECENT_MS = 3_000;

/** Failures expire half an hour after the last one, and the address of a successful login after 30 days. */
const FORGET_MS = 30 * 60_000;
const KNOWN_MS = 30 * 24 * 3600_000;

/** The size of each table: about 3 MB at most. The oldest entry makes room. */
const MAX_ENTRIES = 10_000;

/** The failures counted under one key. */
interface Count {
  failures: number;
  underWay: number;
  /** When the next attempt may begin. */
  until: number;
}

/** An attempt to log in; call one of its methods in any case. */
export interface Attempt {
  /** How soon the password is to be checked. */
  readonly precedence: Precedence;
  /** Counts a failure; returns the delay before the next attempt in seconds, and the number of failures. */
  failed(): { readonly delay: number; readonly failures: number };
  /** Forgets the failures of this user from this address. */
  succeeded(): void;
  /** Ends it without counting: there was no result. */
  dropped(): void;
}

/**
 * Exponential backoff after failed logins, in tables of bounded size:
 *
 * - Per user and address: after 5 failures, 1 second, doubled by each further failure, up to 15 minutes.
 * - Per address: after 20 failures with any names, the same up to 30 seconds. It does not apply to users who have logged
 *   in from this address before, because several people may share it.
 * - Per name: after 20 failures from any addresses there is no delay, because strangers could lock the user out; but
 *   an address from which the user has not logged in before has one free attempt instead of 5.
 * - In total: 32 concurrent attempts from addresses without an earlier login, 16 of them from addresses with failures;
 *   further ones have to wait a second. While many attempts are under way or fail, passwords are checked in the
 *   background, apart from those that come from an address of an earlier login.
 *
 * A success clears the failures of this user from this address, and subtracts them from those of the address. Others are
 * kept: otherwise an attacker could clear them with an account of their own.
 *
 * The tables are in memory, so that each worker process has its own, and a restart clears them.
 */
export class Throttle {
  readonly #now: () => number;
  readonly #pairs: Table<Count>;
  readonly #addresses: Table<Count>;
  readonly #names: Table<Count>;
  /** Addresses from which users have logged in, alone and with the user. */
  readonly #known: Table<true>;
  #underWay = 0;
  /** Of all addresses; at the time `recentAt`. */
  #recent = 0;
  #recentAt = 0;

  /** Takes a clock in milliseconds, for tests. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    const counts = () => new Table<Count>({ max: MAX_ENTRIES, forgetMs: FORGET_MS, now });
    [this.#pairs, this.#addresses, this.#names] = [counts(), counts(), counts()];
    this.#known = new Table({ max: MAX_ENTRIES, forgetMs: KNOWN_MS, now });
  }

  /** How many seconds a user has to wait at an address; 0 for none. `client` is the key of an address: `clientOf`. */
  delay(name: string, client: string): number {
    return this.#left(this.#pairs.get(pairOf(name, client)));
  }

  /** Begins an attempt, or returns the seconds to wait, rounded up. */
  begin(name: string, client: string): Attempt | number {
    const pair = pairOf(name, client);
    const delay = Math.max(
      this.#pairDelay(name, pair),
      this.#addressDelay(client, pair),
      this.#totalDelay(client, pair),
    );
    if (delay > 0) return delay;
    const precedence = this.#precedenceAt(client);
    this.#underWay += 1;
    const counts = [this.#enter(this.#pairs, pair), this.#enter(this.#addresses, client)];
    return { precedence, ...this.#attempt(name, client, counts) };
  }

  /** The number of entries in all tables. */
  get size(): number {
    return this.#pairs.size + this.#addresses.size + this.#names.size + this.#known.size;
  }

  #pairDelay(name: string, pair: string): number {
    const count = this.#pairs.get(pair);
    if (count === undefined) return 0;
    const isLast = count.underWay > 0 && count.failures + count.underWay >= this.#freeOf(name, pair);
    return Math.max(this.#left(count), isLast ? 1 : 0);
  }

  #addressDelay(client: string, pair: string): number {
    const count = this.#addresses.get(client);
    if (count === undefined || this.#known.get(pair)) return 0;
    return Math.max(this.#left(count), count.underWay >= MAX_UNDER_WAY ? 1 : 0);
  }

  #totalDelay(client: string, pair: string): number {
    const max = this.#hasFailed(client) ? MAX_OF_SUSPECTS : MAX_UNDER_WAY_IN_TOTAL;
    return this.#underWay >= max && !this.#known.get(pair) && !this.#isKnown(client) ? 1 : 0;
  }

  /** Whether anyone has logged in from an address. All clients without one share the key. */
  #isKnown(client: string): boolean {
    return client !== "" && this.#known.get(client) === true;
  }

  #hasFailed(client: string): boolean {
    return (this.#addresses.get(client)?.failures ?? 0) > 0;
  }

  /** By the address, whatever the name: the time that a check takes must not tell whether a name exists. */
  #precedenceAt(client: string): Precedence {
    if (this.#recentFailures() + this.#underWay <= ATTACK || this.#isKnown(client)) return 0;
    return this.#hasFailed(client) ? 2 : 1;
  }

  #recentFailures(): number {
    return Math.max(0, this.#recent - (this.#now() - this.#recentAt) / RECENT_MS);
  }

  #freeOf(name: string, pair: string): number {
    const isAttacked = (this.#names.get(name)?.failures ?? 0) >= ATTACKED;
    return isAttacked && !this.#known.get(pair) ? 1 : FREE;
  }

  #left(count: Count | undefined): number {
    return count === undefined ? 0 : Math.max(0, Math.ceil((count.until - this.#now()) / 1000));
  }

  #enter(table: Table<Count>, key: string): Count {
    const count = table.get(key) ?? { failures: 0, underWay: 0, until: 0 };
    count.underWay += 1;
    table.set(key, count);
    return count;
  }

  #attempt(name: string, client: string, counts: readonly Count[]): Omit<Attempt, "precedence"> {
    let isUnderWay = true;
    const leave = () => {
      if (!isUnderWay) return;
      this.#underWay -= 1;
      for (const count of counts) count.underWay -= 1;
      isUnderWay = false;
      this.#drop(name, client);
    };
    return {
      dropped: leave,
      failed: () => {
        const result = this.#failed(name, client);
        leave();
        return result;
      },
      succeeded: () => {
        this.#succeeded(name, client);
        leave();
      },
    };
  }

  #failed(name: string, client: string): { delay: number; failures: number } {
    const pair = pairOf(name, client);
    const free = this.#freeOf(name, pair);
    this.#recent = Math.min(MAX_RECENT, this.#recentFailures() + 1);
    this.#recentAt = this.#now();
    this.#count(this.#names, name, Infinity, 0);
    const byAddress = this.#count(this.#addresses, client, FREE_OF_ADDRESS, MAX_OF_ADDRESS);
    const byPair = this.#count(this.#pairs, pair, free, client === "" ? MAX_OF_UNKNOWN : MAX_OF_PAIR);
    const known = this.#known.get(pair) === true;
    return { delay: Math.max(this.#left(byPair), known ? 0 : this.#left(byAddress)), failures: byPair.failures };
  }

  /** Counts a failure: from `free` failures on, the next attempt has to wait. */
  #count(table: Table<Count>, key: string, free: number, max: number): Count {
    const count = table.get(key) ?? { failures: 0, underWay: 0, until: 0 };
    count.failures += 1;
    if (count.failures >= free) {
      count.until = this.#now() + 1000 * Math.min(max, 2 ** Math.min(20, count.failures - free));
    }
    table.set(key, count);
    return count;
  }

  #succeeded(name: string, client: string): void {
    const pair = pairOf(name, client);
    const own = this.#pairs.get(pair);
    const all = this.#addresses.get(client);
    if (own && all) all.failures = Math.max(0, all.failures - own.failures);
    if (own) Object.assign(own, { failures: 0, until: 0 });
    this.#known.set(pair, true);
    this.#known.set(client, true);
  }

  /** Removes empty counts. */
  #drop(name: string, client: string): void {
    const entries = [[this.#pairs, pairOf(name, client)], [this.#addresses, client]] as const;
    for (const [table, key] of entries) {
      const count = table.get(key);
      if (count && count.failures === 0 && count.underWay === 0) table.delete(key);
    }
  }
}

/** The key of a user at an address; neither contains NUL. */
function pairOf(name: string, client: string): string {
  return `${client}\0${name}`;
}
