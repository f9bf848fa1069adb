/**
 * The response as a writable file.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

const ENCODER = new TextEncoder();

/**
 * The response as a file: Python's `wfile`.
 *
 * Writes return promises that resolve when the data has been handed to the system. Omitting `await` is safe: writes are
 * sent in order, and all before the next request is read or the connection is closed; only an awaited write reports a
 * disconnect. Awaiting provides backpressure for long responses. Strings are encoded as UTF-8; Python accepts bytes
 * only.
 *
 * Python: `self.wfile.write(b"hello")`; here `await this.wfile.write("hello")`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { BaseHTTPRequestHandler, HTTPServer } from "@x/pyserve";
 *
 * class Handler extends BaseHTTPRequestHandler {
 *   do_GET() {
 *     this.send_response(200);
 *     this.end_headers();
 *     for (const word of ["one ", "two ", "three"]) this.wfile.write(word);
 *   }
 *   override log_message() {}
 * }
 *
 * await using server = new HTTPServer(["127.0.0.1", 0], Handler);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/`);
 * assert(await response.text() === "one two three");
 * ```
 */
export class ResponseWriter {
  readonly #connection: Connection;
  #written = 0;

  /**
   * Writes to a connection.
   *
   * @internal
   */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The number of bytes written so far. */
  get written(): number {
    return this.#written;
  }

  /**
   * Writes bytes, or a string as UTF-8, and resolves to the number of bytes. The buffer may be reused afterwards.
   *
   * @throws The system's error if the client has disconnected; Deno.errors.TimedOut if it has stopped reading.
   */
  write(data: Uint8Array | string): Promise<number> {
    const bytes = typeof data === "string" ? ENCODER.encode(data) : data.slice();
    return this.writeOwned(bytes);
  }

  /** Resolves when all writes have been handed to the system. Python: `flush`. */
  flush(): Promise<void> {
    return this.#connection.flush();
  }

  /** The response as a Web stream: `response.body.pipeTo(this.wfile.writable)`. Closing it has no effect. */
  get writable(): WritableStream<Uint8Array> {
    return new WritableStream({ write: async (chunk) => void await this.write(chunk) });
  }

  /**
   * Writes bytes that will not be modified, without copying.
   *
   * @internal
   */
  writeOwned(bytes: Uint8Array): Promise<number> {
    const count = bytes.length;
    this.#written += count;
    const sent = this.#connection.sendall(bytes).then(() => count);
    sent.catch(() => {}); // a caller that does not await it does not want the error
    return sent;
  }

  /**
   * Writes bytes to be coalesced with the next write.
   *
   * @internal
   */
  writeSoon(bytes: Uint8Array): void {
    this.#written += bytes.length;
    this.#connection.sendSoon(bytes);
  }
}
