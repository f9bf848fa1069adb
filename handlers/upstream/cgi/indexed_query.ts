/**
 * The words of an indexed query, which a program gets as its arguments.
 *
 * @module
 */

/**
 * A hyphen, or what some system makes one of: php-cgi skips blanks before it (CVE-2012-2311), and Windows maps the soft
 * hyphen and the dashes to it (CVE-2024-4577).
 */
const OPTION = /^\s*[-\u00ad\p{Pd}]/u;

/**
 * The arguments that a query without `=` is (RFC 3875 section 4.4): `?3+socket` is `3` and `socket`.
 *
 * None for methods other than GET and HEAD, and none at all where one of the words is empty, does not decode (once, as
 * UTF-8), holds a NUL, or could be taken for an option (CVE-2012-1823).
 *
 * @param query The query as sent, without the `?`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(indexedQueryWords("GET", "3+hello%20world"), ["3", "hello world"]);
 * assertEquals(indexedQueryWords("GET", "-s"), []);
 * ```
 */
export function indexedQueryWords(method: string, query: string): readonly string[] {
  if (query === "" || query.includes("=") || (method !== "GET" && method !== "HEAD")) return [];
  const words = query.split("+").map(decode);
  return words.every((word) => word !== null && isHarmless(word)) ? words as string[] : [];
}

function isHarmless(word: string): boolean {
  return word !== "" && !word.includes("\0") && !OPTION.test(word);
}

function decode(word: string): string | null {
  try {
    return decodeURIComponent(word);
  } catch {
    return null;
  }
}
