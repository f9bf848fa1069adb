/**
 * FastCGI requests, one at a time on each connection, streamed both ways.
 *
 * @module
 */

import { Watchdog } from "../../core/watchdog.ts";
import { HttpError } from "../../core/errors.ts";
import { Refusal } from "../../http/refusal.ts";
import { breakOf, type UpstreamConnection } from "../connection.ts";
import type { ConnectionPool } from "../connection_pool.ts";
import { encodeRequest, encodeStdin, END_OF_STDIN, RecordDecoder, type ReplyPart, replyPart } from "./records.ts";

/** A request to an application. */
export interface FastCgiRequest {
  /** The parameters: the CGI environment. */
  readonly params: Iterable<readonly [name: string, value: string]>;
  /** Starts reading the body; called again if the request has to be resent. Null for no body. */
  readonly body: (() => AsyncIterable<Uint8Array>) | null;
  /** Whether the request is idempotent, and may be sent again (RFC 9110 section 9.2.2). */
  readonly idempotent: boolean;
  /** Cancels the request; its reason is an {@linkcode HttpError}. */
  readonly signal: AbortSignal;
  /** Receives the application's standard error. */
  readonly onStderr: (bytes: Uint8Array) => void;
  /**
   * Called once when the request is over, however it ended, and the body is no longer read. Its argument is the exit
   * status reported by the application, or null if there was none.
   */
  readonly onOver: (appStatus: number | null) => void;
}

/** Sends a request; read the reply to its end, or abort it. Throws like `UpstreamConnection.open`. */
export async function askFastCgi(pool: ConnectionPool, request: FastCgiRequest): Promise<FastCgiExchange> {
  // The application may be closing an idle connection at this moment, in which case it is unknown whether it
  // processed the request.
  const idle = request.idempotent ? pool.takeIdle() : null;
  try {
    return new FastCgiExchange(request, pool, idle ?? await pool.open(), idle !== null);
  } catch (error) {
    request.onOver(null);
    throw error;
  }
}

/** A request in progress and its reply. */
export class FastCgiExchange {
  readonly #request: FastCgiRequest;
  readonly #pool: ConnectionPool;
  #connection: UpstreamConnection;
  /** Whether the connection was reused, so that the application may just have closed it. */
  #reused: boolean;
  #sending: Promise<void>;
  #over = false;
  /** The connection over which the complete request was sent. */
  #sentOver: UpstreamConnection | null = null;
  #decoder = new RecordDecoder();
  #ready: Uint8Array<ArrayBuffer>[] = [];
  #heard = false;
  #end: (ReplyPart & { kind: "end" }) | null = null;
  #failure: HttpError | null = null;
  readonly #watchdog = new Watchdog();
  #patience = 0;

  /** Starts sending. */
  constructor(request: FastCgiRequest, pool: ConnectionPool, connection: UpstreamConnection, reused: boolean) {
    this.#request = request;
    this.#pool = pool;
    this.#connection = connection;
    this.#reused = reused;
    this.#sending = this.#send(connection);
    const leave = () => this.abort(request.signal.reason);
    if (request.signal.aborted) leave();
    else request.signal.addEventListener("abort", leave, { once: true });
  }

