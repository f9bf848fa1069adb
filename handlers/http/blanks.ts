/**
 * Blanks around the values of headers (OWS, RFC 9110 section 5.6.3).
 *
 * @module
 */

/**
 * A text without the blanks (SP, HTAB) around it. `trim()` would take more than these, which is another header to others;
 * and `/[ \t]+$/` looks at a long run of blanks in the middle once for each of them: seconds for 64 KiB.
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
