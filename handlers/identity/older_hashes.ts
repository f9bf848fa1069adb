/**
 * The hashes that Apache's htpasswd writes. They are read, never written.
 *
 * @module
 */

import { randomBytes, randomText, sameBytes } from "./bytes.ts";
import { hashThread } from "./hash_thread.ts";
import type { PasswordHash } from "./password_hash.ts";

/** A bcrypt hash with a higher cost takes more than a second. */
const MAX_BCRYPT_COST = 14;

/** All that bcrypt looks at: it would ignore the rest of a longer password, so that one is never the right one. */
const MAX_BCRYPT_BYTES = 72;

const ALPHABET_64 = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/** Parses a hash of htpasswd: bcrypt, `$apr1$` or `{SHA}`; a reason where it is malformed; null for any other kind. */
export function parseOlderHash(text: string): PasswordHash | string | null {
  if (/^\$2[aby]\$/.test(text)) return bcrypt(text);
  if (text.startsWith("$apr1$")) return apr1(text);
  return text.startsWith("{SHA}") ? sha1(text) : null;
}

function bcrypt(text: string): PasswordHash | string {
  const [, cost] = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text) ?? [];
  if (cost === undefined || Number(cost) < 4) return "the bcrypt hash is malformed";
  if (Number(cost) > MAX_BCRYPT_COST) {
    return `the bcrypt hash demands too much time: its cost is above ${MAX_BCRYPT_COST}`;
  }
  return {
    text,
    kind: `bcrypt ${cost}`,
    weak: null,
    async matches(password, inBackground) {
      const fits = new TextEncoder().encode(password).length <= MAX_BCRYPT_BYTES;
      return await hashThread(inBackground).matches({ algorithm: "bcrypt", hash: text, password }) && fits;
    },
    decoy: () => bcrypt(`$2b$${cost}$${randomText(53, ALPHABET_64)}`) as PasswordHash,
  };
}

function apr1(text: string): PasswordHash | string {
  if (!/^\$apr1\$[^$]{1,8}\$[./A-Za-z0-9]{22}$/.test(text)) return "the $apr1$ hash is malformed";
  return {
    text,
    kind: "$apr1$",
    weak: "$apr1$",
    matches: (password, inBackground) => hashThread(inBackground).matches({ algorithm: "apr1", hash: text, password }),
    decoy: () => apr1(`$apr1$${randomText(8, ALPHABET_64)}$${randomText(22, ALPHABET_64)}`) as PasswordHash,
  };
}

function sha1(text: string): PasswordHash | string {
  if (!/^\{SHA\}[A-Za-z0-9+/]{27}=$/.test(text)) return "the {SHA} hash is malformed";
  return sha1Hash(text, Uint8Array.fromBase64(text.slice("{SHA}".length)));
}

function sha1Hash(text: string, digest: Uint8Array): PasswordHash {
  return {
    text,
    kind: "{SHA}",
    weak: "{SHA}",
    async matches(password) {
      return sameBytes(new Uint8Array(await crypto.subtle.digest("SHA-1", new TextEncoder().encode(password))), digest);
    },
    decoy: () => sha1Hash("", randomBytes(digest.length)),
  };
}
