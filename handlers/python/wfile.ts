/**
 * What a handler writes.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

const ENCODER = new TextEncoder();

/**
 * The reply, as a file to write to: Python's `wfile`.
 *
 * A write is a promise that resolves when the bytes have been given to the system. To forget its `await` is harmless:
 * writes are sent in order, all before the next request is read or the connection ends, and only an awaited one fails when
 * the client is gone. To await it is what keeps a long reply from piling up in memory. Text is sent as UTF-8; Python
 * takes bytes only.
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

  /** Bytes written so far. */
  get written(): number {
    return this.#written;
  }

  /**
   * Writes bytes, or text as UTF-8, and resolves with how many they were. The bytes may be changed afterwards.
   *
   * @throws What the system says when the client is gone; Deno.errors.TimedOut where it has stopped to read.
   */
  write(data: Uint8Array | string): Promise<number> {
    const bytes = typeof data === "string" ? ENCODER.encode(data) : data.slice();
    return this.writeOwned(bytes);
  }

  /** Resolves when all that was written has been given to the system. Python: `flush`. */
  flush(): Promise<void> {
    return this.#connection.flush();
  }

  /** The same for Web APIs: `response.body.pipeTo(this.wfile.writable)`. Closing it closes nothing. */
  get writable(): WritableStream<Uint8Array> {
    return new WritableStream({ write: async (chunk) => void await this.write(chunk) });
  }

  /**
   * Writes bytes that nobody else will change.
   *
   * @internal
   */
  writeOwned(bytes: Uint8Array): Promise<number> {
    const count = bytes.length;
    this.#written += count;
    const sent = this.#connection.sendall(bytes).then(() => count);
    sent.catch(() => {}); // whoever has not awaited it does not want to know
    return sent;
  }

  /**
   * Writes bytes that are to leave together with what is written next.
   *
   * @internal
   */
  writeSoon(bytes: Uint8Array): void {
    this.#written += bytes.length;
    this.#connection.sendSoon(bytes);
  }
}
