/**
 * Sessions and shares that were ended before their expiry.
 *
 * @module
 */

import { SharedLines } from "./shared_lines.ts";

/** How often a process looks for revocations by others, in milliseconds. */
const LOOK_MS = 1_000;

/** How many ended sessions of one user are listed; of more, the older half is replaced by one entry. */
const MAX_OF_USER = 100;

/** Entries that may be superfluous before a list is tidied up. */
const SLACK = 1_000;

/** The id of entries that end all sessions of a user up to an expiry. */
const ALL = "-";

/** What tells a session apart from sessions of other users and times. */
export interface RevocableSession {
  /** The name of the user. */
  readonly user: string;
  /** When it expires, in milliseconds since 1970. */
  readonly expires: number;
}

/** Ended sessions and shares, by id. */
export interface Revocations {
  /** Whether an id has been revoked; of a session, pass the session, because a user's older ones can end together. */
  has(id: string, session?: RevocableSession): boolean;
  /**
   * Revokes an id; `expires` (milliseconds since 1970, Infinity for never) tells how long to remember it. With the user of
   * a session, the list stays bounded: after 100 logouts within the lifetime of a session, the user's oldest sessions end.
   */
  add(id: string, expires: number, user?: string): void;
}

interface Entry {
  readonly expires: number;
  readonly user: string | undefined;
}

/** Revocations in memory. */
export class RevocationList implements Revocations {
  readonly #entries = new Map<string, Entry>();
  /** The ids of each user's ended sessions. */
  readonly #ofUser = new Map<string, Set<string>>();
  /** All sessions of a user that expire no later have ended. */
  readonly #ended = new Map<string, number>();
  #pruneAt = SLACK;

  has(id: string, session?: RevocableSession): boolean {
    if (this.#entries.has(id)) return true;
    return session !== undefined && session.expires <= this.#endOf(session.user);
  }

  add(id: string, expires: number, user?: string): void {
    if (user !== undefined && expires <= this.#endOf(user)) return;
    this.#entries.set(id, { expires, user });
    if (user !== undefined) this.#addTo(user, id);
    if (this.size > this.#pruneAt) this.prune();
  }

  /** Ends all sessions of a user that expire no later. */
  endAll(user: string, expires: number): void {
    if (expires <= this.#endOf(user)) return;
    this.#ended.set(user, expires);
    for (const id of this.#ofUser.get(user) ?? []) if (this.#entries.get(id)!.expires <= expires) this.#delete(id);
  }

  /** The number of entries. */
  get size(): number {
    return this.#entries.size + this.#ended.size;
  }

  /** Forgets what has expired. */
  prune(): void {
    const now = Date.now();
    for (const [id, { expires }] of this.#entries) if (expires <= now) this.#delete(id);
    for (const [user, expires] of this.#ended) if (expires <= now) this.#ended.delete(user);
    this.#pruneAt = 2 * this.size + SLACK;
  }

  /** The lines of a file. */
  get text(): string {
    const ended = [...this.#ended].map(([user, expires]) => lineOf(ALL, expires, user));
    return [...ended, ...[...this.#entries].map(([id, { expires, user }]) => lineOf(id, expires, user))].join("");
  }

  #endOf(user: string): number {
    return this.#ended.get(user) ?? -Infinity;
  }

  #addTo(user: string, id: string): void {
    const ids = this.#ofUser.get(user) ?? new Set();
    this.#ofUser.set(user, ids.add(id));
    if (ids.size <= MAX_OF_USER) return;
    const expiries = [...ids].map((id) => this.#entries.get(id)!.expires).sort((a, b) => a - b);
    this.endAll(user, expiries[MAX_OF_USER / 2]!);
  }

  #delete(id: string): void {
    const { user } = this.#entries.get(id)!;
    this.#entries.delete(id);
    if (user === undefined) return;
    const ids = this.#ofUser.get(user)!;
    ids.delete(id);
    if (ids.size === 0) this.#ofUser.delete(user);
  }
}

function lineOf(id: string, expires: number, user?: string): string {
  return user === undefined ? `${id} ${expires}\n` : `${id} ${expires} ${encodeURIComponent(user)}\n`;
}

/**
 * A list of `ID EXPIRES [USER]` lines to which all processes append; the file is replaced when most of its lines are
 * superfluous.
 */
export class RevocationFile implements Revocations {
  readonly #lines: SharedLines;
  readonly #list = new RevocationList();
  #lookedAt = -Infinity;

  /**
   * Reads the file, and creates it if needed.
   *
   * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
   */
  constructor(path: string) {
    this.#lines = new SharedLines(path);
    using file = this.#lines.lock();
    this.#look();
    this.#list.prune();
    const { text } = this.#list;
    if (file.statSync().size > text.length) this.#lines.replace(text);
  }

  has(id: string, session?: RevocableSession): boolean {
    if (performance.now() - this.#lookedAt > LOOK_MS) this.#look();
    return this.#list.has(id, session);
  }

  add(id: string, expires: number, user?: string): void {
    this.#list.add(id, expires, user);
    using file = this.#lines.lock();
    this.#look();
    if (this.#lines.count > 2 * this.#list.size + SLACK) {
      this.#list.prune();
      this.#lines.replace(this.#list.text);
    } else this.#lines.append(file, lineOf(id, expires, user));
  }

  #look(): void {
    this.#lookedAt = performance.now();
    for (const line of this.#lines.news()?.lines ?? []) this.#take(line);
  }

  #take(line: string): void {
    const [id = "", time, part] = line.split(" ");
    const expires = Number(time);
    if (!(expires > Date.now())) return;
    const user = part === undefined ? undefined : decoded(part);
    if (id !== ALL) this.#list.add(id, expires, user);
    else if (user !== undefined) this.#list.endAll(user, expires);
  }
}

/** A damaged name does not make the file unusable. */
function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
