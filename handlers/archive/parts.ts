/**
 * What an archive is made of, in order: an archive is never there as a whole, only the list of its parts.
 *
 * @module
 */

import type { ArchivePlan } from "./plan.ts";

/** A part of an archive. Its size is known before its bytes are. */
export type Part = MadePart | SummedPart | ContentPart;

/** Bytes that are made of the plan alone. */
export interface MadePart {
  readonly size: number;
  make(): Uint8Array;
}

/** Bytes for which the checksum of a file's content is needed. */
export interface SummedPart {
  readonly size: number;
  /** The number of the file in the plan. */
  readonly summed: number;
  make(crc: number): Uint8Array;
}

/** The content of a file. */
export interface ContentPart {
  readonly size: number;
  /** The number of the file in the plan. */
  readonly content: number;
  /** Whether it is sent in blocks that say where it ends. */
  readonly blocked?: boolean;
}

/** Lists the parts of an archive of everything in a plan; each call begins anew. */
export type ArchiveFormat = (plan: ArchivePlan) => Iterable<Part>;
