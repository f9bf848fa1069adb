/**
 * Where users come from.
 *
 * @module
 */

import type { Awaitable, Right } from "../core/types.ts";

/** A user. */
export interface User {
  /** The unique name. */
  readonly name: string;
  /** Changes with the password, so that sessions end. */
  readonly epoch: string;
}

/** What a bearer token permits. */
export interface Grant {
  /** The user on whose behalf it acts. */
  readonly user: User;
  /** The rights that it is limited to; null for all rights of the user. */
  readonly rights: ReadonlySet<Right> | null;
}

/** The users of a server: a file, or an application's own database. */
export interface Users {
  /** The user with this name and password; null if there is none. Takes as long for an unknown name as for a known one. */
  verify(name: string, password: string): Awaitable<User | null>;
  /** The user with this name; null if there is none. Called for each request with a session: answer from memory. */
  find(name: string): Awaitable<User | null>;
  /** Optional: what a bearer token permits; null if it is unknown or expired. */
  token?(token: string): Awaitable<Grant | null>;
}
