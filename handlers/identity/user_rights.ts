/**
 * The rights that a user or a token can have.
 *
 * @module
 */

/** The rights in the order in which they are listed; `run` is for programs (CGI, FastCGI). */
export const USER_RIGHTS: readonly UserRight[] = ["read", "upload", "delete", "run", "share"];

/** A right of a user, as said in rules and tokens. */
export type UserRight = "read" | "upload" | "delete" | "run" | "share";

/** Parses names of rights; returns the first unknown word as a string. */
export function parseRights(words: readonly string[]): readonly UserRight[] | string {
  const unknown = words.find((word) => !(USER_RIGHTS as readonly string[]).includes(word));
  return unknown ?? USER_RIGHTS.filter((right) => words.includes(right));
}
