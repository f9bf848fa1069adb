/**
 * Reads from the page cache, and from nowhere else: it never waits for a disk or a network.
 *
 * @module
 */

import { errno, FILE_CALLS } from "./file_calls.ts";
import { EAGAIN, EINTR, pinned, RWF_NOWAIT, SYS_PREADV2 } from "./libc.ts";

/** In place of a count: the bytes are not in memory. */
export const NOT_CACHED = -1;
/** In place of a count: undecided, use another method. */
export const UNDECIDED = -2;

/** Whether {@linkcode readCached} can be used at all. */
export const READS_CACHED: boolean = FILE_CALLS !== null;

/** Arrays up to this size may lie in V8's heap, where they can move; they are read through a buffer that does not. */
const SMALL_BYTES = 1_024;

/** Reads no more at once: a signed 32-bit count. */
const MAX_BYTES = 0x4000_0000;

/** A buffer for small reads, and `struct iovec`. Created on first use: without FFI, they cannot be. */
const made = () => {
  const vector = pinned(new Uint32Array(4));
  return { small: pinned(new Uint8Array(SMALL_BYTES)), vector, address: new BigUint64Array(vector.bytes.buffer) };
};
let buffers: ReturnType<typeof made> | undefined;

/**
 * Reads from an offset of an open file (preadv2(2), `RWF_NOWAIT`).
 *
 * @returns The number of bytes; fewer than requested if the rest is not in memory. {@linkcode NOT_CACHED} if none are;
 * {@linkcode UNDECIDED} if the file system does not tell, and on any failure: another read then gives the reason.
 */
export function readCached(descriptor: number, offset: number, into: Uint8Array): number {
  if (FILE_CALLS === null) return UNDECIDED;
  const { small, vector, address } = buffers ??= made();
  const isSmall = into.length <= SMALL_BYTES;
  const at = isSmall ? small.at : Deno.UnsafePointer.of(into as Uint8Array<ArrayBuffer>);
  address[0] = Deno.UnsafePointer.value(at);
  vector.bytes[2] = Math.min(into.length, MAX_BYTES);
  for (;;) {
    const count = FILE_CALLS.preadv2(SYS_PREADV2, descriptor, vector.at, 1, BigInt(offset), 0, RWF_NOWAIT);
    if (count >= 0) {
      if (isSmall) into.set(small.bytes.subarray(0, count));
      return count;
    }
    const problem = errno();
    if (problem !== EINTR) return problem === EAGAIN ? NOT_CACHED : UNDECIDED;
  }
}

const BYTE = new Uint8Array(1);

/** Whether both ends of a range of an open file are in memory, or it is not known. */
export function mayBeCached(descriptor: number, from: number, until: number): boolean {
  return readCached(descriptor, from, BYTE) !== NOT_CACHED && readCached(descriptor, until - 1, BYTE) !== NOT_CACHED;
}
