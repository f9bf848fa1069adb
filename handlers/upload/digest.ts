/**
 * Integrity fields of uploads (RFC 9530).
 *
 * @module
 */

import type { Hash } from "node:crypto";
import { HttpError } from "../core/errors.ts";
import { nodeCrypto } from "../core/node.ts";

/** The supported algorithms; RFC 9530 has no other that is not deprecated. */
const ALGORITHMS: Readonly<Record<string, { readonly node: string; readonly bytes: number }>> = {
  "sha-256": { node: "sha256", bytes: 32 },
  "sha-512": { node: "sha512", bytes: 64 },
};

/** An expected digest. */
export interface Promised {
  readonly algorithm: string;
  readonly digest: Uint8Array;
}

/**
 * Parses Content-Digest or Repr-Digest: `sha-256=:BASE64:`, comma-separated. Unknown algorithms are ignored, as section
 * 2 requires; null if none is left. 400 for a malformed field, and for a repeated algorithm: each would be another pass
 * over the content, as many as fit into a header.
 */
export function parseDigests(header: string | null): Promised[] | null {
  if (header === null) return null;
  const promised: Promised[] = [];
  const named = new Set<string>();
  for (const member of header.split(",")) {
    const [, algorithm, value] = /^\s*([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):\s*$/.exec(member) ?? [];
    if (algorithm === undefined) throw new HttpError(400, "The digest is malformed; write it as sha-256=:BASE64:");
    if (named.has(algorithm)) throw new HttpError(400, "The digest repeats an algorithm");
    named.add(algorithm);
    if (!Object.hasOwn(ALGORITHMS, algorithm)) continue;
    const digest = bytesOf(value!);
    if (digest?.length !== ALGORITHMS[algorithm]!.bytes) {
      throw new HttpError(400, `The ${algorithm} digest has the wrong length`);
    }
    promised.push({ algorithm, digest });
  }
  return promised.length === 0 ? null : promised;
}

/** Serializes digests for {@linkcode parseDigests}. */
export function formatDigests(promised: readonly Promised[]): string {
  return promised.map(({ algorithm, digest }) => `${algorithm}=:${digest.toBase64()}:`).join(", ");
}

/** Decodes Base64; null if it is invalid, like a single letter. */
function bytesOf(base64: string): Uint8Array | null {
  try {
    return Uint8Array.fromBase64(base64);
  } catch {
    return null;
  }
}

/** Digests computed incrementally, one for each algorithm. */
export class Verification {
  readonly #promised: readonly Promised[];
  readonly #hashes: ReadonlyMap<string, Hash>;

  /** Starts verifying the expected digests. */
  constructor(promised: readonly Promised[]) {
    this.#promised = promised;
    const algorithms = new Set(promised.map(({ algorithm }) => algorithm));
    this.#hashes = new Map([...algorithms].map((name) => [name, nodeCrypto().createHash(ALGORITHMS[name]!.node)]));
  }

  /** Hashes a chunk. */
  update(bytes: Uint8Array): void {
    for (const hash of this.#hashes.values()) hash.update(bytes);
  }

  /** Throws 400 if a digest does not match. */
  check(): void {
    const digests = new Map([...this.#hashes].map(([name, hash]) => [name, hash.digest()]));
    for (const { algorithm, digest } of this.#promised) {
      if (nodeCrypto().timingSafeEqual(digests.get(algorithm)!, digest)) continue;
      const problem = { type: "https://iana.org/assignments/http-problem-types#digest-mismatched-values", algorithm };
      throw new HttpError(400, `The content does not match its ${algorithm} digest`, { problem });
    }
  }
}
