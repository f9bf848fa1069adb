/**
 * Content-Disposition (RFC 6266): the file name of a download.
 *
 * @module
 */

import { encodeSegment } from "./escape.ts";

/**
 * Content-Disposition for a download: an ASCII fallback for old clients, and the full name as in RFC 8187.
 *
 * Lone surrogates become U+FFFD. The name is not validated: browsers strip path separators.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { attachment } from "@x/pyserve/http";
 *
 * assert(attachment("a.zip") === 'attachment; filename="a.zip"');
 * assert(attachment("é.zip") === `attachment; filename="_.zip"; filename*=UTF-8''%C3%A9.zip`);
 * ```
 */
export function attachment(name: string): string {
  // Some clients decode percent signs; for others, a backslash or quote ends the string.
  const plain = name.toWellFormed().replace(/[^\x20-\x7e]|["\\%]/gu, "_");
  const extended = plain === name ? "" : `; filename*=UTF-8''${encodeSegment(name)}`;
  return `attachment; filename="${plain}"${extended}`;
}
