/**
 * Where users come from.
 *
 * @module
 */

import { hash } from "node:crypto";
import { then } from "../core/awaitable.ts";
import type { Awaitable } from "../core/types.ts";
import { randomBytes, sameBytes } from "./bytes.ts";
import { passwordProblem, type Precedence } from "./password.ts";
import type { TokenGrant } from "./token_line.ts";
import { nameProblem, normalizedName } from "./user_name.ts";

/** An existing user. */
export interface User {
  /** The name, normalized (NFC). */
  readonly name: string;
  /**
   * Changes with the password, so that the sessions of before end. It is derived from the hash: include it in
   * what is signed, but do not send it to clients.
   */
  readonly epoch: string;
}

/** A token with the user it acts for. */
export interface Token extends TokenGrant {
  /** The user; with the user, the token ends. */
  readonly user: User;
}

/**
 * The users of a server. An application can implement it over its own database; the command uses {@linkcode userFile}
 * and {@linkcode environmentUser}.
 *
 * `find` and `token` are called for every request: return a value instead of a promise where possible. `verify` must take
 * the same time for unknown names, and must not block the event loop while it hashes; calls may be concurrent. A rejection
 * becomes 500.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { hashPassword, type Users, verifyPassword } from "@x/pyserve/identity";
 *
 * const rows = new Map([["ann", { hash: await hashPassword("correct horse"), version: 7 }]]);
 * const decoy = await hashPassword(crypto.randomUUID());
 * const users: Users = {
 *   find(name) {
 *     const row = rows.get(name);
 *     return row ? { name, epoch: String(row.version) } : null;
 *   },
 *   async verify(name, password, precedence) {
 *     const isRight = await verifyPassword(rows.get(name)?.hash ?? decoy, password, precedence);
 *     return isRight ? await users.find(name) : null;
 *   },
 * };
 * assert((await users.verify("ann", "correct horse"))?.epoch === "7");
 * assert(await users.verify("bob", "correct horse") === null);
 * ```
 */
export interface Users {
  /**
   * The user with this name and password, or null for both a wrong password and an unknown name. The precedence is for
   * `verifyPassword`: while many logins fail, those of addresses without failures come first.
   */
  verify(name: string, password: string, precedence?: Precedence): Awaitable<User | null>;
  /** The user with this name, for a session or token that has been verified; null if the user no longer exists. */
  find(name: string): Awaitable<User | null>;
  /** What a bearer token permits; null if it is unknown or has expired. Absent where there are no tokens. */
  token?(text: string): Awaitable<Token | null>;
  /**
   * Whether a user still has a token with this id: called for share links that were made with it. Where it is absent, these
   * end when the token would expire.
   */
  hasToken?(name: string, id: string): Awaitable<boolean>;
}

/** A digest that changes with its source. */
export function epochOf(source: string): string {
  return hash("sha256", source, "base64url").slice(0, 16);
}

/**
 * The one user in an environment variable, `NAME:PASSWORD`. The password may contain colons; one line end after it is
 * ignored, for values that come from a file.
 *
 * The password is compared as it is, in constant time: hashing it would protect nothing, because the process holds it.
 *
 * @param value The value of the variable.
 * @throws TypeError with a sentence that does not contain the value.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { environmentUser } from "@x/pyserve/identity";
 *
 * const users = environmentUser("ann:correct horse");
 * assert((await users.verify("ann", "correct horse"))?.name === "ann");
 * assert(await users.verify("ann", "wrong") === null);
 * ```
 */
export function environmentUser(value: string): Users {
  const text = value.replace(/\r?\n$/, "");
  const at = text.indexOf(":");
  if (at < 0) throw new TypeError("the value has no colon: write NAME:PASSWORD");
  const [name, password] = [normalizedName(text.slice(0, at)), text.slice(at + 1).normalize("NFC")];
  const [badName, badPassword] = [nameProblem(name), passwordProblem(password)];
  if (badName) throw new TypeError(`The name ${badName}`);
  if (badPassword) throw new TypeError(`The password ${badPassword}`);
  const key = randomBytes(32).toBase64();
  const digest = (text: string) => hash("sha256", key + text.normalize("NFC"), "buffer");
  const [ownName, ownPassword] = [digest(name), digest(password)];
  const user: User = { name, epoch: epochOf(`${name}:${password}`) };
  return {
    find: (other) => normalizedName(other) === name ? user : null,
    verify(other, given) {
      const isName = sameBytes(digest(other), ownName);
      const isPassword = sameBytes(digest(given), ownPassword);
      return isName && isPassword ? user : null;
    },
  };
}

/**
 * The users of several sources, such as a file and an environment variable. A name belongs to the first source that has
 * it. All sources check every password, so that the time does not tell which one has a name.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { combinedUsers, environmentUser } from "@x/pyserve/identity";
 *
 * const users = combinedUsers(environmentUser("ann:correct horse"), environmentUser("bob:battery staple"));
 * assert((await users.verify("bob", "battery staple"))?.name === "bob");
 * ```
 */
export function combinedUsers(...sources: readonly Users[]): Required<Users> {
  return {
    find: (name) => first(sources, (source) => source.find(name)),
    token: (text) => first(sources, (source) => source.token?.(text) ?? null),
    async hasToken(name, id) {
      for (const source of sources) {
        if (await source.find(name) !== null) return await source.hasToken?.(name, id) ?? true;
      }
      return false;
    },
    async verify(name, password, precedence) {
      let owner: { readonly user: User | null } | null = null;
      for (const source of sources) {
        const user = await source.verify(name, password, precedence);
        const isOwner = await source.find(name) !== null;
        if (owner === null && isOwner) owner = { user };
      }
      return owner?.user ?? null;
    },
  };
}

/** The first result that is not null; without a promise where no source returns one. */
function first<T>(sources: readonly Users[], ask: (source: Users) => Awaitable<T | null>): Awaitable<T | null> {
  const [source, ...others] = sources;
  return source === undefined ? null : then(ask(source), (result) => result ?? first(others, ask));
}
