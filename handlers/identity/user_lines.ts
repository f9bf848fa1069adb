/**
 * The text of a file of users: one `NAME:HASH` a line, a superset of Apache's htpasswd.
 *
 * Lines that begin with `#` and blank lines are ignored, and so is what follows a second colon. Lines end with LF or
 * CRLF. The lines of tokens are described in `token_line.ts`.
 *
 * @module
 */

import { parseHash } from "./password.ts";
import type { PasswordHash } from "./password_hash.ts";
import { parseToken, type StoredToken } from "./token_line.ts";
import { nameProblem, normalizedName } from "./user_name.ts";

/** The longest line, in characters: far more than any hash needs. */
const MAX_LINE = 4096;

/** Each login computes a hash of each kind: more kinds than these make logins slow. */
const MANY_KINDS = 3;

/** The content of a file of users. */
export interface UserLines {
  /** The hashes by name. */
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** The tokens of these users by digest. */
  readonly tokens: ReadonlyMap<string, StoredToken>;
  /** Sentences for the operator: what is valid, but should be changed. */
  readonly warnings: readonly string[];
}

/** A line that cannot be used. The message, "line 3: ...", contains no part of a hash. */
export class LineError extends Error {
  /** Always `"LineError"`. */
  override readonly name: string = "LineError";

  /** Takes the number of the line, from 1, and the reason. */
  constructor(line: number, reason: string) {
    super(`line ${line}: ${reason}`);
  }
}

/** A line split at its colon. */
export interface Line {
  /** The name of the user, normalized; not checked. */
  readonly name: string;
  /** The ID of the token, or null for the user's own line. */
  readonly token: string | null;
  /** The hash. */
  readonly value: string;
}

/** Splits a line, without its end; null for a comment, a blank line and one without a colon. */
export function splitLine(text: string): Line | null {
  const at = text.indexOf(":");
  if (at < 0 || text.startsWith("#")) return null;
  const [name = "", token = null] = splitOnce(text.slice(0, at), "/");
  const [value = ""] = text.slice(at + 1).split(":", 1);
  return { name: normalizedName(name), token, value: value.trimEnd() };
}

/** The lines of a text without their ends, and without a byte order mark. */
export function linesOf(text: string): string[] {
  return text.replace(/^\uFEFF/, "").split(/\r?\n/);
}

/**
 * Parses the text of a file of users.
 *
 * @throws LineError for the first line that is malformed, has an unknown kind of hash, or repeats a name: names that
 * are equal after normalization are the same name.
 */
export function parseUserLines(text: string): UserLines {
  const reader = new Reader();
  for (const [index, line] of linesOf(text).entries()) reader.read(line, index + 1);
  return reader.end();
}

class Reader {
  readonly #users = new Map<string, PasswordHash>();
  readonly #tokens = new Map<string, StoredToken>();
  /** Line numbers, by name or by name and ID. */
  readonly #lines = new Map<string, number>();

  read(text: string, number: number): void {
    if (text.trim() === "" || text.startsWith("#")) return;
    const line = text.length > MAX_LINE ? null : splitLine(text);
    if (line === null) {
      const reason = text.length > MAX_LINE ? `it is longer than ${MAX_LINE} characters` : "it has no colon";
      throw new LineError(number, `${reason}; a line is NAME:HASH`);
    }
    const problem = this.#add(line, number);
    if (problem !== null) throw new LineError(number, problem);
  }

  #add({ name, token, value }: Line, number: number): string | null {
    const problem = nameProblem(name);
    if (problem) return `the name ${problem}`;
    const key = token === null ? name : `${name}/${token}`;
    const before = this.#lines.get(key);
    if (before !== undefined) return `the name "${key}" is already in line ${before}`;
    this.#lines.set(key, number);
    return token === null ? this.#addUser(name, value) : this.#addToken(parseToken(name, token, value));
  }

  #addUser(name: string, value: string): string | null {
    const hash = parseHash(value);
    if (typeof hash === "string") return hash;
    this.#users.set(name, hash);
    return null;
  }

  #addToken(token: StoredToken | string): string | null {
    if (typeof token === "string") return token;
    this.#tokens.set(token.digest, token);
    return null;
  }

  end(): UserLines {
    const tokens = new Map([...this.#tokens].filter(([, { user }]) => this.#users.has(user)));
    return { users: this.#users, tokens, warnings: [...this.#warnings(tokens)] };
  }

  *#warnings(tokens: ReadonlyMap<string, StoredToken>): Generator<string> {
    const weak = [...this.#users].filter(([, hash]) => hash.weak !== null);
    if (weak.length > 0) {
      const [[name, hash]] = weak as [typeof weak[0]];
      const others = weak.length > 1 ? ` and ${weak.length - 1} more` : "";
      yield `line ${this.#lines.get(name)}: the hash of "${name}"${others} is weak (${hash.weak}); set the password ` +
        'again with "pyserve passwd"';
    }
    const orphan = [...this.#tokens.values()].find(({ digest }) => !tokens.has(digest));
    if (orphan) {
      const line = this.#lines.get(`${orphan.user}/${orphan.id}`);
      yield `line ${line}: a token of "${orphan.user}", which is no user of the file, is ignored`;
    }
    const kinds = new Set([...this.#users.values()].map(({ kind }) => kind)).size;
    if (kinds > MANY_KINDS) {
      yield `there are hashes of ${kinds} kinds, which makes every login slow; set passwords again with "pyserve passwd"`;
    }
  }
}

function splitOnce(text: string, separator: string): string[] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}
