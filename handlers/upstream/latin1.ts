/**
 * Header values are strings of one character per byte; environments and targets are UTF-8.
 *
 * @module
 */

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One character per byte, as in the values of `Headers`. TextDecoder's "latin1" is windows-1252 instead. */
export function textOfBytes(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/**
 * Decodes a header value as UTF-8, so that the program receives the bytes that were sent.
 *
 * If they are not valid UTF-8, the Latin-1 text is kept: the runtime cannot put other bytes into an environment, and
 * U+FFFD would lose information.
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
