/**
 * Entity tags: reading lists of them and comparing them (RFC 9110 sections 8.8.3 and 13.1).
 *
 * @module
 */

/**
 * Takes apart the value of If-Match or If-None-Match: `"*"`, or the tags in it as written.
 *
 * Empty members, any spacing and commas inside a tag are read as RFC 9110 section 5.6.1 wants; a member that is no tag
 * ends the list there, for what follows cannot be told apart.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseEtags } from "@x/pyserve";
 *
 * assert(parseEtags('"a,b", , W/"c"').length === 2);
 * assert(parseEtags("*") === "*");
 * ```
 */
export function parseEtags(header: string): "*" | string[] {
  if (header.trim() === "*") return "*";
  const tags: string[] = [];
  // Sticky, and each turn consumes: linear whatever is sent.
  const member = /[\t ,]*((?:W\/)?"[\x21\x23-\x7e\x80-\xff]*")[\t ]*(?=,|$)/y;
  for (let match = member.exec(header); match; match = member.exec(header)) tags.push(match[1]!);
  return tags;
}

/**
 * Strong comparison: both strong and the same. Needed where bytes are put together: If-Match, If-Range.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { strongMatch } from "@x/pyserve";
 *
 * assert(strongMatch('"a"', '"a"') && !strongMatch('W/"a"', 'W/"a"'));
 * ```
 */
export function strongMatch(a: string, b: string): boolean {
  return a === b && !a.startsWith("W/");
}

/**
 * Weak comparison: the same but for `W/`. Enough for If-None-Match.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { weakMatch } from "@x/pyserve";
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

/** What a tag is made of. A `FileStat` is one. */
export interface Versioned {
  /** Text that changes whenever the bytes may have changed. */
  readonly version: string;
  /** Whether it does so in any case. */
  readonly settled: boolean;
}

/**
 * The entity tag of a file: of its bytes, of how they are sent (type, policy, what else the options decide), and of their
 * coding. Each of these makes another representation (RFC 9110 sections 8.8.3 and 8.8.3.3). Weak where the bytes could
 * change without the version.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { etagOf } from "@x/pyserve";
 *
 * assert(etagOf({ version: "5-1", settled: true }, "k2h8", "gzip") === '"5-1.k2h8-gzip"');
 * ```
 */
export function etagOf({ version, settled }: Versioned, variant: string, coding?: string): string {
  return `${settled ? "" : "W/"}"${version}.${variant}${coding ? `-${coding}` : ""}"`;
}

/**
 * The value of If-Match or If-None-Match without what tags say of how the bytes are sent: for whoever is about to write,
 * and cares for the bytes only.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { withoutVariants } from "@x/pyserve";
 *
 * assert(withoutVariants('"5-1.k2h8", W/"6-1.k2h8"') === '"5-1", W/"6-1"');
 * ```
 */
export function withoutVariants(header: string): string {
  return header.replace(/\.[0-9a-z]{1,7}"/g, '"');
}

/**
 * A short text that differs, but for one case in four thousand million, where texts differ (FNV-1a): to tell
 * configurations apart, and no defence against somebody who makes two that agree.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { shortDigest } from "@x/pyserve";
 *
 * assert(shortDigest("text/html") !== shortDigest("text/plain"));
 * ```
 */
export function shortDigest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash >>> 0).toString(36);
}
