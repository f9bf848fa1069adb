/**
 * Checking a name and a password that a client sends.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import type { Awaitable, Logger } from "../core/types.ts";
import { Credentials } from "./credentials.ts";
import { type Attempt, Throttle } from "./throttle.ts";
import { isPlausibleName, normalizedName } from "./user_name.ts";
import type { User, Users } from "./users.ts";

/** Stands for all names that no user can have: too long, or with invisible characters. */
const NO_NAME = "";

/** Why a login failed; nothing tells whether the name exists. */
export interface Denied {
  /** The whole seconds to wait (429 with Retry-After), or null: the name or the password is wrong (401). */
  readonly retryAfter: number | null;
}

/** Credentials as sent by a client. */
interface Given {
  /** The key of {@linkcode Credentials}. */
  readonly key: string;
  /** The normalized name, or {@linkcode NO_NAME}. */
  readonly name: string;
  readonly password: string;
  readonly client: string;
}

/** Options of {@linkcode Logins}. */
export interface LoginsOptions {
  /** Takes one line for each failed login. */
  readonly log?: Pick<Logger, "error">;
  /** The clock in milliseconds; for tests. */
  readonly now?: () => number;
}

/**
 * Checks names and passwords: verified ones are remembered for a minute, equal ones at the same time are checked once,
 * and failures delay further attempts. One for a server: all its ways to log in share it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { environmentUser, isDenied, Logins } from "@x/pyserve/identity";
 *
 * const logins = new Logins(environmentUser("ann:correct horse"));
 * const user = await logins.check("ann", "correct horse", "192.0.2.7");
 * assert(!isDenied(user) && user.name === "ann");
 * const denied = await logins.check("ann", "wrong", "192.0.2.7");
 * assert(isDenied(denied) && denied.retryAfter === null);
 * ```
 */
export class Logins {
  readonly #users: Users;
  readonly #log: Pick<Logger, "error"> | undefined;
  readonly #credentials: Credentials;
  readonly #throttle: Throttle;
  readonly #underWay = new Map<string, Promise<User | Denied>>();

  /** Takes the users. */
  constructor(users: Users, { log, now }: LoginsOptions = {}) {
    this.#users = users;
    this.#log = log;
    this.#credentials = new Credentials(users, now);
    this.#throttle = new Throttle(now);
  }

  /**
   * Checks a name and a password. Answers at once, without a promise, for credentials verified in the last minute.
   *
   * @param client The key of the client's address: see `clientOf`.
   * @returns The user, or why not: {@linkcode isDenied} tells them apart. Rejects where the users do.
   */
  check(name: string, password: string, client: string): Awaitable<User | Denied> {
    const normalized = normalizedName(name);
    const asked = isPlausibleName(normalized) ? normalized : NO_NAME;
    const delay = this.#throttle.delay(asked, client);
    // For remembered credentials, too: they must not tell apart guesses that are to wait.
    if (delay > 0) return { retryAfter: delay };
    const key = this.#credentials.key(asked, password, client);
    return then(this.#credentials.recall(key), (user) => {
      return user ?? this.#underWay.get(key) ?? this.#begin({ key, name: asked, password, client });
    });
  }

  /**
   * The user of an Authorization header that the client has sent in the last minute, with right credentials; null if it
   * has to be decoded and checked.
   */
  recognize(header: string, client: string): Awaitable<User | null> {
    const sender = this.#credentials.senderOf(header, client);
    if (sender === null || this.#throttle.delay(sender.name, client) > 0) return null;
    return this.#credentials.recall(sender.key);
  }

  /** Remembers a header whose name and password have been right. */
  remember(header: string, client: string, name: string, password: string): void {
    const normalized = normalizedName(name);
    const key = this.#credentials.key(normalized, password, client);
    this.#credentials.rememberHeader(header, { name: normalized, client, key });
  }

  #begin(given: Given): Awaitable<User | Denied> {
    const attempt = this.#throttle.begin(given.name, given.client);
    if (typeof attempt === "number") return { retryAfter: attempt };
    const ending = this.#verify(given, attempt).finally(() => this.#underWay.delete(given.key));
    this.#underWay.set(given.key, ending);
    return ending;
  }

  async #verify(given: Given, attempt: Attempt): Promise<User | Denied> {
    try {
      const user = await this.#users.verify(given.name, given.password, attempt.precedence);
      if (user === null) {
        this.#logFailure(given, attempt.failed());
        return { retryAfter: null };
      }
      attempt.succeeded();
      this.#credentials.remember(given.key, user);
      return user;
    } finally {
      attempt.dropped();
    }
  }

  #logFailure({ name, client }: Given, { delay, failures }: ReturnType<Attempt["failed"]>): void {
    const who = name === NO_NAME ? "a name that no user can have" : `"${name}"`;
    const next = delay > 0 ? ` (failure ${failures}, next attempt in ${delay} s)` : "";
    // The address comes first: a name could imitate what follows it.
    this.#log?.error(`Login failed from ${client || "an unknown address"}${next}: ${who}`);
  }
}

/**
 * Whether a login was denied.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isDenied } from "@x/pyserve/identity";
 *
 * assert(isDenied({ retryAfter: 30 }) && !isDenied({ name: "ann", epoch: "1" }));
 * ```
 */
export function isDenied(result: User | Denied): result is Denied {
  return "retryAfter" in result;
}
