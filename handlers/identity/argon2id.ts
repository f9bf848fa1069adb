/**
 * Argon2id (RFC 9106) and its text form.
 *
 * @module
 */

import { canLowerPriority } from "../system/low_priority.ts";
import { argon2idMatches, derive, type Parameters, type Parts, partsOf, textOf } from "./argon2id_digest.ts";
import { randomBytes } from "./bytes.ts";
import { hashThread } from "./hash_thread.ts";
import type { PasswordHash } from "./password_hash.ts";

/**
 * For new hashes: the first row of the OWASP cheat sheet, some 50 ms. Of its rows, which are equally strong, the only one
 * above 32 MiB: memory of less than that is kept by the allocator of the thread that computed the hash (glibc), and the
 * runtime uses a score of threads, so that sixty logins left 400 MiB; of this size it is returned at once.
 */
const NEW: Parameters = { memory: 47_104, passes: 1, parallelism: 1 };
const [SALT_BYTES, DIGEST_BYTES] = [16, 32];

/** What one line of a file may demand: the memory of one hash, and memory times passes, which is about a second. */
const MAX_MEMORY = 256 * 1024;
const MAX_WORK = 1024 * 1024;
const MAX_PARALLELISM = 16;

/** Hashes with a fresh salt, outside of this thread; the result is a PHC string. */
export async function argon2id(password: string): Promise<string> {
  const salt = randomBytes(SALT_BYTES);
  return textOf(NEW, salt, await derive(password, salt, NEW, DIGEST_BYTES));
}

/** Parses `$argon2id$v=19$m=47104,t=1,p=1$SALT$DIGEST`; a reason where it is malformed or demands too much. */
export function parseArgon2id(text: string): PasswordHash | string {
  const parts = partsOf(text);
  if (parts === null) return "the argon2id hash is malformed";
  return problemOf(parts.parameters) ?? hashOf(text, parts);
}

function problemOf({ memory, passes, parallelism }: Parameters): string | null {
  if (passes < 1 || parallelism < 1 || memory < 8 * parallelism) return "the argon2id hash has impossible parameters";
  if (memory > MAX_MEMORY || memory * passes > MAX_WORK || parallelism > MAX_PARALLELISM) {
    return "the argon2id hash demands too much memory or time";
  }
  return null;
}

function hashOf(text: string, { parameters, digest64 }: Parts): PasswordHash {
  const { memory, passes, parallelism } = parameters;
  return {
    text,
    kind: `argon2id ${memory} ${passes} ${parallelism}`,
    weak: null,
    // WebCrypto computes in a thread anyway: another one only helps if its priority can be lowered.
    matches: (password, inBackground) =>
      inBackground && canLowerPriority()
        ? hashThread(true).matches({ algorithm: "argon2id", hash: text, password })
        : argon2idMatches(password, text),
    decoy() {
      const digest = randomBytes(Uint8Array.fromBase64(digest64).length);
      return parseArgon2id(textOf(parameters, randomBytes(SALT_BYTES), digest)) as PasswordHash;
    },
  };
}
