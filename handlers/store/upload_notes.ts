/**
 * The notes of a resumable upload: what its first piece announced, for those that follow.
 *
 * @module
 */

import { CONFLICT_POLICIES, type ConflictPolicy } from "./conflict.ts";

/** What the pieces of an upload have announced so far; null for what has not been announced. */
export interface UploadNotes {
  /** Total size in bytes. */
  readonly length: number | null;
  /** What to do if the name is taken. */
  readonly policy: ConflictPolicy | null;
  /** The version to be replaced. */
  readonly expected: string | null;
  /** A digest of the whole file, in the notation of the sender. */
  readonly digest: string | null;
}

/** Empty notes. */
export const NO_NOTES: UploadNotes = { length: null, policy: null, expected: null, digest: null };

/** Serializes notes. */
export function formatNotes({ length, policy, expected, digest }: UploadNotes): string {
  return JSON.stringify({ length, policy, expected, digest });
}

/** Parses notes; unreadable ones count as empty, because another version of pyserve may have written them. */
export function parseNotes(text: string): UploadNotes {
  try {
    const { length, policy, expected, digest } = Object(JSON.parse(text));
    return {
      length: Number.isSafeInteger(length) && length >= 0 ? length : null,
      policy: CONFLICT_POLICIES.find((each) => each === policy) ?? null,
      expected: typeof expected === "string" ? expected : null,
      digest: typeof digest === "string" ? digest : null,
    };
  } catch {
    return NO_NOTES;
  }
}
