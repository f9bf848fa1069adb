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
