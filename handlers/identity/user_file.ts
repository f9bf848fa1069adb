/**
 * Users in a file.
 *
 * @module
 */

import { PasswordChecker, type Precedence } from "./password.ts";
import { tokenDigest } from "./token_line.ts";
import { parseUserLines, type UserLines } from "./user_lines.ts";
import { normalizedName } from "./user_name.ts";
import type { StoredToken } from "./token_line.ts";
import { epochOf, type Token, type User, type Users } from "./users.ts";

/** The shortest interval between two checks for changes, in milliseconds: a change takes effect within a second. */
const LOOK_MS = 500;

/** A file that was written to in the last 100 ms may be half written. */
const SETTLED_MS = 100;

/** Some 20,000 users: reading more would delay other requests. */
const MAX_BYTES = 2 * 1024 * 1024;

/** Options of {@linkcode userFile}. */
export interface UserFileOptions {
  /** Takes a sentence for the operator: weak hashes, permissions, a new file that cannot be used. */
  readonly warn?: (sentence: string) => void;
  /** The clock in milliseconds; for tests. */
  readonly now?: () => number;
}

/** Users in a file, looked up synchronously. */
export interface FileUsers extends Users {
  /**
   * Loads what the hashes in the file need (bcryptjs, if there are bcrypt hashes), so that it is known before the first
   * login; rejects with a sentence where that fails.
   */
  ready(): Promise<void>;
  /** See {@linkcode Users.verify}; waits its turn, and hashes in another thread. */
  verify(name: string, password: string, precedence?: Precedence): Promise<User | null>;
  /** See {@linkcode Users.find}. */
  find(name: string): User | null;
  /** See {@linkcode Users.token}. */
  token(text: string): Token | null;
  /** See {@linkcode Users.hasToken}. */
  hasToken(name: string, id: string): boolean;
}

/** A file of users that cannot be used. The message is a sentence, and contains no part of a hash. */
export class UserFileError extends Error {
  /** Always `"UserFileError"`. */
  override readonly name: string = "UserFileError";
}

/** What has been read, ready for use. */
class Loaded {
  readonly lines: UserLines;
  readonly checker: PasswordChecker;
  /** Made when they are first found. */
  readonly #users = new Map<string, User>();
  #tokens: ReadonlyMap<string, StoredToken> | null = null;

  constructor(lines: UserLines) {
    this.lines = lines;
    this.checker = new PasswordChecker(lines.users.values());
  }

  /** Takes a normalized name: no other is found. */
  user(name: string): User | null {
    const found = this.#users.get(name);
    if (found) return found;
    const hash = this.lines.users.get(name);
    if (hash === undefined) return null;
    const user = { name, epoch: epochOf(hash.text) };
    this.#users.set(name, user);
    return user;
  }

  /** Takes a normalized name, which contains no slash, and the id of one of the user's tokens. */
  tokenNamed(name: string, id: string): StoredToken | undefined {
    this.#tokens ??= new Map([...this.lines.tokens.values()].map((token) => [`${token.user}/${token.id}`, token]));
    return this.#tokens.get(`${name}/${id}`);
  }
}

/**
 * The users of a file with one `NAME:HASH` a line: that of `pyserve passwd`, or of Apache's htpasswd. The hashes are
 * `$argon2id$`, `$2y$`, `$2b$`, `$2a$` (bcrypt), and the weak ones `$apr1$` and `{SHA}`, for which there is a warning.
 *
 * The file is checked for changes at most twice a second, when it is used, and read again if it has changed: a deleted
 * user or a new password takes effect within a second. A file that cannot be used is reported to `warn` once, and the
 * previous users stay. There is no timer that keeps the process alive, and nothing to close.
 *
 * bcrypt needs the npm package bcryptjs, which is loaded by the first login, or by `ready()`.
 *
 * @param path The path of the file.
 * @throws UserFileError where the file cannot be read, or a line cannot be used; the sentence has its number.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { hashPassword, userFile } from "@x/pyserve/identity";
 *
 * const path = await Deno.makeTempFile();
 * await Deno.writeTextFile(path, `ann:${await hashPassword("correct horse")}\n`);
 * const users = userFile(path);
 * assert((await users.verify("ann", "correct horse"))?.name === "ann");
 * assert(await users.verify("ann", "wrong") === null);
 * await Deno.remove(path);
 * ```
 */
export function userFile(path: string, options: UserFileOptions = {}): FileUsers {
  return new UserFile(path, options);
}

class UserFile implements FileUsers {
  readonly #path: string;
  readonly #warn: (sentence: string) => void;
  readonly #now: () => number;
  /** The state of the file that was loaded or reported last. */
  #seen: string;
  #loaded: Loaded;
  #nextLook: number;
  /** The warnings given so far that still apply: they are not repeated after a change. */
  #warned: ReadonlySet<string> = new Set();

