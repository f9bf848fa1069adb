/**
 * The notes of a resumable upload: what its first request announced, for those that follow.
 *
 * @module
 */

import { CONFLICT_POLICIES, type ConflictPolicy } from "../store/conflict.ts";
import { formatDigests, parseDigests, type Promised } from "./digest.ts";

/** What the requests of an upload have announced so far; null if they have not. */
export interface UploadNotes {
  /** Total size in bytes (Upload-Length). */
  readonly length: number | null;
  /** What to do if the name is taken. */
  readonly policy: ConflictPolicy | null;
  /** The version to be replaced, from If-Match and the like. */
  readonly expected: string | null;
  /** Repr-Digest, which covers the whole file. */
  readonly digests: readonly Promised[] | null;
}

/** Empty notes. */
export const NO_NOTES: UploadNotes = { length: null, policy: null, expected: null, digests: null };

/** Serializes notes. */
export function formatNotes({ length, policy, expected, digests }: UploadNotes): string {
  return JSON.stringify({ length, policy, expected, digest: digests && formatDigests(digests) });
}

/** Parses notes; unreadable ones count as empty, because another version of pyserve may have written them. */
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
