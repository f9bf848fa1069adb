/**
 * Sessions and shares that were ended before their expiry.
 *
 * @module
 */

import { requireOwnFile } from "../system/ownership.ts";
import { appendTo, lockedFile, replaceFile } from "./locked_file.ts";

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
 * A list of `ID EXPIRES [USER]` lines to which all processes append. Only what was appended is read, and the file is
 * replaced when most of its lines are superfluous.
 */
export class RevocationFile implements Revocations {
  readonly #path: string;
  readonly #list = new RevocationList();
  /** Which file has been read, how many bytes and lines of it. */
  #read = { file: "", bytes: 0, lines: 0 };
  #lookedAt = -Infinity;

  /**
   * Reads the file, and creates it if needed.
   *
   * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
   */
  constructor(path: string) {
    this.#path = path;
    using file = lockedFile(path);
    this.#look();
    this.#list.prune();
    const { text } = this.#list;
    if (file.statSync().size > text.length) replaceFile(path, text);
  }

  has(id: string, session?: RevocableSession): boolean {
    if (performance.now() - this.#lookedAt > LOOK_MS) this.#look();
    return this.#list.has(id, session);
  }

  add(id: string, expires: number, user?: string): void {
    this.#list.add(id, expires, user);
    using file = lockedFile(this.#path);
    this.#look();
    if (this.#read.lines > 2 * this.#list.size + SLACK) {
      this.#list.prune();
      replaceFile(this.#path, this.#list.text);
      return;
    }
    // A line that a full disk has cut off has no end.
    const isCutOff = file.statSync().size > this.#read.bytes;
    appendTo(file, (isCutOff ? "\n" : "") + lineOf(id, expires, user));
  }

  /** Reads what has been appended; all of it, if another process has replaced the file. */
  #look(): void {
    this.#lookedAt = performance.now();
    const info = ownFile(this.#path);
    if (info === null || (fileOf(info) === this.#read.file && info.size === this.#read.bytes)) return;
    using file = Deno.openSync(this.#path);
    const opened = file.statSync();
    if (fileOf(opened) !== this.#read.file || opened.size < this.#read.bytes) {
      this.#read = { file: fileOf(opened), bytes: 0, lines: 0 };
    }
    const added = readFrom(file, this.#read.bytes, opened.size);
    const end = added.lastIndexOf(0x0A) + 1;
    this.#read.bytes += end;
    for (const line of new TextDecoder().decode(added.subarray(0, end)).split("\n")) this.#take(line);
  }

  #take(line: string): void {
    if (line === "") return;
    this.#read.lines += 1;
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

function ownFile(path: string): Deno.FileInfo | null {
  try {
    const info = Deno.lstatSync(path);
    requireOwnFile(path, info);
    return info;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The number of a file can be used again after its removal. */
function fileOf({ dev, ino, birthtime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${birthtime?.getTime()}`;
}

function readFrom(file: Deno.FsFile, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
