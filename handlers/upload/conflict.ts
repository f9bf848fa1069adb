/**
 * Name conflicts.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";

/** What to do if a name is taken: refuse, find a free name, or replace the file. */
export type ConflictPolicy = "fail" | "rename" | "overwrite";

export const CONFLICT_POLICIES: readonly ConflictPolicy[] = ["fail", "rename", "overwrite"];

/** How a request wants conflicts resolved. */
export interface Wish {
  readonly policy: ConflictPolicy;
  /** The status of a refusal: 412 if the request made it a precondition, 409 otherwise. */
  readonly status: 409 | 412;
}

/**
 * Determines the policy of a request: from its preconditions, `?on-conflict=`, or the server's default.
 *
 * `If-None-Match: *` (RFC 9110 section 13.1.2) and `Overwrite: F` (RFC 4918 section 10.6) mean `fail`; If-Match,
 * If-Unmodified-Since and `Overwrite: T` mean `overwrite`. Without `Overwrite`, the server's policy applies rather than
 * the RFC's default of T: that suits WebDAV clients, which are explicit about overwriting.
 */
export function wishOf(headers: Headers, query: string, fallback: ConflictPolicy): Wish {
  const overwrite = headers.get("overwrite")?.toUpperCase();
  if (headers.get("if-none-match")?.trim() === "*" || overwrite === "F") return { policy: "fail", status: 412 };
  const asked = new URLSearchParams(query).get("on-conflict");
  if (asked !== null) return { policy: policyOf(asked), status: 409 };
  const replaces = overwrite === "T" || headers.has("if-match") || headers.has("if-unmodified-since");
  return { policy: replaces ? "overwrite" : fallback, status: 409 };
}

/** A policy by name; 400 if it is unknown. */
export function policyOf(name: string): ConflictPolicy {
  const policy = CONFLICT_POLICIES.find((each) => each === name);
  if (policy) return policy;
  throw new HttpError(400, `The parameter "on-conflict" is not one of ${CONFLICT_POLICIES.join(", ")}`);
}

/** Maximum number of names tried: more conflicts are a client's mistake. */
const MOST_NUMBERS = 999;

/** Maximum length of a name on all common file systems. */
const MAX_NAME_BYTES = 255;

/**
 * The path itself and, for `rename`, `name (1).ext`, `name (2).ext` and so on.
 *
 * @param first The first number.
 */
export function* pathsFor(path: SitePath, policy: ConflictPolicy, first = 1): Generator<SitePath> {
  yield path;
  for (let number = first; policy === "rename" && number <= MOST_NUMBERS; number++) {
    yield path.sibling(numbered(path.name, number))!;
  }
}

/**
 * A number from which names are most likely free. Names are tried one by one on the main thread, so this search skips
 * those known to be taken: it checks some twenty names where there may be a thousand.
 */
export async function firstFreeNumber(path: SitePath, isTaken: (path: SitePath) => Promise<boolean>): Promise<number> {
  const isNumberTaken = (number: number) => {
    return number <= MOST_NUMBERS && isTaken(path.sibling(numbered(path.name, number))!);
  };
  let taken = 0;
  let free = 1;
  for (; await isNumberTaken(free); free *= 2) taken = free;
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2);
    if (await isNumberTaken(middle)) taken = middle;
    else free = middle;
  }
  return free;
}

/** Inserts a number before the extension; shortens the name if it would be too long. */
export function numbered(name: string, number: number): string {
  const [, stem, extension] = /^(.+?)((?:\.tar)?\.[^. ]{1,16})?$/su.exec(name) as unknown as [string, string, string?];
  const end = ` (${number})${extension ?? ""}`;
  const room = MAX_NAME_BYTES - new TextEncoder().encode(end).length;
  const { read } = new TextEncoder().encodeInto(stem, new Uint8Array(room)); // whole characters only
  return stem.slice(0, read) + end;
}
