/**
 * Hashing and checking passwords.
 *
 * @module
 */

import { Limiter } from "../core/limiter.ts";
import { argon2id, parseArgon2id } from "./argon2id.ts";
import { parseOlderHash } from "./older_hashes.ts";
import type { PasswordHash } from "./password_hash.ts";

/** Longer passwords are never right: hashing one must not cost more than hashing another. */
const MAX_BYTES = 1024;

/** Half of the cores stay with the requests that need no hash; each place costs the memory of a hash, mostly 46 MiB. */
const PLACES = Math.max(1, Math.min(4, Math.floor(navigator.hardwareConcurrency / 2)));

/** A login that has not had its turn after this time fails with 503, in milliseconds. */
const QUEUE_MS = 10_000;

const places = new Limiter({ max: PLACES, queueMs: QUEUE_MS });

/** Places of their own: hashes in the background can take long, and others must not wait for them. */
const backgroundPlaces = new Limiter({ max: PLACES, queueMs: QUEUE_MS });

/**
 * How soon a password is checked. 0: before all others. The others are checked in the background, in threads of the lowest
 * priority where the platform has those, so that they delay no requests; 1 before 2.
 */
export type Precedence = 0 | 1 | 2;

/** Why a text cannot be a password, to complete the sentence "The password ..."; null if it can. */
export function passwordProblem(password: string): string | null {
  if (password === "") return "is empty";
  if (/\p{Cc}/u.test(password)) return "has control characters"; // RFC 7617: not allowed in Basic authentication
  if (!password.isWellFormed()) return "is not valid Unicode";
  return isTooLong(password) ? `is longer than ${MAX_BYTES} bytes` : null;
}

/**
 * Hashes a password for a line of a file of users: Argon2id with 46 MiB and a fresh salt, as a PHC string. Takes some
 * 50 ms in another thread. Unicode is normalized (NFC, as RFC 8265 says).
 *
 * @throws TypeError for what cannot be a password: empty, more than 1,024 bytes, control characters.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { hashPassword } from "@x/pyserve/identity";
 *
 * const hash = await hashPassword("correct horse battery staple");
 * assert(hash.startsWith("$argon2id$v=19$m=47104,t=1,p=1$"));
 * ```
 */
export async function hashPassword(password: string): Promise<string> {
  const problem = passwordProblem(password);
  if (problem) throw new TypeError(`The password ${problem}`);
  using _place = await places.enter();
  return await argon2id(password.normalize("NFC"));
}

/**
 * Whether a password has a hash; for an implementation of `Users`. Reads what {@linkcode hashPassword} writes, and bcrypt,
 * `$apr1$` and `{SHA}`. For unknown names, check against a hash that no password has: then they take the same time.
 *
 * @param precedence How urgent it is: what `verify` of `Users` is called with.
 * @throws TypeError for a hash that is malformed or of another kind; HttpError 503 when the server is too busy.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { hashPassword, verifyPassword } from "@x/pyserve/identity";
 *
 * const hash = await hashPassword("correct horse");
 * assert(await verifyPassword(hash, "correct horse") && !await verifyPassword(hash, "wrong"));
 * ```
 */
export async function verifyPassword(hash: string, password: string, precedence: Precedence = 0): Promise<boolean> {
  const parsed = parseHash(hash);
  if (typeof parsed === "string") throw new TypeError(`Cannot check the password: ${parsed}`);
  return await new PasswordChecker([parsed]).check(parsed, password, precedence);
}

/** Parses a hash; a reason, which never contains the text, where it is malformed, or of a kind that is not read. */
export function parseHash(text: string): PasswordHash | string {
  if (text === "") return "there is no hash after the colon";
  if (text.startsWith("$argon2id$")) return parseArgon2id(text);
  const older = parseOlderHash(text);
  if (older !== null) return older;
  const [scheme] = /^\$[a-z0-9-]{1,12}\$|^\{[A-Z0-9-]{1,12}\}/.exec(text) ?? [];
  const which = scheme === undefined ? "of an unknown kind" : `of a kind that is not accepted (${scheme})`;
  return `the hash is ${which}; set the password with "pyserve passwd"`;
}

/**
 * Checks passwords against a set of hashes, in the same time for every user and for unknown names: each check computes
 * one hash of each kind in the set, the user's own or a decoy. It waits its turn, so that many logins at once need no
 * more memory than a few.
 */
export class PasswordChecker {
  readonly #decoys: ReadonlyMap<string, PasswordHash>;

  /** Takes all hashes, in any order. */
  constructor(hashes: Iterable<PasswordHash>) {
    const decoys = new Map<string, PasswordHash>();
    for (const hash of hashes) if (!decoys.has(hash.kind)) decoys.set(hash.kind, hash.decoy());
    this.#decoys = decoys;
  }

  /** The number of kinds: how many hashes a check computes. */
  get kinds(): number {
    return this.#decoys.size;
  }

  /**
   * Whether the password is right; `hash` is null for an unknown name.
   *
   * @param precedence See {@linkcode Precedence}.
   * @throws HttpError 503 when the server is too busy.
   */
  async check(hash: PasswordHash | null, password: string, precedence: Precedence = 0): Promise<boolean> {
    const usable = passwordProblem(password) === null;
    const text = usable ? password.normalize("NFC") : "";
    const inBackground = precedence > 0;
    using _place = await (inBackground ? backgroundPlaces : places).enter("", undefined, precedence);
    let right = false;
    for (const [kind, decoy] of this.#decoys) {
      const isOwn = hash?.kind === kind;
      const matches = await (isOwn ? hash : decoy).matches(text, inBackground);
      if (isOwn) right = matches;
    }
    return right && usable;
  }
}

function isTooLong(password: string): boolean {
  return password.length > MAX_BYTES || new TextEncoder().encode(password).length > MAX_BYTES;
}
