/**
 * Header values are strings of one character per byte; environments and targets are UTF-8.
 *
 * @module
 */

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One character a byte, as in the values of `Headers`. TextDecoder's "latin1" is windows-1252, and not that. */
export function textOfBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * The text that has, in UTF-8, the bytes that the value of a header stands for, so that a program gets what was sent.
 *
 * Bytes that are not UTF-8 stay Latin-1 letters: the runtime cannot put them into an environment, and U+FFFD would say
 * less.
 */
export function utf8OfHeader(value: string): string {
  // deno-lint-ignore no-control-regex
  if (/^[\x00-\x7f]*$/.test(value)) return value;
  try {
    return UTF8.decode(Uint8Array.from(value, (character) => character.charCodeAt(0)));
  } catch {
    return value;
  }
}
