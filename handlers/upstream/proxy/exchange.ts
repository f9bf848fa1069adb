/**
 * One request to an application over HTTP/1.1 and its response, both streamed.
 *
 * A connection is used again only after a response that had exactly one possible end, so that nothing that one request
 * leaves behind can reach another one (request smuggling). Only a safe request without a body uses such a connection,
 * so that it may be sent again if the application has just closed it; no other request is sent twice.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { Watchdog } from "../../core/watchdog.ts";
import { InputBuffer } from "../../http1/input_buffer.ts";
import { Rejection } from "../../http1/rejection.ts";
import { breakOf, type UpstreamConnection } from "../connection.ts";
import type { ConnectionPool } from "../connection_pool.ts";
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
  /** Whether to ask for a WebSocket: then the body is what is sent on it. */
  readonly isWebSocket?: boolean;
  readonly pool: ConnectionPool;
  /** Cancels the request; its reason is an {@linkcode HttpError}. */
  readonly signal: AbortSignal;
  /** Called once when the connection is closed, or free for another request. */
  readonly onOver: () => void;
}

/** Maximum size of a piece of the response. */
const PIECE_BYTES = 65_536;

/** Safe methods (RFC 9110 section 9.2.1). */
const SAFE = ["GET", "HEAD", "OPTIONS"];

/** Schemes that authenticate the connection, and not only a request. */
const BOUND_TO_CONNECTION = /^(?:ntlm|negotiate)\b/i;

/** The status of an application that closes an idle connection (RFC 9110 section 15.5.9). */
const REQUEST_TIMEOUT = 408;

/** Methods for which a body is expected, so that its absence is stated (RFC 9110 section 8.6). */
const WITH_BODY = ["POST", "PUT", "PATCH"];

const CRLF = new Uint8Array([13, 10]);
const LAST_CHUNK = new TextEncoder().encode("0\r\n\r\n");

/** A request in progress and its response. */
export class ProxyExchange implements Reply {
  readonly #request: ProxyRequest;
  readonly #watchdog = new Watchdog();
  #connection: UpstreamConnection;
  /** Whether the connection has been used before, so that the application may just have closed it. */
  #isReused: boolean;
  #input = new InputBuffer();
  #isHeard = false;
  #patience = 0;
  #head: ResponseHead | null = null;
  #isOver = false;
  #isSent = false;
  #failure: HttpError | null = null;

  private constructor(request: ProxyRequest, connection: UpstreamConnection, isReused: boolean) {
    this.#request = request;
    this.#connection = connection;
    this.#isReused = isReused;
    const leave = () => this.abort(request.signal.reason);
    if (request.signal.aborted) leave();
    else {
      request.signal.addEventListener("abort", leave, { once: true });
      this.#send(connection);
    }
  }

