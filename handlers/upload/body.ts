/**
 * Reading the content of a request, so that a client that has gone or stands still is noticed.
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** The content of a request ended before its time. What has come is all right, as far as it goes. */
export class BrokenOff extends HttpError {}

/** Ends the reading of a content from elsewhere. */
export class Stop {
  #cancel: (() => void) | null = null;
  #isStopped = false;

  /** Whether it was said. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Says so. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** Calls back when it is said. */
  onStop(cancel: () => void): void {
    this.#cancel = cancel;
    if (this.#isStopped) cancel();
  }
}

/** Bytes read at a time, and handed on at most. */
const READ_BYTES = 262_144;

/**
 * The content of a request, in pieces; each is to be used before the next is asked for, which takes its place.
 *
 * @throws {BrokenOff} 400 where the client has gone, 408 where nothing came for `stallMs`, 409 where it was stopped.
 */
export async function* chunksOf(request: Request, stallMs: number, stop = new Stop()): AsyncGenerator<Uint8Array> {
  if (request.body === null) return;
  const reader = readerOf(request.body);
  let isStalled = false;
  // A pending read ends as if the content did, so it is asked afterwards why.
  const cancel = () => void reader.cancel().catch(() => {});
  stop.onStop(cancel);
  try {
    for (;;) {
      const timer = setTimeout(() => {
        isStalled = true;
        cancel();
      }, stallMs);
      const { done, value } = await reader.read().catch((cause) => {
        const known = cause instanceof HttpError ? cause : null; // of an engine that knows better
        throw new BrokenOff(known?.status ?? 400, known?.message ?? "The content broke off", { cause });
      }).finally(() => clearTimeout(timer));
      if (stop.isStopped) throw new BrokenOff(409, "Another request goes on with this upload");
      if (isStalled) throw new BrokenOff(408, `Nothing came for ${stallMs / 1000} seconds`);
      if (done || value === undefined) return;
      // A body that was made by hand may come in one piece: hashing it at once would hold up everything else.
      for (let at = 0; at < value.length; at += READ_BYTES) yield value.subarray(at, at + READ_BYTES);
    }
  } finally {
    cancel();
  }
}

interface PieceReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
  cancel(): Promise<void>;
}

/**
 * Reads into one buffer again and again. Where the stream makes a new one for each piece, a large upload takes 100 MiB,
 * because they are garbage faster than they are collected.
 */
function readerOf(body: ReadableStream<Uint8Array<ArrayBuffer>>): PieceReader {
  try {
    return intoOneBuffer(body.getReader({ mode: "byob" }));
  } catch {
    return body.getReader(); // no stream of bytes: of a request that was made by hand
  }
}

function intoOneBuffer(reader: ReadableStreamBYOBReader): PieceReader {
  let buffer = new ArrayBuffer(READ_BYTES);
  return {
    async read() {
      const result = await reader.read(new Uint8Array(buffer));
      if (result.value) buffer = result.value.buffer;
      return result;
    },
    cancel: () => reader.cancel(),
  };
}

/** The Content-Length of a request, or null where it has none. */
export function lengthOf(request: Request): number | null {
  const length = request.headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null;
}
