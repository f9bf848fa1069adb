/**
 * Optional whitespace around header values (OWS, RFC 9110 section 5.6.3).
 *
 * @module
 */

/**
 * Removes leading and trailing OWS (SP, HTAB). `trim()` removes more, so that this and other recipients would see
 * different values; `/[ \t]+$/` takes quadratic time on a long run of blanks in the middle: seconds for 64 KiB.
 */
export function trimBlanks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
