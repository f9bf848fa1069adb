/**
 * `$apr1$`: the variant of md5-crypt by Apache (apr_md5.c), with 1000 rounds of MD5.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { sameText } from "./bytes.ts";

const ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/** The bytes of the digest in the order in which they are written, three for each four characters. */
const ORDER = [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] as const;

/** Whether a password has the hash `$apr1$SALT$DIGEST`. Takes a few milliseconds. */
export function apr1Matches(password: string, hash: string): boolean {
  const [, , salt = "", digest = ""] = hash.split("$");
  return sameText(written(digestOf(new TextEncoder().encode(password), new TextEncoder().encode(salt))), digest);
}

function digestOf(password: Uint8Array, salt: Uint8Array): Uint8Array {
  const mixed = md5(password, salt, password);
  const parts = [password, new TextEncoder().encode("$apr1$"), salt];
  for (let left = password.length; left > 0; left -= 16) parts.push(mixed.subarray(0, Math.min(16, left)));
  for (let bits = password.length; bits > 0; bits >>= 1) {
    parts.push(bits & 1 ? new Uint8Array(1) : password.subarray(0, 1));
  }
  let digest = md5(...parts);
  for (let round = 0; round < 1000; round++) digest = nextRound(round, password, salt, digest);
  return digest;
}

function nextRound(round: number, password: Uint8Array, salt: Uint8Array, digest: Uint8Array): Uint8Array {
  const [first, last] = round % 2 ? [password, digest] : [digest, password];
  const parts = [first];
  if (round % 3) parts.push(salt);
  if (round % 7) parts.push(password);
  return md5(...parts, last);
}

function md5(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash("md5");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

function written(digest: Uint8Array): string {
  const triples = ORDER.map(([a, b, c]) => characters(digest[a]! << 16 | digest[b]! << 8 | digest[c]!, 4));
  return triples.join("") + characters(digest[11]!, 2);
}

/** The lowest six bits first. */
function characters(value: number, count: number): string {
  return Array.from({ length: count }, (_, index) => ALPHABET[value >> 6 * index & 63]).join("");
}
