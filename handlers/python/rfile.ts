/**
 * The request body as a readable file.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Connection } from "./connection.ts";
import { type Body, NO_BODY } from "../http1/body.ts";
import { InputBuffer } from "../http1/input_buffer.ts";
import { Rejection } from "../http1/rejection.ts";
import { rejectionText } from "./rejections.ts";

/** Default read size. */
const PIECE_BYTES = 65_536;

/** Limits on reading a request body. */
export interface ReadLimits {
  /** Timeout without progress, and total time beyond what `rate` allows, in seconds; null for no limit. */
  readonly seconds: number | null;
  /** Minimum average rate in bytes per second; null for none. */
  readonly rate: number | null;
  /** Maximum number of bytes buffered by a single read; null for no limit. */
  readonly most: number | null;
}

/** For requests without a body. */
export const UNLIMITED: ReadLimits = { seconds: null, rate: null, most: null };

/**
 * The request body as a file: Python's `rfile`.
 *
 * All reads return promises. The file ends with the body, as given by Content-Length or the last chunk (chunked bodies
 * are decoded), where Python's would block. If a body stalls for the server's `body_timeout`, or arrives at less than
 * `body_rate`, reading throws Deno.errors.TimedOut, which results in 408 unless caught; a read of more than the
 * server's `max_read` throws HttpError 413.
 *
 * Python: `self.rfile.read(int(self.headers["Content-Length"]))`; here `await this.rfile.read()` is enough.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { BaseHTTPRequestHandler, HTTPServer } from "@x/pyserve";
 *
 * class Handler extends BaseHTTPRequestHandler {
 *   async do_POST() {
 *     const body = await this.rfile.read();
 *     this.send_response(200);
 *     this.end_headers();
 *     this.wfile.write(body);
 *   }
 *   override log_message() {}
 * }
 *
 * await using server = new HTTPServer(["127.0.0.1", 0], Handler);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/`, { method: "POST", body: "hello" });
 * assert(await response.text() === "hello");
 * ```
 */
export class RequestReader {
  readonly #connection: Connection;
  readonly #body: Body;
  readonly #limits: ReadLimits;
  /** The remaining time, in seconds, to wait for the client. */
  #patience: number;
  /** Content buffered by `readline` or `read` but not consumed. */
  readonly #content = new InputBuffer();

  /**
   * Reads a body from a connection; null for a request without one.
   *
   * @internal
   */
  constructor(connection: Connection, body: Body | null, limits: ReadLimits) {
    this.#connection = connection;
    this.#body = body ?? NO_BODY;
    this.#limits = limits;
    this.#patience = limits.seconds ?? Infinity;
  }

  /** Whether the body has been consumed. */
  get ended(): boolean {
    return this.#body.ended && this.#content.length === 0;
  }

  /**
   * Reads `size` bytes, fewer only at the end; everything if `size` is -1 or omitted. Empty at the end.
   *
   * Read large bodies in pieces: their size is not limited.
   *
   * @throws {HttpError} 413 if it would buffer more than the server's `max_read`.
   */
  async read(size: number = -1): Promise<Uint8Array<ArrayBuffer>> {
    const wanted = size < 0 ? Infinity : size;
    while (this.#content.length < wanted) {
      const piece = await this.#take(Math.min(wanted - this.#content.length, PIECE_BYTES));
      if (piece === null) break;
      if (this.#content.length === 0 && (piece.length === wanted || this.#body.ended)) return piece;
      this.#gather(piece);
    }
    return this.#content.take(wanted);
  }

  /** Reads up to `size` available bytes; waits only if none are available. Empty at the end. */
  async read1(size: number = PIECE_BYTES): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#content.length > 0) return this.#content.take(size);
    return await this.#take(size) ?? new Uint8Array(0);
  }

  /** Reads a line including its line end, up to an optional `limit` in bytes. Empty at the end. */
  async readline(limit: number = -1): Promise<Uint8Array<ArrayBuffer>> {
    const most = limit < 0 ? Infinity : limit;
    for (;;) {
      const line = this.#content.takeLine(most);
      if (line !== null) return line;
      const piece = await this.#take(PIECE_BYTES);
      if (piece === null) return this.#content.take(most);
      this.#gather(piece);
    }
  }

  /** Iterates over the lines, as Python does. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let line = await this.readline(); line.length > 0; line = await this.readline()) yield line;
  }

  /** The body as a Web stream; use either this or the file methods. */
  get readable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        const piece = await this.read1().catch((error) => {
          throw error === this.#connection.late ? new HttpError(408, undefined, { cause: error }) : error;
        });
        if (piece.length > 0) controller.enqueue(piece);
        else controller.close();
      },
    }, { highWaterMark: 0 });
  }

  /**
   * Discards the rest, up to a number of bytes; returns whether the end was reached.
   *
   * @internal
   */
  async discard(limit: number): Promise<boolean> {
    let left = limit - this.#content.drop(Infinity);
    while (!this.#body.ended && left > 0) {
      const piece = await this.#take(PIECE_BYTES);
      if (piece === null) break;
      left -= piece.length;
    }
    return this.#body.ended;
  }

  #gather(piece: Uint8Array): void {
    const { most } = this.#limits;
    if (most !== null && this.#content.length + piece.length > most) {
      throw new HttpError(413, `At most ${most} bytes can be read at a time`);
    }
    this.#content.append(piece);
  }

  /** Null at the end. */
  async #take(max: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (!this.#body.ended) {
      const piece = this.#body.take(this.#connection.input, max);
      if (piece instanceof Rejection) throw new HttpError(piece.status, rejectionText(piece).message ?? undefined);
      if (piece !== null) return this.#count(piece);
      // The final bytes of a chunked body contain no content.
      if (!this.#body.ended && !await this.#wait()) return this.#endOfInput();
    }
    return null;
  }

  /** Waits for more input. Only this time counts towards the limits, not the time between reads. */
  async #wait(): Promise<boolean> {
    const { seconds } = this.#limits;
    if (seconds === null) return await this.#connection.fill(null);
    const start = performance.now();
    const arrived = await this.#connection.fill(Math.max(0, Math.min(seconds, this.#patience)));
    this.#patience -= (performance.now() - start) / 1000;
    return arrived;
  }

  #count(piece: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const { seconds, rate } = this.#limits;
    if (seconds === null) return piece;
    const earned = rate === null ? Infinity : this.#patience + piece.length / rate;
    this.#patience = Math.min(seconds, earned);
    return piece;
  }

  #endOfInput(): null {
    if (this.#body.endsWithConnection) return null;
    throw this.#connection.lose(new Deno.errors.UnexpectedEof("the client disconnected before the end of the body"));
  }
}
