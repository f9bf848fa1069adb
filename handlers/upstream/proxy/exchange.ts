/**
 * One request to an application over HTTP/1.1 and its response, both streamed.
 *
 * Each exchange has its own connection: nothing that one request leaves behind can reach another one (request smuggling),
 * and none is sent twice.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { Watchdog } from "../../core/watchdog.ts";
import { InputBuffer } from "../../http1/input_buffer.ts";
import { Rejection } from "../../http1/rejection.ts";
import { UpstreamConnection } from "../connection.ts";
import type { Reply } from "../reply_stream.ts";
import { type ResponseHead, ResponseHeadParser } from "./response_head.ts";
import type { Upstream } from "./upstream_url.ts";

/** A request to an application. */
export interface ProxyRequest {
  readonly upstream: Upstream;
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** The fields, without Host and those that frame the body. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  /** The body; null for none. */
  readonly body: AsyncIterable<Uint8Array> | null;
  /** Its length; null if it is unknown. */
  readonly length: number | null;
  readonly connectTimeout: number;
  /** Cancels the request; its reason is an {@linkcode HttpError}. */
  readonly signal: AbortSignal;
  /** Called once when the connection is closed. */
  readonly onOver: () => void;
}

/** Maximum size of a piece of the response. */
const PIECE_BYTES = 65_536;

/** Methods for which a body is expected, so that its absence is stated (RFC 9110 section 8.6). */
const WITH_BODY = ["POST", "PUT", "PATCH"];

const CRLF = new Uint8Array([13, 10]);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");

/** A request in progress and its response. */
export class ProxyExchange implements Reply {
  readonly #request: ProxyRequest;
  readonly #connection: UpstreamConnection;
  readonly #input = new InputBuffer();
  readonly #watchdog = new Watchdog();
  #patience = 0;
  #head: ResponseHead | null = null;
  #isOver = false;
  #isSent = false;
  #failure: HttpError | null = null;

  private constructor(request: ProxyRequest, connection: UpstreamConnection) {
    this.#request = request;
    this.#connection = connection;
    const leave = () => this.abort(request.signal.reason);
    if (request.signal.aborted) leave();
    else {
      request.signal.addEventListener("abort", leave, { once: true });
      this.#send();
    }
  }

  /**
   * Connects and starts sending.
   *
   * @throws {HttpError} 502, 503, 504.
   */
  static async begin(request: ProxyRequest): Promise<ProxyExchange> {
    const { upstream: { address, tlsName }, connectTimeout } = request;
    try {
      return new ProxyExchange(request, await UpstreamConnection.open(address, connectTimeout, tlsName));
    } catch (error) {
      request.onOver();
      throw error;
    }
  }

  /** Whether the whole request has been sent. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /**
   * The head of the response.
   *
   * @param patience Milliseconds within which the application must read some of the body or respond; 0 = unlimited.
   * @throws {HttpError} 502 if the response is malformed or missing, 504 if it is too slow.
   */
  async head(patience: number): Promise<ResponseHead> {
    const parser = new ResponseHeadParser(this.#request.method);
    this.#wait(patience);
    try {
      for (;;) {
        const head = parser.parse(this.#input);
        if (head !== null) return this.#head = head;
        if (!await this.#receive()) throw new HttpError(502, "The application sent no response");
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#rest();
    }
  }

  /** The next piece of the body, null at the end. Nothing is read ahead. */
  async read(patience: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const { body } = this.#head!;
    this.#wait(patience);
    try {
      for (;;) {
        const piece = body.take(this.#input, PIECE_BYTES);
        if (piece instanceof Rejection) throw new HttpError(502, "The response of the application is malformed");
        if (piece !== null) return piece;
        if (body.ended || (!await this.#receive() && body.endsWithConnection)) return this.#finish();
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#rest();
    }
  }

  /** Closes the connection; pending reads fail with the reason. */
  abort(reason: HttpError = new HttpError(502, "The request was aborted")): void {
    this.#failure ??= reason;
    this.#finish();
  }

  #finish(): null {
    if (this.#isOver) return null;
    this.#isOver = true;
    this.#watchdog.stop();
    this.#connection.close();
    this.#request.onOver();
    return null;
  }

  #fail(error: unknown): never {
    const failure = error instanceof HttpError ? error : new HttpError(502, "The application aborted its response", {
      cause: error,
    });
    this.abort(failure);
    throw this.#failure ?? failure;
  }

  /** Reads some bytes; false at the end, which is an error unless it ends the body. */
  async #receive(): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure;
    const bytes = await this.#connection.read();
    if (bytes !== null) this.#input.append(bytes);
    else if (this.#head !== null && !this.#head.body.endsWithConnection) {
      throw new HttpError(502, "The application aborted its response");
    }
    return bytes !== null;
  }

  #wait(patience: number): void {
    this.#patience = patience;
    this.#watch();
  }

  #watch(): void {
    if (this.#isOver || this.#patience === 0) return;
    this.#watchdog.set(this.#patience, () => this.abort(new HttpError(504, "The application did not answer in time")));
  }

  #rest(): void {
    this.#patience = 0;
    this.#watchdog.rest();
  }

  async #send(): Promise<void> {
    const { body, length } = this.#request;
    try {
      await this.#connection.write(headBytes(this.#request));
      if (body !== null) await this.#sendBody(body, length);
      this.#isSent = true;
    } catch (error) {
      // An application may stop reading the body: its response is still read.
      if (error instanceof HttpError) this.abort(error);
    }
  }

  async #sendBody(body: AsyncIterable<Uint8Array>, length: number | null): Promise<void> {
    let left = length ?? Infinity;
    for await (const bytes of body) {
      if (this.#isOver) return;
      left -= bytes.length;
      if (left < 0) throw new HttpError(400, "The request body is longer than its Content-Length");
      if (length === null) await this.#connection.write(new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`));
      await this.#connection.write(bytes);
      if (length === null) await this.#connection.write(CRLF);
      this.#watch();
    }
    if (length === null) await this.#connection.write(LAST_CHUNK);
    else if (left > 0) throw new HttpError(400, "The request body is incomplete");
  }
}

/** The head of a request: latin1, as header values are bytes. */
function headBytes({ method, target, upstream, fields, body, length }: ProxyRequest): Uint8Array {
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `host: ${upstream.host}`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    "connection: close",
  ];
  if (body === null) {
    if (WITH_BODY.includes(method)) lines.push("content-length: 0");
  } else lines.push(length === null ? "transfer-encoding: chunked" : `content-length: ${length}`);
  return Uint8Array.from(`${lines.join("\r\n")}\r\n\r\n`, (character) => character.charCodeAt(0));
}
