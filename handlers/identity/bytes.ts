/**
 * Comparing and making secret bytes.
 *
 * @module
 */

import { timingSafeEqual } from "node:crypto";

/** Whether they are the same, in a time that depends on the length only. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Whether two strings are the same, in a time that depends on the lengths only. */
export function sameText(a: string, b: string): boolean {
  const encoder = new TextEncoder();
  return sameBytes(encoder.encode(a), encoder.encode(b));
}

/** Cryptographically random bytes: a key, a salt, or a digest that no password has. */
export function randomBytes(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(length));
}

/** Random characters of an alphabet, uniformly distributed. */
export function randomText(length: number, alphabet: string): string {
  const most = 256 - 256 % alphabet.length; // larger bytes are rejected: they would bias the result
  let text = "";
  while (text.length < length) {
    for (const byte of crypto.getRandomValues(new Uint8Array(length))) {
      if (byte < most && text.length < length) text += alphabet[byte % alphabet.length];
    }
  }
  return text;
}
