/**
 * What happens where a name is taken.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { SitePath } from "../http/target.ts";

/** What is done where a name is taken: refuse, look for a free one, replace what is there. */
export type ConflictPolicy = "fail" | "rename" | "overwrite";

/** All of them. */
export const CONFLICT_POLICIES: readonly ConflictPolicy[] = ["fail", "rename", "overwrite"];

/** What a request wants where a name is taken. */
export interface Wish {
  /** What is to be done. */
  readonly policy: ConflictPolicy;
  /** The status where that is to refuse: 412 for who made it a condition, 409 for all others. */
  readonly status: 409 | 412;
}

/**
 * The wish of a request: by its conditions, by `?on-conflict=`, or what the server does.
 *
 * `If-None-Match: *` (RFC 9110 section 13.1.2) and `Overwrite: F` (RFC 4918 section 10.6) want nothing replaced, If-Match,
 * If-Unmodified-Since and `Overwrite: T` want it replaced. Without `Overwrite` the server's policy counts, and not T: that
 * is for WebDAV, where clients know what they do.
 */
export function wishOf(headers: Headers, query: string, fallback: ConflictPolicy): Wish {
  const overwrite = headers.get("overwrite")?.toUpperCase();
  if (headers.get("if-none-match")?.trim() === "*" || overwrite === "F") return { policy: "fail", status: 412 };
  const asked = new URLSearchParams(query).get("on-conflict");
  if (asked !== null) return { policy: policyOf(asked), status: 409 };
  const replaces = overwrite === "T" || headers.has("if-match") || headers.has("if-unmodified-since");
  return { policy: replaces ? "overwrite" : fallback, status: 409 };
}

/** A policy by its name; 400 for any other. */
export function policyOf(name: string): ConflictPolicy {
  const policy = CONFLICT_POLICIES.find((each) => each === name);
  if (policy) return policy;
  throw new HttpError(400, `The parameter "on-conflict" is not one of ${CONFLICT_POLICIES.join(", ")}`);
}

/** Names tried before giving up: more of one name are a mistake of a program. */
const MOST_NUMBERS = 999;

/** Bytes a name may have on all common file systems. */
const MAX_NAME_BYTES = 255;

/**
 * The path, and where it is to be renamed, `name (1).ext`, `name (2).ext` and so on.
 *
 * @param first The first of the numbers.
 */
export function* pathsFor(path: SitePath, policy: ConflictPolicy, first = 1): Generator<SitePath> {
  yield path;
  for (let number = first; policy === "rename" && number <= MOST_NUMBERS; number++) {
    yield path.sibling(numbered(path.name, number))!;
  }
}

/**
 * A number from which on names are most likely free. They are tried one by one in the main thread, so those that are known
 * to be taken are left out: this looks at some twenty names, where there may be a thousand.
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

/** A name with a number before its extension; shortened where it would get too long. */
export function numbered(name: string, number: number): string {
  const [, stem, extension] = /^(.+?)((?:\.tar)?\.[^. ]{1,16})?$/su.exec(name) as unknown as [string, string, string?];
  const end = ` (${number})${extension ?? ""}`;
  const room = MAX_NAME_BYTES - new TextEncoder().encode(end).length;
  const { read } = new TextEncoder().encodeInto(stem, new Uint8Array(room)); // whole characters only
  return stem.slice(0, read) + end;
}
