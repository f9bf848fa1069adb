/**
 * Content-Disposition (RFC 6266): what a download is to be called.
 *
 * @module
 */

import { encodeSegment } from "./escape.ts";

/**
 * The Content-Disposition of a download under a name: in plain ASCII for old clients, and whole as RFC 8187 wants it.
 *
 * Half a surrogate pair becomes U+FFFD. It does not judge the name: a browser takes separators out of it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { attachment } from "@x/pyserve";
 *
 * assert(attachment("a.zip") === 'attachment; filename="a.zip"');
 * assert(attachment("é.zip") === `attachment; filename="_.zip"; filename*=UTF-8''%C3%A9.zip`);
 * ```
 */
export function attachment(name: string): string {
  // A percent sign is decoded by some clients, a backslash or quote ends the string for others.
  const plain = name.toWellFormed().replace(/[^\x20-\x7e]|["\\%]/gu, "_");
  const extended = plain === name ? "" : `; filename*=UTF-8''${encodeSegment(name)}`;
  return `attachment; filename="${plain}"${extended}`;
}
