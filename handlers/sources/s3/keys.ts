/**
 * Keys of objects and paths of a site.
 *
 * A key is a path below the prefix with slashes between its segments. Keys that no URL can name are not exposed: with an
 * empty segment (`a//b`, `/a`), with a segment `.` or `..`, or with NUL.
 *
 * @module
 */

import type { SitePath } from "../../http/target.ts";

/** The limit of the protocol, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1_024;

/**
 * The directory of uploads that are unfinished: never served. No file can have its name, because pyserve itself answers
 * there.
 */
export const STATE_NAME = ".pyserve";

/** Where the state of uploads is. */
export const UPLOADS = `${STATE_NAME}/uploads/`;

/** Whether a path is that of the state of uploads, or below it. */
export function isState({ segments }: SitePath): boolean {
  return segments[0] === STATE_NAME;
}

/** The key of a file; null if it is longer than keys may be. `prefix` is empty or ends with a slash. */
export function keyOf(prefix: string, { segments }: SitePath): string | null {
  const key = prefix + segments.join("/");
  return isTooLong(key) ? null : key;
}

/** The prefix of the keys in a directory; null if it is longer than keys may be. */
export function prefixOf(prefix: string, { segments }: SitePath): string | null {
  const below = prefix + segments.map((segment) => `${segment}/`).join("");
  return isTooLong(below) ? null : below;
}

function isTooLong(key: string): boolean {
  return key.length > MAX_KEY_BYTES / 3 && new TextEncoder().encode(key).length > MAX_KEY_BYTES;
}
