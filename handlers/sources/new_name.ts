/**
 * Which names may come into a directory: stricter than which names are served, because somebody has to live with them.
 *
 * @module
 */

import { isPartName } from "./part_name.ts";
import { isPlainOnWindows } from "./windows.ts";

/** Bytes a name may have on all common file systems. */
const MAX_NAME_BYTES = 255;

/**
 * What is wrong with a name for a new file or directory, in words, or null.
 *
 * Separators of any system are refused, so that an archive of the directory unpacks everywhere into what it was; and
 * control characters, which no page, log or terminal shows as they are. Names that Windows gives a meaning of its own
 * (`NUL`, `a:b`, a dot at the end) are refused on Windows.
 *
 * @param os The system; this one unless given.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { problemOfName } from "@x/pyserve";
 *
 * assert(problemOfName("Übersicht 2026.pdf") === null);
 * assert(problemOfName("a\\b") === "it has a separator in it");
 * ```
 */
export function problemOfName(name: string, os: typeof Deno.build.os = Deno.build.os): string | null {
  if (name === "" || name === "." || name === "..") return "it is no name";
  if (/[/\\]/.test(name)) return "it has a separator in it";
  if (/\p{Cc}|\p{Zl}|\p{Zp}/u.test(name)) return "it has a control character in it";
  if (!name.isWellFormed()) return "it is not Unicode";
  if (new TextEncoder().encode(name).length > MAX_NAME_BYTES) return `it is longer than ${MAX_NAME_BYTES} bytes`;
  if (isPartName(name)) return "it is kept for uploads that are not finished";
  return os === "windows" && !isPlainOnWindows(name) ? "it means something else on Windows" : null;
}
