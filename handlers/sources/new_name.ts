/**
 * Which names are accepted for new files: stricter than for files that are served, because a name once created
 * persists.
 *
 * @module
 */

import { isPartName } from "./part_name.ts";
import { isPlainOnWindows } from "./windows.ts";

/** The limit of all common file systems, in bytes. */
const MAX_NAME_BYTES = 255;

/**
 * Explains what is wrong with the name of a new file or directory; null if it is valid.
 *
 * Refuses path separators of any platform, so that an archive of the directory unpacks to the same tree everywhere, and
 * control characters, which pages, logs and terminals cannot display. On Windows, also refuses names with a special
 * meaning (`NUL`, `a:b`, a trailing dot).
 *
 * @param os The platform; defaults to the current one.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(problemOfName("Übersicht 2026.pdf") === null);
 * assert(problemOfName("a\\b") === "it contains a path separator");
 * ```
 */
export function problemOfName(name: string, os: typeof Deno.build.os = Deno.build.os): string | null {
  if (name === "" || name === "." || name === "..") return "it is not a name";
  if (/[/\\]/.test(name)) return "it contains a path separator";
  if (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(name)) return "it contains a control character";
  if (!name.isWellFormed()) return "it is not valid Unicode";
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return `it is longer than ${MAX_NAME_BYTES} bytes`;
  if (isPartName(name)) return "it is reserved for unfinished uploads";
  return os === "windows" && !isPlainOnWindows(name) ? "it has a special meaning on Windows" : null;
}