  constructor(path: string, { warn = () => {}, now = () => performance.now() }: UserFileOptions) {
    this.#path = path;
    this.#warn = warn;
    this.#now = now;
    try {
      const { look, info, text } = read(path);
      this.#loaded = this.#load(text, info);
      // If it may still be written to, it is read again.
      this.#seen = isSettled(info) ? look : "";
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) throw error;
      throw new UserFileError(`Cannot use "${path}": ${reasonOf(error)}`);
    }
    this.#nextLook = now() + LOOK_MS;
  }

  find(name: string): User | null {
    const loaded = this.#current();
    return loaded.user(name) ?? loaded.user(normalizedName(name)); // most names are normalized
  }

  async ready(): Promise<void> {
    await this.#current().checker.check(null, "");
  }

  async verify(name: string, password: string, precedence: Precedence = 0): Promise<User | null> {
    const { lines, checker } = this.#current();
    const hash = lines.users.get(normalizedName(name)) ?? null;
    const isRight = await checker.check(hash, password, precedence);
    // The turn may have come late, and the user may have been deleted in the meantime.
    return isRight && this.#current().lines.users.get(normalizedName(name))?.text === hash?.text
      ? this.find(name)
      : null;
  }

  token(text: string): Token | null {
    const loaded = this.#current();
    const token = loaded.lines.tokens.get(tokenDigest(text) ?? "");
    if (token === undefined || token.expires !== null && token.expires <= Date.now()) return null;
    const { id, rights, path, expires } = token;
    return { id, rights, path, expires, user: loaded.user(token.user)! };
  }

  hasToken(name: string, id: string): boolean {
    const token = this.#current().tokenNamed(normalizedName(name), id);
    return token !== undefined && (token.expires === null || token.expires > Date.now());
  }

  #current(): Loaded {
    const now = this.#now();
    if (now < this.#nextLook) return this.#loaded;
    this.#nextLook = now + LOOK_MS;
    try {
      const info = Deno.statSync(this.#path);
      const look = lookOf(info);
      if (look !== this.#seen) this.#reload(look, info, now);
    } catch (error) {
      this.#complain("missing", reasonOf(error));
    }
    return this.#loaded;
  }

  #reload(look: string, info: Deno.FileInfo, now: number): void {
    if (!isSettled(info)) {
      this.#nextLook = now + SETTLED_MS;
      return;
    }
    try {
      const { look: opened, info, text } = read(this.#path);
      this.#loaded = this.#load(text, info);
      this.#seen = opened;
    } catch (error) {
      this.#complain(look, reasonOf(error));
    }
  }

  #complain(look: string, reason: string): void {
    if (this.#seen === look) return;
    this.#seen = look;
    this.#warn(`Cannot use the new "${this.#path}": ${reason}; the previous users stay`);
  }

  #load(text: string, info: Deno.FileInfo): Loaded {
    const lines = parseUserLines(text);
    const warnings = lines.warnings.map((warning) => `"${this.#path}", ${warning}`);
    if (Deno.build.os !== "windows" && ((info.mode ?? 0) & 0o077) !== 0) {
      warnings.push(`"${this.#path}" can be used by other users of this machine; make it private: chmod 600`);
    }
    if (lines.users.size === 0) warnings.push(`"${this.#path}" has no users: add one with "pyserve passwd"`);
    for (const warning of warnings) if (!this.#warned.has(warning)) this.#warn(warning);
    this.#warned = new Set(warnings);
    return new Loaded(lines);
  }
}

/** Reads the file; `look` identifies its state. */
function read(path: string): { look: string; info: Deno.FileInfo; text: string } {
  const kind = Deno.statSync(path);
  if (!kind.isFile) throw new Error("it is not a file"); // before it is opened: a FIFO would block
  using file = Deno.openSync(path);
  const info = file.statSync();
  if (info.size > MAX_BYTES) throw new Error("it is larger than 2 MiB");
  const bytes = new Uint8Array(info.size);
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return { look: lookOf(info), info, text: decoded(bytes.subarray(0, length)) };
}

/** Decodes UTF-8, with or without a byte order mark; an error names the line. */
export function decoded(bytes: Uint8Array): string {
  if (bytes[0] === 0xFF && bytes[1] === 0xFE || bytes[0] === 0xFE && bytes[1] === 0xFF) {
    throw new Error("it is UTF-16; save it as UTF-8");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const lines = new TextDecoder("utf-8").decode(bytes).split("\n");
    throw new Error(`line ${lines.findIndex((line) => line.includes("\uFFFD")) + 1}: it is not UTF-8`);
  }
}

function lookOf({ dev, ino, size, mtime, ctime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${size} ${mtime?.getTime()} ${ctime?.getTime()}`;
}

function isSettled({ mtime, ctime }: Deno.FileInfo): boolean {
  const changed = Math.max(mtime?.getTime() ?? 0, ctime?.getTime() ?? 0);
  return Math.abs(Date.now() - changed) >= SETTLED_MS;
}

function reasonOf(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "it does not exist";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
