/**
 * Open files whose content is fetched by range.
 *
 * @module
 */

import { concatenate } from "../core/concatenate.ts";
import type { Awaitable } from "../core/types.ts";
import type { ByteRange } from "../http/range.ts";
import type { OpenFile } from "./types.ts";

/**
 * Fetches a range of a file: at least one byte, and never past the end of the file.
 *
 * @throws {FileChanged} If the file is no longer the one that was looked up.
 */
export type FetchRange = (range: ByteRange) => Awaitable<ReadableStream<Uint8Array<ArrayBuffer>>>;

/** Options of {@linkcode openRanges}. */
export interface OpenRangesOptions {
  /** The size of the file in bytes. */
  readonly size: number;
  /** The range for which the file is opened, as passed to `FileSource.open`. */
  readonly range?: ByteRange | undefined;
}

/**
 * How many bytes from the start are kept for rereading without another request: more than a declaration of the encoding
 * needs.
 */
const KEPT_BYTES = 4_096;

/** Chunk size of a stream whose beginning has already been read. */
const CHUNK_BYTES = 65_536;

/**
 * Opens a file of a source that fetches bytes by range: over HTTP, from an object store, from a section of another
 * file.
 *
 * The range for which the file is opened is fetched immediately, with one request, so that an error shows before a
 * response begins. Without a range, nothing is fetched yet. Each read outside of it, or out of order, is a separate
 * request.
 *
 * @param fetchRange Makes one request; it must not return bytes outside of the range.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { openRanges } from "@x/pyserve/sources";
 *
 * const content = new Blob(["0123456789"]);
 * const fetchRange = ({ start, end }: { start: number; end: number }) => content.slice(start, end).stream();
 * using file = await openRanges(fetchRange, { size: content.size, range: { start: 2, end: 5 } });
 * const into = new Uint8Array(10);
 * assertEquals(new TextDecoder().decode(into.subarray(0, await file.read(2, into))), "234");
 * ```
 */
export async function openRanges(fetchRange: FetchRange, { size, range }: OpenRangesOptions): Promise<OpenFile> {
  const read: Read = (offset, into) => readApart(fetchRange, offset, into.subarray(0, Math.max(0, size - offset)));
  if (range === undefined || range.end <= range.start) return { read, [Symbol.dispose]() {} };
  return new RangeFile(await fetchRange(range), range, read);
}

type Read = (offset: number, into: Uint8Array) => Promise<number>;

/** A file whose range is being fetched. */
class RangeFile implements OpenFile {
  readonly #body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #range: ByteRange;
  readonly #readApart: Read;
  #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>> | null = null;
  /** The last bytes received, and their offset. */
  #chunk = new Uint8Array();
  #chunkStart: number;
  #isStreamed = false;

  constructor(body: ReadableStream<Uint8Array<ArrayBuffer>>, range: ByteRange, readApart: Read) {
    this.#body = body;
    this.#range = range;
    this.#readApart = readApart;
    this.#chunkStart = range.start;
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    if (offset === this.#chunkStart + this.#chunk.length && !await this.#receive()) return 0;
    const within = offset - this.#chunkStart;
    if (within < 0 || within >= this.#chunk.length) return await this.#readApart(offset, into);
    const part = this.#chunk.subarray(within, within + into.length);
    into.set(part);
    return part.length;
  }

  /** Receives the next bytes; false at the end. */
  async #receive(): Promise<boolean> {
    this.#reader ??= this.#body.getReader();
    let { done, value } = await this.#reader.read();
    while (value?.length === 0) ({ done, value } = await this.#reader.read());
    if (done || value === undefined) return false;
    if (this.#chunkStart === this.#range.start && this.#chunk.length < KEPT_BYTES) {
      this.#chunk = concatenate([this.#chunk, value]);
    } else {
      this.#chunkStart += this.#chunk.length;
      this.#chunk = value;
    }
    return true;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.#reader !== null) return this.#streamOfReads();
    this.#isStreamed = true;
    return this.#body;
  }

  #streamOfReads(): ReadableStream<Uint8Array<ArrayBuffer>> {
    let offset = this.#range.start;
    return new ReadableStream({
      pull: async (controller) => {
        const buffer = new Uint8Array(Math.min(CHUNK_BYTES, this.#range.end - offset));
        const count = buffer.length === 0 ? 0 : await this.read(offset, buffer);
        offset += count;
        if (count > 0) return controller.enqueue(buffer.subarray(0, count));
        controller.close();
        this[Symbol.dispose]();
      },
      cancel: () => this[Symbol.dispose](),
    }, { highWaterMark: 0 });
  }

  /** Idempotent: both a disconnect and a failed read may close the file. */
  [Symbol.dispose](): void {
    if (this.#isStreamed) return;
    (this.#reader ?? this.#body).cancel().catch(() => {}); // the request may have failed already
  }
}

/** Reads with a separate request. */
async function readApart(fetchRange: FetchRange, start: number, into: Uint8Array): Promise<number> {
  if (into.length === 0) return 0;
  let count = 0;
  for await (const chunk of await fetchRange({ start, end: start + into.length })) {
    const part = chunk.subarray(0, into.length - count);
    into.set(part, count);
    count += part.length;
    if (count === into.length) break;
  }
  return count;
}
