/**
 * What is noted of an upload in pieces, so that its first request holds for those that follow.
 *
 * @module
 */

import { CONFLICT_POLICIES, type ConflictPolicy } from "./conflict.ts";
import { formatDigests, parseDigests, type Promised } from "./digest.ts";

/** What the requests of an upload have said so far; null for what they have not. */
export interface UploadNotes {
  /** Bytes of the whole (Upload-Length). */
  readonly length: number | null;
  /** What happens where the name is taken. */
  readonly policy: ConflictPolicy | null;
  /** The version that is to be replaced, of If-Match and its like. */
  readonly expected: string | null;
  /** Repr-Digest, which speaks of the whole. */
  readonly digests: readonly Promised[] | null;
}

/** Notes that say nothing. */
export const NO_NOTES: UploadNotes = { length: null, policy: null, expected: null, digests: null };

/** Notes as text. */
export function formatNotes({ length, policy, expected, digests }: UploadNotes): string {
  return JSON.stringify({ length, policy, expected, digest: digests && formatDigests(digests) });
}

/** Notes of a text; what cannot be read says nothing, for another version of pyserve may have written it. */
export function parseNotes(text: string): UploadNotes {
  try {
    const { length, policy, expected, digest } = Object(JSON.parse(text));
    return {
      length: Number.isSafeInteger(length) && length >= 0 ? length : null,
      policy: CONFLICT_POLICIES.find((each) => each === policy) ?? null,
      expected: typeof expected === "string" ? expected : null,
      digests: parseDigests(typeof digest === "string" ? digest : null),
    };
  } catch {
    return NO_NOTES;
  }
}
