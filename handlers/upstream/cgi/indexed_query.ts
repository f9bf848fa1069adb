/**
 * The words of an indexed query, passed to a program as arguments.
 *
 * @module
 */

/**
 * A hyphen, or a character converted to one: php-cgi skips blanks before it (CVE-2012-2311), and Windows maps the soft
 * hyphen and dashes to it (CVE-2024-4577).
 */
const OPTION = /^\s*[-\u00ad\p{Pd}]/u;

/**
 * Splits a query without `=` into arguments (RFC 3875 section 4.4): `?3+socket` gives `3` and `socket`.
 *
 * Returns none for methods other than GET and HEAD, and none if any word is empty, is not valid percent-encoded UTF-8,
 * contains NUL, or could be taken for an option (CVE-2012-1823).
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
