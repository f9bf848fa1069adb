/**
 * Entity tags: parsing and comparison (RFC 9110 sections 8.8.3 and 13.1).
 *
 * @module
 */

/**
 * Parses If-Match or If-None-Match: `"*"`, or the list of tags as sent.
 *
 * Accepts empty members, any whitespace, and commas inside a tag (RFC 9110 section 5.6.1). Stops at an invalid member,
 * because what follows is ambiguous.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseEtags } from "@x/pyserve/http";
 *
 * assert(parseEtags('"a,b", , W/"c"').length === 2);
 * assert(parseEtags("*") === "*");
 * ```
 */
export function parseEtags(header: string): "*" | string[] {
  if (header.trim() === "*") return "*";
  const tags: string[] = [];
  // Sticky, and each iteration consumes input: linear time on any input.
  const member = /[\t ,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|$)/y;
  for (let match = member.exec(header); match; match = member.exec(header)) tags.push(match[1]!);
  return tags;
}

/**
 * Strong comparison: both tags are strong and identical. Required by If-Match and If-Range, where byte ranges are
 * combined.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { strongMatch } from "@x/pyserve/http";
 *
 * assert(strongMatch('"a"', '"a"') && !strongMatch('W/"a"', 'W/"a"'));
 * ```
 */
export function strongMatch(a: string, b: string): boolean {
  return a === b && !a.startsWith("W/");
}

/**
 * Weak comparison: ignores the `W/` prefix. Used by If-None-Match.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { weakMatch } from "@x/pyserve/http";
 *
 * assert(weakMatch('W/"a"', '"a"'));
 * ```
 */
export function weakMatch(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(tag: string): string {
  return tag.startsWith("W/") ? tag.slice(2) : tag;
}

/** The input of an entity tag, such as a `FileStat`. */
export interface Versioned {
  /** A string that changes whenever the content may have changed. */
  readonly version: string;
  /** Whether every change is guaranteed to be detected. */
  readonly stable: boolean;
}

/**
 * The entity tag of a file: derived from its content, from how it is sent (type, policy and other options), and from
 * its coding, each of which makes a different representation (RFC 9110 sections 8.8.3 and 8.8.3.3). Weak if the content
 * could change without a change of version.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { etagOf } from "@x/pyserve/http";
 *
 * assert(etagOf({ version: "5-1", stable: true }, "k2h8", "gzip") === '"5-1.k2h8-gzip"');
 * ```
 */
export function etagOf({ version, stable }: Versioned, variant: string, coding?: string): string {
  return `${stable ? "" : "W/"}"${version}.${variant}${coding ? `-${coding}` : ""}"`;
}

/**
 * Reduces the tags in If-Match or If-None-Match to the file version, ignoring how the file is sent: for writes, where
 * only the content matters.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(withoutVariants('"5-1.k2h8", W/"6-1.k2h8"') === '"5-1", W/"6-1"');
 * ```
 */
export function withoutVariants(header: string): string {
  return header.replace(/\.[0-9a-z]{1,7}"/g, '"');
}

/**
 * A short non-cryptographic hash (FNV-1a, 32 bits) to distinguish configurations; no defence against deliberate
 * collisions.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(shortDigest("text/html") !== shortDigest("text/plain"));
 * ```
 */
export function shortDigest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
