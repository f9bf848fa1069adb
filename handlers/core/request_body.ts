/**
 * Reads request bodies with bounds: in bytes, in time without data, and in average rate.
 *
 * Every body that a handler reads goes through here, so that no client can hold a request open by sending slowly.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import { Watchdog } from "./watchdog.ts";

/** Bounds for {@linkcode readBody}. */
export interface BodyLimits {
  /** Maximum size in bytes, or null for unlimited; defaults to null. A longer body is 413. */
  readonly max?: number | null;
  /**
   * Milliseconds without data after which the body is abandoned with 408; defaults to 0 = unlimited. The whole body
   * also has this time, extended by what `minRate` allows for the bytes received, which also bounds slow trickles. Only
   * time spent waiting for the client counts, not time the caller spends on a piece.
   */
  readonly stallMs?: number;
  /** Minimum average rate in bytes per second, beyond the stall limit; defaults to 1,024. */
  readonly minRate?: number;
  /** Stops reading when aborted; its reason, an {@linkcode IncompleteBody}, is thrown. */
  readonly signal?: AbortSignal;
}

/**
 * A request body ended early: 400 where the client disconnected or its framing is broken, 408 where it was too slow, or the
 * status of an engine that knows more. The pieces received before are intact.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { spool } from "../upstream/spool.ts";
 *
 * const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("gone")) });
 * const error = await assertRejects(() => spool(broken, { max: null }), IncompleteBody);
 * assert(error.status === 400);
 * ```
 */
export class IncompleteBody extends HttpError {}

/**
 * Maximum size of a piece. A body created by hand may be one chunk, and hashing it at once would block the event loop.
 */
const PIECE_BYTES = 262_144;

/** Size of the first read: most bodies are smaller. */
const FIRST_PIECE_BYTES = 16_384;

const MIN_RATE = 1_024;

/** Bodies that were not read to their end. */
const abandoned = new WeakSet<ReadableStream<Uint8Array>>();

/**
 * The pieces of a request body, at most 256 KiB each. A piece is valid until the next one is requested, which reuses
 * its buffer.
 *
 * To stop early, leave the loop; the rest of the body is not read.
 *
 * @throws {HttpError} 413 for a body of more than `max` bytes.
 * @throws {IncompleteBody} 400, 408, the error of the engine, or the reason of the signal.
 */
export async function* readBody(
  body: ReadableStream<Uint8Array> | null,
  { max = null, stallMs = 0, minRate = MIN_RATE, signal }: BodyLimits = {},
): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  const reader = new TimedReader(readerOf(body), stallMs, minRate, signal);
  let isComplete = false;
  try {
    let size = 0;
    for (let bytes = await reader.next(); bytes !== null; bytes = await reader.next()) {
      size += bytes.length;
      if (max !== null && size > max) throw bodyTooLarge(max);
      for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
    }
    isComplete = true;
  } finally {
    reader.stop();
    if (!isComplete) abandoned.add(body);
  }
}

/** The error for a body of more than `max` bytes. */
export function bodyTooLarge(max: number): HttpError {
  return new HttpError(413, `The request body is larger than ${max} bytes`);
}

/** The Content-Length of a request, or null where it has none. */
export function contentLengthOf({ headers }: Request): number | null {
  const length = headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null;
}

/**
 * Whether a request has a body that was not read to its end: the connection cannot be reused without reading the rest
 * (RFC 9112 section 9.3).
 */
export function hasUnreadBody(request: Request): boolean {
  const { body } = request;
  return body !== null && (!request.bodyUsed || abandoned.has(body));
}

/** Reads until a limit is exceeded. */
class TimedReader {
  readonly #reader: PieceReader;
  readonly #stallMs: number;
  readonly #minRate: number;
  readonly #signal: AbortSignal | undefined;
  readonly #watchdog = new Watchdog();
  /** Milliseconds left to wait for the whole body, given what has been received. */
  #left: number;
  #isLate = false;

  constructor(reader: PieceReader, stallMs: number, minRate: number, signal: AbortSignal | undefined) {
    this.#reader = reader;
    this.#stallMs = stallMs;
    this.#minRate = minRate;
    this.#signal = signal;
    this.#left = stallMs;
    if (signal?.aborted) this.#cancel();
    else signal?.addEventListener("abort", this.#cancel, { once: true });
  }

  /** The next bytes, null at the end. */
  async next(): Promise<Uint8Array | null> {
    const start = performance.now();
    this.#watch();
    const bytes = await this.#read();
    this.#watchdog.rest();
    // A pending read that is cancelled looks like the end of the body, so the reason is checked afterwards.
    this.#signal?.throwIfAborted();
    if (this.#isLate) throw new IncompleteBody(408, "The request body did not arrive in time");
    if (bytes !== null) this.#left += bytes.length / this.#minRate * 1_000 - (performance.now() - start);
    return bytes;
  }

  stop(): void {
    this.#watchdog.stop();
    this.#signal?.removeEventListener("abort", this.#cancel);
    this.#cancel();
  }

  readonly #cancel = (): void => void this.#reader.cancel().catch(() => {});

  #watch(): void {
    if (this.#stallMs === 0) return;
    this.#watchdog.set(Math.max(1, Math.min(this.#stallMs, this.#left)), () => {
      this.#isLate = true;
      this.#cancel();
    });
  }

  async #read(): Promise<Uint8Array | null> {
    try {
      const { done, value } = await this.#reader.read();
      return done || value === undefined ? null : value; // a byte stream ends with an empty value
    } catch (cause) {
      const known = cause instanceof HttpError ? cause : null; // from an engine that parses bodies itself
      throw new IncompleteBody(known?.status ?? 400, known?.message ?? "The request body is incomplete", { cause });
    }
  }
}

interface BodyRead {
  readonly done: boolean;
  readonly value?: Uint8Array | undefined;
}

interface PieceReader {
  read(): Promise<BodyRead>;
  cancel(): Promise<void>;
}

function readerOf(body: ReadableStream<Uint8Array>): PieceReader {
  try {
    return new SingleBufferReader(body.getReader({ mode: "byob" }));
  } catch {
    return body.getReader(); // not a byte stream: the body of a request created by hand
  }
}

/**
 * Reads into a single buffer. A stream that allocates each piece needs 100 MiB for a large upload, because garbage is
 * collected more slowly than it is produced.
 */
class SingleBufferReader implements PieceReader {
  readonly #reader: ReadableStreamBYOBReader;
  #buffer = new ArrayBuffer(FIRST_PIECE_BYTES);

  constructor(reader: ReadableStreamBYOBReader) {
    this.#reader = reader;
  }

  async read(): Promise<BodyRead> {
    const piece = await this.#reader.read(new Uint8Array(this.#buffer));
    const { value } = piece;
    if (value === undefined) return piece;
    const isSmall = value.length === FIRST_PIECE_BYTES && value.buffer.byteLength === FIRST_PIECE_BYTES;
    this.#buffer = isSmall ? new ArrayBuffer(PIECE_BYTES) : value.buffer;
    return piece;
  }

  cancel(): Promise<void> {
    return this.#reader.cancel();
  }
}
