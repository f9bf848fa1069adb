/**
 * The parts of an archive in order. The archive never exists as a whole, only as this list.
 *
 * @module
 */

import type { ArchivePlan } from "./plan.ts";

/** A part of an archive. Its size is known before its bytes are generated. */
export type Part = MadePart | SummedPart | ContentPart;

/** Bytes that depend only on the plan. */
export interface MadePart {
  readonly size: number;
  make(): Uint8Array;
}

/** Bytes that contain the checksum of a file's content. */
export interface SummedPart {
  readonly size: number;
  /** Index of the file in the plan. */
  readonly summed: number;
  make(crc: number): Uint8Array;
}

/** The content of a file. */
export interface ContentPart {
  readonly size: number;
  /** Index of the file in the plan. */
  readonly content: number;
  /** Whether it is sent as self-delimiting blocks. */
  readonly blocked?: boolean;
}

/** Lists the parts of an archive of a plan; each call starts from the beginning. */
export type ArchiveFormat = (plan: ArchivePlan) => Iterable<Part>;
