/**
 * Credentials that have been verified a moment ago.
 *
 * @module
 */

import { hash } from "node:crypto";
import { then } from "../core/awaitable.ts";
import type { Awaitable } from "../core/types.ts";
import { randomBytes } from "./bytes.ts";
import { Table } from "./table.ts";
import type { User, Users } from "./users.ts";

/** How long verified credentials are remembered, in milliseconds. */
const REMEMBER_MS = 60_000;

/** The number of credentials remembered: about 300 KB. */
const MAX_ENTRIES = 1_000;

/** Who has sent a header. */
export interface Sender {
  /** The name of the user. */
  readonly name: string;
  /** The key of the client's address. */
  readonly client: string;
  /** The key of the credentials. */
  readonly key: string;
}

/**
 * Remembers verified credentials, so that a client that sends a password with every request costs one hash a minute.
 *
 * The keys are digests of name, password and client under a random key of this process: neither the password nor
 * anything it could be guessed from is kept, apart from headers until the next garbage collection. Failures are not remembered. What is remembered ends with the user, and
 * when the password changes.
 */
export class Credentials {
  readonly #users: Users;
  readonly #secret = randomBytes(32).toBase64();
  readonly #verified: Table<User>;
  /** Held weakly, because they contain passwords: the garbage collector removes them like the requests that they are from. */
  #headers = new WeakRef(new Map<string, Sender>());

  /** Takes the users, to look up whether they still exist, and a clock in milliseconds, for tests. */
  constructor(users: Users, now: () => number = () => performance.now()) {
    this.#users = users;
    this.#verified = new Table({ max: MAX_ENTRIES, forgetMs: REMEMBER_MS, now });
  }

  /**
   * The key of some credentials. The client is a part of it: otherwise another address could test guesses against
   * the table without a delay.
   */
  key(name: string, password: string, client: string): string {
    // A secret prefix in place of HMAC, which takes six times as long: the digest never leaves this object, so that there
    // is no length extension to fear.
    return hash("sha256", `${this.#secret}${name.length}:${name}${client.length}:${client}${password}`, "hex");
  }

  /** Remembers whose credentials an Authorization header has. */
  rememberHeader(header: string, sender: Sender): void {
    let headers = this.#headers.deref();
    if (headers === undefined || headers.size >= MAX_ENTRIES) this.#headers = new WeakRef(headers = new Map());
    headers.set(header, sender);
  }

  /** The sender of an Authorization header, which then need not be decoded; null if it is not known. */
  senderOf(header: string, client: string): Sender | null {
    const sender = this.#headers.deref()?.get(header);
    return sender?.client === client ? sender : null;
  }

  /** The user of credentials that have been verified a moment ago, or null. */
  recall(key: string): Awaitable<User | null> {
    const verified = this.#verified.get(key);
    if (verified === undefined) return null;
    return then(this.#users.find(verified.name), (user) => {
      if (user?.epoch === verified.epoch) return user;
      this.#verified.delete(key);
      return null;
    });
  }

  /** Remembers that credentials are right. */
  remember(key: string, user: User): void {
    this.#verified.set(key, user);
  }
}
