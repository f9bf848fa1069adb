/**
 * Argon2id (RFC 9106) and its text form.
 *
 * @module
 */

import { randomBytes, sameBytes } from "./bytes.ts";
import type { PasswordHash } from "./password_hash.ts";

/** The parameters of a hash. */
interface Parameters {
  /** Memory in KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

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

const FORM =
  /^\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Hashes with a fresh salt, outside of this thread; the result is a PHC string. */
export async function argon2id(password: string): Promise<string> {
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const digest = await derive(password, salt, NEW, DIGEST_BYTES);
  return `$argon2id$v=19$m=${NEW.memory},t=${NEW.passes},p=${NEW.parallelism}$${plain64(salt)}$${plain64(digest)}`;
}

/** Parses `$argon2id$v=19$m=47104,t=1,p=1$SALT$DIGEST`; a reason where it is malformed or demands too much. */
export function parseArgon2id(text: string): PasswordHash | string {
  const [, m, t, p, salt64, digest64] = FORM.exec(text) ?? [];
  // No base64 has a rest of one character.
  if (salt64 === undefined || digest64 === undefined || salt64.length % 4 === 1 || digest64.length % 4 === 1) {
    return "the argon2id hash is malformed";
  }
  const parameters = { memory: Number(m), passes: Number(t), parallelism: Number(p) };
  return problemOf(parameters) ?? hashOf(text, parameters, salt64, digest64);
}

function problemOf({ memory, passes, parallelism }: Parameters): string | null {
  if (passes < 1 || parallelism < 1 || memory < 8 * parallelism) return "the argon2id hash has impossible parameters";
  if (memory > MAX_MEMORY || memory * passes > MAX_WORK || parallelism > MAX_PARALLELISM) {
    return "the argon2id hash demands too much memory or time";
  }
  return null;
}

/** The bytes are decoded when they are needed: a file may have many hashes, of which few are used. */
function hashOf(text: string, parameters: Parameters, salt64: string, digest64: string): PasswordHash {
  const { memory, passes, parallelism } = parameters;
  return {
    text,
    kind: `argon2id ${memory} ${passes} ${parallelism}`,
    weak: null,
    async matches(password) {
      const digest = Uint8Array.fromBase64(digest64);
      return sameBytes(await derive(password, Uint8Array.fromBase64(salt64), parameters, digest.length), digest);
    },
    decoy() {
      const digest = randomBytes(Uint8Array.fromBase64(digest64).length);
      return hashOf("", parameters, plain64(randomBytes(SALT_BYTES)), plain64(digest));
    },
  };
}

/** The types of TypeScript do not know Argon2id yet: https://wicg.github.io/webcrypto-modern-algos/#argon2 */
async function derive(
  password: string,
  nonce: Uint8Array<ArrayBuffer>,
  { memory, passes, parallelism }: Parameters,
  bytes: number,
): Promise<Uint8Array> {
  const format = "raw-secret" as unknown as "raw";
  const key = await crypto.subtle.importKey(format, new TextEncoder().encode(password), "Argon2id", false, [
    "deriveBits",
  ]);
  const algorithm = { name: "Argon2id", nonce, memory, passes, parallelism };
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, bytes * 8));
}

function plain64(bytes: Uint8Array): string {
  return bytes.toBase64({ omitPadding: true });
}
