/**
 * Python's `repr` of a string, to keep its messages unchanged.
 *
 * @module
 */

const SHORT: Readonly<Record<string, string>> = { "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A string as a Python literal: `'GET'`, `"it's"`, `'\x16\x03'`. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  // deno-lint-ignore no-control-regex
  const escaped = text.toWellFormed().replace(/[\x00-\x1f\\\x7f-\xa0\xad\u2028\u2029]/g, escape);
  return quote + (quote === "'" ? escaped.replaceAll("'", "\\'") : escaped) + quote;
}

function escape(character: string): string {
  const code = character.charCodeAt(0);
  const hex = code.toString(16);
  return SHORT[character] ?? (code < 0x100 ? `\\x${hex.padStart(2, "0")}` : `\\u${hex}`);
}