  /**
   * The next chunk of standard output, null at the end. Nothing is read ahead.
   *
   * @param patience Milliseconds within which the application must read some of the body or write output; 0 =
   *   unlimited.
   * @throws {HttpError} 502 if the reply is truncated or malformed, 503 if the application is overloaded, 504 if it is
   * too slow. The connection is then closed.
   */
  async read(patience: number): Promise<Uint8Array<ArrayBuffer> | null> {
    this.#patience = patience;
    this.#watch();
    while (this.#ready.length === 0 && this.#end === null) this.#take(await this.#receive());
    this.#patience = 0;
    this.#watchdog.rest();
    return this.#ready.shift() ?? null;
  }

  #watch(): void {
    if (this.#over || this.#patience === 0) return;
    this.#watchdog.set(this.#patience, () => {
      this.abort(new HttpError(504, "The application did not answer in time"));
    });
  }

  /**
   * Aborts the request by closing the connection, which applications notice at their next output at the latest.
   * ABORT_REQUEST would not arrive sooner: it would queue after the body.
   */
  abort(reason: HttpError = new HttpError(502, "The request was aborted")): void {
    if (this.#over) return;
    this.#failure ??= reason;
    this.#connection.close();
    this.#finish();
  }

  /** Common to every way of ending. */
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#watchdog.stop();
    this.#sending.then(() => this.#request.onOver(this.#end?.appStatus ?? null));
  }

  async #receive(): Promise<Uint8Array<ArrayBuffer>> {
    for (;;) {
      if (this.#failure !== null) throw this.#failure;
      const bytes = await this.#connection.read().catch((error: unknown) => toError(error));
      if (bytes instanceof Uint8Array) return bytes;
      if (this.#failure !== null) throw this.#failure;
      const isStale = this.#reused && !this.#heard;
      const cause = bytes === null ? undefined : breakOf(this.#pool.address, bytes);
      if (!isStale) this.#fail(new HttpError(502, this.#howCutOff(), { cause }));
      await this.#tryAgain();
    }
  }

  /** Resends the request over a new connection: the reused one was closed before any reply. */
  async #tryAgain(): Promise<void> {
    this.#connection.close();
    this.#reused = false;
    await this.#sending; // the body supports one reader at a time
    try {
      this.#connection = await this.#pool.open();
    } catch (error) {
      this.#fail(error as HttpError);
    }
    if (this.#over) this.#connection.close();
    else this.#sending = this.#send(this.#connection);
  }

  #howCutOff(): string {
    return this.#heard ? "The application aborted its reply" : "The application sent no reply";
  }

  async #send(connection: UpstreamConnection): Promise<void> {
    const { params, body } = this.#request;
    const head = encodeRequest(params, this.#pool.keeps);
    try {
      await connection.write(body === null ? joined(head, END_OF_STDIN) : head);
      if (body !== null) await this.#sendBody(connection, body());
      this.#sentOver = connection;
    } catch (error) {
      // An application may stop reading the body: its reply is still read.
      if (!isClosed(error)) this.abort(new HttpError(500, undefined, { cause: error }));
    }
  }

  async #sendBody(connection: UpstreamConnection, body: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const bytes of body) {
      await connection.write(encodeStdin(bytes));
      this.#watch();
    }
    await connection.write(END_OF_STDIN);
  }

  #take(bytes: Uint8Array<ArrayBuffer>): void {
    this.#heard = true;
    const records = this.#decoder.push(bytes);
    if (records instanceof Refusal) this.#fail(HttpError.from(records));
    for (const record of records) {
      const part = this.#end === null ? replyPart(record) : new Refusal(502, "The application replied twice");
      if (part instanceof Refusal) this.#fail(HttpError.from(part));
      if (part.kind === "end") this.#end = part;
      else if (part.kind === "stderr") this.#request.onStderr(part.bytes);
      else if (part.bytes.length > 0) this.#ready.push(part.bytes);
    }
    if (this.#end !== null) this.#complete(this.#end);
  }

  #complete({ protocolStatus }: ReplyPart & { kind: "end" }): void {
    if (protocolStatus === "overloaded") {
      this.#fail(new HttpError(503, "The application is overloaded", { headers: { "retry-after": "1" } }));
    }
    if (protocolStatus !== "request complete") {
      this.#fail(new HttpError(502, `The application reported: ${protocolStatus}`));
    }
    const clean = this.#pool.keeps && this.#sentOver === this.#connection && !this.#decoder.isInside;
    if (clean) this.#pool.release(this.#connection);
    else this.#connection.close();
    this.#finish();
  }

  #fail(error: HttpError): never {
    this.abort(error);
    throw this.#failure ?? error;
  }
}

function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}

/** Whether an error means that the connection was closed, by either side. */
function isClosed(error: unknown): boolean {
  return error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted ||
    error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const whole = new Uint8Array(a.length + b.length);
  whole.set(a);
  whole.set(b, a.length);
  return whole;
}
