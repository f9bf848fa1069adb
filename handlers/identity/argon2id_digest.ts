/**
 * The digests of Argon2id (RFC 9106), in this thread or in a worker.
 *
 * @module
 */

import { sameBytes } from "./bytes.ts";

/** The parameters of a hash. */
export interface Parameters {
  /** Memory in KiB. */
  readonly memory: number;
  readonly passes: number;
  readonly parallelism: number;
}

/** The parts of a hash; salt and digest are base64. */
export interface Parts {
  readonly parameters: Parameters;
  readonly salt64: string;
  readonly digest64: string;
}

const FORM =
  /^\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

/** Takes a PHC string apart: `$argon2id$v=19$m=47104,t=1,p=1$SALT$DIGEST`; null where it is malformed. */
export function partsOf(text: string): Parts | null {
  const [, m, t, p, salt64, digest64] = FORM.exec(text) ?? [];
  // No base64 has a rest of one character.
  if (salt64 === undefined || digest64 === undefined || salt64.length % 4 === 1 || digest64.length % 4 === 1) {
    return null;
  }
  return { parameters: { memory: Number(m), passes: Number(t), parallelism: Number(p) }, salt64, digest64 };
}

/** The PHC string of a digest. */
export function textOf({ memory, passes, parallelism }: Parameters, salt: Uint8Array, digest: Uint8Array): string {
  return `$argon2id$v=19$m=${memory},t=${passes},p=${parallelism}$${plain64(salt)}$${plain64(digest)}`;
}

/** Whether a password has this hash, a PHC string. */
export async function argon2idMatches(password: string, text: string): Promise<boolean> {
  const { parameters, salt64, digest64 } = partsOf(text)!;
  const digest = Uint8Array.fromBase64(digest64);
  return sameBytes(await derive(password, Uint8Array.fromBase64(salt64), parameters, digest.length), digest);
}

/** The types of TypeScript do not know Argon2id yet: https://wicg.github.io/webcrypto-modern-algos/#argon2 */
export async function derive(
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
