/**
 * What a handler reads of a request: its body, and nothing behind it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { Connection } from "./connection.ts";
import { type Body, NO_BODY } from "./http1/body.ts";
import { InputBuffer } from "./http1/input_buffer.ts";
import { Rejection } from "./http1/rejection.ts";

/** Bytes taken at a time where nobody says how many. */
const PIECE_BYTES = 65_536;

/**
 * The body of a request, as a file to read from: Python's `rfile`.
 *
 * Every read is a promise: await it. It ends where the body ends, by Content-Length or by the last chunk (which is
 * decoded), where Python's would wait for ever. Bytes that have not come within the server's `body_timeout` end the
 * connection.
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
  readonly #timeout: number | null;
  /** Content that was looked at for a line, or gathered for a read, and not taken. */
  readonly #content = new InputBuffer();

  /**
   * Reads a body off a connection; null for a request without one.
   *
   * @internal
   */
  constructor(connection: Connection, body: Body | null, timeout: number | null) {
    this.#connection = connection;
    this.#body = body ?? NO_BODY;
    this.#timeout = timeout;
  }

  /** Whether nothing of the body is left to read. */
  get ended(): boolean {
    return this.#body.ended && this.#content.length === 0;
  }

  /**
   * Reads `size` bytes, fewer only where the body ends; all the rest where `size` is -1 or not given. Empty at the end.
   *
   * A body can be of any length: give a size, or look at Content-Length first.
   */
  async read(size: number = -1): Promise<Uint8Array<ArrayBuffer>> {
    const wanted = size < 0 ? Infinity : size;
    while (this.#content.length < wanted) {
      const piece = await this.#take(Math.min(wanted - this.#content.length, PIECE_BYTES));
      if (piece === null) break;
      if (this.#content.length === 0 && (piece.length === wanted || this.#body.ended)) return piece;
      this.#content.append(piece);
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
      this.#content.append(piece);
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
        const piece = await this.read1();
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

  /** Null at the end. */
  async #take(max: number): Promise<Uint8Array<ArrayBuffer> | null> {
    while (!this.#body.ended) {
      const piece = this.#body.take(this.#connection.input, max);
      if (piece instanceof Rejection) throw new HttpError(piece.status, piece.message ?? undefined);
      if (piece !== null) return piece;
      // The last bytes of a chunked body have no content.
      if (!this.#body.ended && !await this.#connection.fill(this.#timeout)) return this.#endOfInput();
    }
    return null;
  }

  #endOfInput(): null {
    if (this.#body.endsWithConnection) return null;
    throw this.#connection.lose(new Deno.errors.UnexpectedEof("the client left before the end of the body"));
  }
}