  /**
   * Connects and starts sending.
   *
   * @throws {HttpError} 502, 503, 504.
   */
  static async begin(request: ProxyRequest): Promise<ProxyExchange> {
    const { pool, method, body } = request;
    const idle = SAFE.includes(method) && body === null ? pool.takeIdle() : null;
    try {
      return new ProxyExchange(request, idle ?? await pool.open(), idle !== null);
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
    this.#wait(patience);
    try {
      if (this.#isReused) {
        const head = await this.#headOfReused();
        if (head !== null) return this.#head = head;
        await this.#sendAgain();
      }
      return this.#head = await this.#readHead();
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#rest();
    }
  }

  /** Null if the application has closed the connection before it could read the request. */
  async #headOfReused(): Promise<ResponseHead | null> {
    try {
      const head = await this.#readHead();
      return head.status === REQUEST_TIMEOUT ? null : head;
    } catch (error) {
      if (this.#failure !== null || this.#isHeard) throw error;
      return null;
    }
  }

  async #readHead(): Promise<ResponseHead> {
    const parser = new ResponseHeadParser(this.#request.method, this.#request.isWebSocket);
    for (;;) {
      const head = parser.parse(this.#input);
      if (head !== null) return head;
      if (!await this.#receive()) throw new HttpError(502, "The application sent no response");
    }
  }

  /** Sends the request again, over a new connection. */
  async #sendAgain(): Promise<void> {
    this.#connection.close();
    this.#isReused = this.#isSent = false;
    this.#input = new InputBuffer();
    const connection = await this.#request.pool.open();
    if (this.#failure !== null) {
      connection.close();
      throw this.#failure;
    }
    this.#connection = connection;
    this.#send(connection);
  }

  /** The body, if all of it has arrived with the head; null if it has to be read. It costs less than a stream. */
  takeWhole(): Uint8Array<ArrayBuffer> | null {
    const { body, length } = this.#head!;
    if (!body.ended && (length === null || length > Math.min(this.#input.length, PIECE_BYTES))) return null;
    const bytes = body.ended ? new Uint8Array() : body.take(this.#input, PIECE_BYTES) as Uint8Array<ArrayBuffer>;
    this.end();
    return bytes;
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
        if (body.ended || (!await this.#receive() && body.endsWithConnection)) {
          this.end();
          return null;
        }
      }
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#rest();
    }
  }

  /** Ends the exchange after the response: its connection is kept for another request, or closed. */
  end(): void {
    if (this.#isOver) return;
    const { pool, fields } = this.#request;
    const keepMs = this.#head?.keepMs ?? 0;
    const isBound = fields.some(([name, value]) => name === "authorization" && BOUND_TO_CONNECTION.test(value));
    const isClean = this.#head?.body.ended === true && this.#isSent && this.#input.length === 0;
    if (isClean && keepMs > 0 && !isBound) pool.release(this.#connection, keepMs);
    else this.#connection.close();
    this.#finish();
  }

  /** Closes the connection; pending reads fail with the reason. */
  abort(reason: HttpError = new HttpError(502, "The request was aborted")): void {
    if (this.#isOver) return;
    this.#failure ??= reason;
    this.#connection.close();
    this.#finish();
  }

  #finish(): void {
    this.#isOver = true;
    this.#watchdog.stop();
    this.#request.onOver();
  }

  #fail(error: unknown): never {
    const failure = error instanceof HttpError ? error : new HttpError(502, "The application aborted its response", {
      cause: breakOf(this.#request.upstream.address, error),
    });
    this.abort(failure);
    throw this.#failure ?? failure;
  }

  /** Reads some bytes; false at the end, which is an error unless it ends the body. */
  async #receive(): Promise<boolean> {
    if (this.#failure !== null) throw this.#failure;
    const bytes = await this.#connection.read();
    if (bytes !== null) {
      this.#isHeard = true;
      this.#input.append(bytes);
    } else if (this.#head !== null && !this.#head.body.endsWithConnection) {
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

  async #send(connection: UpstreamConnection): Promise<void> {
    const { body, length, isWebSocket = false } = this.#request;
    try {
      await connection.write(headBytes(this.#request));
      if (body !== null && isWebSocket) await this.#sendRaw(connection, body);
      else if (body !== null) await this.#sendBody(connection, body, length);
      this.#isSent = connection === this.#connection;
    } catch (error) {
      // An application may stop reading the body: its response is still read.
      if (error instanceof HttpError) this.abort(error);
    }
  }

  async #sendRaw(connection: UpstreamConnection, bytes: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const piece of bytes) await connection.write(piece);
    await connection.endWriting();
  }

  async #sendBody(connection: UpstreamConnection, body: AsyncIterable<Uint8Array>, length: number | null) {
    let left = length ?? Infinity;
    for await (const bytes of body) {
      if (this.#isOver) return;
      left -= bytes.length;
      if (left < 0) throw new HttpError(400, "The request body is longer than its Content-Length");
      if (length === null) await connection.write(new TextEncoder().encode(`${bytes.length.toString(16)}\r\n`));
      await connection.write(bytes);
      if (length === null) await connection.write(CRLF);
      this.#watch();
    }
    if (length === null) await connection.write(LAST_CHUNK);
    else if (left > 0) throw new HttpError(400, "The request body is incomplete");
  }
}

/** Connection and framing. */
function framingOf({ method, body, length, isWebSocket, pool }: ProxyRequest): readonly string[] {
  if (isWebSocket) return ["connection: upgrade", "upgrade: websocket"];
  const connection = pool.keeps ? [] : ["connection: close"];
  if (body === null) return WITH_BODY.includes(method) ? [...connection, "content-length: 0"] : connection;
  return [...connection, length === null ? "transfer-encoding: chunked" : `content-length: ${length}`];
}

/** The head of a request: latin1, as header values are bytes. */
function headBytes(request: ProxyRequest): Uint8Array {
  const { method, target, upstream, fields } = request;
  const lines = [
    `${method} ${target} HTTP/1.1`,
    `host: ${upstream.host}`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    ...framingOf(request),
  ];
  const text = `${lines.join("\r\n")}\r\n\r\n`;
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}
