/**
 * What a handler reads of a request: its body, and nothing behind it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { type Body, NO_BODY } from "../http1/body.ts";
import { InputBuffer } from "../http1/input_buffer.ts";
import { Rejection } from "../http1/rejection.ts";
import { rejectionText } from "./rejections.ts";

/** Bytes taken at a time where nobody says how many. */
const PIECE_BYTES = 65_536;

/** How much time and memory the body of a request may take. */
export interface ReadLimits {
  /** Seconds without progress, and in total beyond what `rate` allows; null for no limit. */
  readonly seconds: number | null;
  /** Bytes a second that have to arrive on average; null for any number. */
  readonly rate: number | null;
  /** Bytes that a single read may buffer; null for any number. */
  readonly most: number | null;
}

/** For requests without a body. */
export const UNLIMITED: ReadLimits = { seconds: null, rate: null, most: null };

/**
 * The body of a request, as a file to read from: Python's `rfile`.
 *
 * Every read is a promise: await it. It ends where the body ends, by Content-Length or by the last chunk (which is
 * decoded), where Python's would wait for ever. A body that stalls for the server's `body_timeout`, or trickles below its
 * `body_rate`, fails with Deno.errors.TimedOut, which is answered 408 unless it is caught; a read of more than the server's
 * `max_read` with an HttpError, which is 413.
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
  /** Seconds that may still be spent waiting for the client. */
  #patience: number;
  /** Content that was looked at for a line, or gathered for a read, and not taken. */
  readonly #content = new InputBuffer();

  /**
   * Reads a body off a connection; null for a request without one.
   *
   * @internal
   */
  constructor(connection: Connection, body: Body | null, limits: ReadLimits) {
    this.#connection = connection;
    this.#body = body ?? NO_BODY;
    this.#limits = limits;
    this.#patience = limits.seconds ?? Infinity;
  }

  /** Whether nothing of the body is left to read. */
  get ended(): boolean {
    return this.#body.ended && this.#content.length === 0;
  }

  /**
   * Reads `size` bytes, fewer only where the body ends; all the rest where `size` is -1 or not given. Empty at the end.
   *
   * A body can be of any length: to take a long one, read it in pieces.
   *
   * @throws {HttpError} 413 where it would buffer more than the server's `max_read`.
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

  /** Reads what has arrived, at most `size` bytes, and waits only where nothing has. Empty at the end. */
  async read1(size: number = PIECE_BYTES): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#content.length > 0) return this.#content.take(size);
    return await this.#take(size) ?? new Uint8Array(0);
  }

  /** Reads a line with its line end; at most `limit` bytes of it, if given. Empty at the end. */
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

  /** The body for Web APIs; read either it or the file, not both. */
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
   * Throws away what is left, up to so many bytes; whether that was all.
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
      throw new HttpError(413, `No more than ${most} bytes are read at a time`);
    }
    this.#content.append(piece);
  }

  /** Null at the end. */
  async #take(max: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (!this.#body.ended) {
      const piece = this.#body.take(this.#connection.input, max);
      if (piece instanceof Rejection) throw new HttpError(piece.status, rejectionText(piece).message ?? undefined);
      if (piece !== null) return this.#count(piece);
      // The last bytes of a chunked body have no content.
      if (!this.#body.ended && !await this.#wait()) return this.#endOfInput();
    }
    return null;
  }

  /** Waits for more. Only this time counts, not the time between two reads. */
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
    throw this.#connection.lose(new Deno.errors.UnexpectedEof("the client left before the end of the body"));
  }
}
