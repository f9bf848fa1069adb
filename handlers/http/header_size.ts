/**
 * Header size limit.
 *
 * @module
 */

/**
 * Maximum total size of header names and values in bytes; the runtime itself refuses header sections over about 64 KiB.
 */
export const MAX_HEADER_BYTES = 32_768;

/**
 * Whether the header section exceeds the limit: 431 (RFC 6585 section 5).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isHeaderTooLong(new Headers({ cookie: "x".repeat(40_000) })));
 * ```
 */
export function isHeaderTooLong(headers: Headers): boolean {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes > MAX_HEADER_BYTES;
}
