/**
 * Compressing an archive while it is sent.
 *
 * @module
 */

import { Turns } from "../listing/turns.ts";
import type { OpenFile } from "../sources/types.ts";

/** Bytes compressed at a time: the work of a millisecond or two, which nobody else can do anything in. */
const CHUNK_BYTES = 65_536;

/**
 * All bytes of a file, compressed as they are asked for. It is opened when the first are, and closed behind the last or
 * when they are not wanted any more; where reading fails, so does the stream.
 */
export function gzipOf(open: () => OpenFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunksOf(open)).pipeThrough(new CompressionStream("gzip"));
}

async function* chunksOf(open: () => OpenFile): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  using file = open();
  const turns = new Turns();
  for (let at = 0;;) {
    const buffer = new Uint8Array(CHUNK_BYTES);
    const count = await file.read(at, buffer);
    if (count === 0) return;
    yield buffer.subarray(0, count);
    at += count;
    if (turns.due) await turns.next();
  }
}
