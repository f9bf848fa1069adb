/**
 * Compression of an archive while it is sent.
 *
 * @module
 */

import { Turns } from "../core/turns.ts";
import type { OpenFile } from "../sources/types.ts";

/** Bytes compressed at a time: one or two milliseconds, during which the event loop is blocked. */
const CHUNK_BYTES = 65_536;

/**
 * Compresses a file on demand. It is opened by the first read and closed at the end or when the stream is cancelled; a
 * read error fails the stream.
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
