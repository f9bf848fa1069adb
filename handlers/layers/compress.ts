/**
 * Compression of responses while they are sent.
 *
 * @module
 */

import { makesLayers } from "../core/chain.ts";
import { derive } from "../core/derive.ts";
import { onDemand } from "../core/on_demand.ts";
import { markRepeatable } from "../core/shortcuts.ts";
import { SharedTurns } from "../core/turns.ts";
import type { Transform } from "node:stream";
import type { Encoder, Layer } from "../core/types.ts";
import type { CodingName } from "../http/coding.ts";
import { isCompressible } from "../http/compressible.ts";
import { hasNode } from "../system/node.ts";

/** Options of {@linkcode compress}. */
export interface CompressOptions {
  /** The codings, in order of preference for clients that have none; defaults to zstd, br, gzip. */
  readonly codings?: readonly CodingName[];
  /**
   * Whether to compress content, by its Content-Type and its size in bytes (null if unknown); defaults to text, code and
   * structured data from 1 KiB.
   */
  readonly suits?: Encoder["suits"];
}

/** zstd takes the least time by far, and nearly as few bytes as Brotli. */
const CODINGS: readonly CodingName[] = ["zstd", "br", "gzip"];

/** Until a slow client has read everything, its compression occupies one to two megabytes; further ones, a tenth. */
const MAX_THOROUGH = 128;

const zlib = onDemand(async () => {
  const { constants, createBrotliCompress, createGzip, createZstdCompress } = await import("node:zlib");
  const { BROTLI_OPERATION_FLUSH, BROTLI_PARAM_LGWIN, BROTLI_PARAM_QUALITY } = constants;
  const { ZSTD_c_compressionLevel, ZSTD_c_windowLog, ZSTD_e_flush, Z_SYNC_FLUSH } = constants;
  // What a handler has written is passed on at once: the first rows of a listing must not wait for the last.
  const zstd = (level: number, window: number) =>
    createZstdCompress({
      flush: ZSTD_e_flush,
      params: { [ZSTD_c_compressionLevel]: level, [ZSTD_c_windowLog]: window },
    });
  const br = (quality: number, window: number) =>
    createBrotliCompress({
      flush: BROTLI_OPERATION_FLUSH,
      params: { [BROTLI_PARAM_QUALITY]: quality, [BROTLI_PARAM_LGWIN]: window },
    });
  const gzip = (level: number, windowBits: number, memLevel: number) =>
    createGzip({ flush: Z_SYNC_FLUSH, level, windowBits, memLevel });
  return {
    thorough: { zstd: () => zstd(3, 18), br: () => br(4, 18), gzip: () => gzip(6, 15, 8) },
    small: { zstd: () => zstd(1, 10), br: () => br(0, 10), gzip: () => gzip(1, 9, 1) },
  } satisfies Record<string, Record<CodingName, () => Transform>>;
});

type Bytes = Uint8Array<ArrayBuffer>;

/**
 * A layer that compresses what handlers send, for clients that accept it (RFC 9110 section 12.5.3).
 *
 * A compressed representation has a weak entity tag of its own, no ranges, and its length only if it is cached (content up
 * to 1 MiB is, in the response cache of a `fileServer`); all representations have `Vary: accept-encoding`. Range requests
 * get uncompressed content. Precompressed files are preferred to compression of the same weight. Uses `node:zlib`, which is
 * loaded by the first response that is compressed.
 *
 * @throws TypeError for an unknown coding.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { compress } from "@x/pyserve/layers";
 *
 * const source = memory({ "a.txt": "hello ".repeat(1000) });
 * const fetch = toFetch(fileServer(source, { layers: [compress()], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt", { headers: { "accept-encoding": "gzip, br" } }));
 * assert(response.headers.get("content-encoding") === "br" && (await response.bytes()).length < 100);
 * ```
 *
 * @category Layers
 */
export function compress(options: CompressOptions = {}): Layer {
  const own = compressors(options);
  return markRepeatable((next) => (request, context) => {
    // The same array for each request lets the cache recognize it.
    const encoders = context.encoders.length === 0 ? own : [...context.encoders, ...own];
    return next(request, derive(context, { encoders }));
  });
}
makesLayers(compress);

/** The encoders of the layer. */
export function compressors({ codings = CODINGS, suits = isCompressible }: CompressOptions = {}): readonly Encoder[] {
  const unknown = codings.find((coding) => !CODINGS.includes(coding));
  if (unknown !== undefined) throw new TypeError(`Cannot compress with "${unknown}": use zstd, br or gzip`);
  if (!hasNode()) return [];
  return codings.map((coding) => ({
    coding,
    suits,
    encode: (content) => ReadableStream.from(compressed(content, coding)),
  }));
}

let underWay = 0;

/** Responses whose compression need not take turns: each takes one step of one or two milliseconds in a turn of the event loop. */
const MAX_IN_ONE_TURN = 2;

/** The runtime compresses on the thread that answers requests. */
const turns = new SharedTurns();

/** Compresses as the client reads: Duplex.toWeb compresses everything for a client that reads nothing. */
function compressed(content: ReadableStream<Bytes>, coding: CodingName): ReadableStream<Bytes> {
  const reader = content.getReader();
  const pieces = compressedPieces(reader, coding);
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await reader.cancel(reason); // also ends a read that is under way
      await pieces.return(undefined);
    },
  }, { highWaterMark: 0 });
}

async function* compressedPieces(
  reader: ReadableStreamDefaultReader<Bytes>,
  coding: CodingName,
): AsyncGenerator<Bytes> {
  const { thorough, small } = await zlib();
  const transform = (underWay < MAX_THOROUGH ? thorough : small)[coding]();
  underWay += 1;
  try {
    const writing = writeAll(reader, transform);
    for await (const bytes of transform) yield new Uint8Array(bytes);
    await writing;
  } finally {
    underWay -= 1;
    transform.destroy();
    reader.cancel().catch(() => {});
  }
}

async function writeAll(reader: ReadableStreamDefaultReader<Bytes>, transform: Transform): Promise<void> {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const step = () => transform.write(value, (error) => error ? reject(error) : resolve());
      if (underWay <= MAX_IN_ONE_TURN) step();
      else await turns.take(step);
      await promise;
    }
    transform.end();
  } catch (error) {
    transform.destroy(error as Error);
  }
}
