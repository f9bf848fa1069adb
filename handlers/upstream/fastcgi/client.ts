/**
 * FastCGI requests, one at a time on each connection, streamed both ways.
 *
 * @module
 */

import { Watchdog } from "../../core/watchdog.ts";
import { HttpError } from "../../core/errors.ts";
import { Refusal } from "../../http/refusal.ts";
import { Connection, type FastCgiAddress } from "./connection.ts";
import { encodeRequest, encodeStdin, END_OF_STDIN, RecordDecoder, type ReplyPart, replyPart } from "./records.ts";

/** How {@linkcode FastCgiClient} connects. */
export interface FastCgiClientOptions {
  /** Milliseconds to wait for a connection. */
  readonly connectTimeout: number;
  /** How many connections may rest between requests; with 0 the application is asked to close each. */
  readonly idleConnections: number;
  /** Milliseconds that a connection may rest. */
  readonly idleConnectionTimeout: number;
}

/** What is asked of an application. */
export interface FastCgiRequest {
  /** The parameters, as CGI's environment. */
  readonly params: Iterable<readonly [name: string, value: string]>;
  /** Begins to read the body; called again where it has to be sent again. Null for none. */
  readonly body: (() => AsyncIterable<Uint8Array>) | null;
  /** Whether the same twice does no more than once (RFC 9110 section 9.2.2). */
  readonly idempotent: boolean;
  /** Gives it up when it aborts; its reason is an {@linkcode HttpError}. */
  readonly signal: AbortSignal;
  /** Is given what the application writes to its standard error. */
  readonly onStderr: (bytes: Uint8Array) => void;
  /**
   * Is called when it is over, however it ended, and nothing of the body is read any more; with the status with which the
   * application says to have ended, null where it did not say.
   */
  readonly onOver: (appStatus: number | null) => void;
}

/** A FastCGI application, and the connections to it that rest. */
export class FastCgiClient {
  readonly #address: FastCgiAddress;
  readonly #options: FastCgiClientOptions;
  readonly #resting: Connection[] = [];

  /** Nothing is connected yet. */
  constructor(address: FastCgiAddress, options: FastCgiClientOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** Begins a request; the answer is to be read to its end, or aborted. Throws as {@linkcode Connection.open} does. */
  async ask(request: FastCgiRequest): Promise<Exchange> {
    // The application may be closing an idle connection just now, and then it is unknown whether it processed the request.
    const reused = request.idempotent ? this.#resting.pop() : undefined;
    reused?.wake();
    try {
      return new Exchange(request, this, reused ?? await this.connect(), reused !== undefined);
    } catch (error) {
      request.onOver(null);
      throw error;
    }
  }

  /** Whether connections are to be left open. */
  get keeps(): boolean {
    return this.#options.idleConnections > 0;
  }

  /** A new connection. */
  connect(): Promise<Connection> {
    return Connection.open(this.#address, this.#options.connectTimeout);
  }

  /** Takes back a connection after an exchange, to be used again where that is wanted. */
  release(connection: Connection): void {
    if (this.#resting.length >= this.#options.idleConnections) return connection.close();
    this.#resting.push(connection);
    connection.rest(this.#options.idleConnectionTimeout, () => {
      this.#resting.splice(this.#resting.indexOf(connection), 1);
    });
  }
}

/** A request under way, and its answer. */
export class Exchange {
  readonly #request: FastCgiRequest;
  readonly #client: FastCgiClient;
  #connection: Connection;
  /** Whether the connection has been used before, so that the application may have closed it just now. */
  #reused: boolean;
  #sending: Promise<void>;
  #over = false;
  /** The connection over which the whole request has gone. */
  #sentOver: Connection | null = null;
  #decoder = new RecordDecoder();
  #ready: Uint8Array<ArrayBuffer>[] = [];
  #heard = false;
  #end: (ReplyPart & { kind: "end" }) | null = null;
  #failure: HttpError | null = null;
  readonly #watchdog = new Watchdog();
  #patience = 0;

  /** Begins to send. */
  constructor(request: FastCgiRequest, client: FastCgiClient, connection: Connection, reused: boolean) {
    this.#request = request;
    this.#client = client;
    this.#connection = connection;
    this.#reused = reused;
    this.#sending = this.#send(connection);
    const leave = () => this.abort(request.signal.reason);
    if (request.signal.aborted) leave();
    else request.signal.addEventListener("abort", leave, { once: true });
  }

  /**
   * The next bytes of standard output, null at the end. Nothing is read before it is asked for.
   *
   * @param patience Milliseconds in which the application must take something of the body or put something out; 0 for no bound.
   * @throws {HttpError} 502 where the answer is cut off or garbage, 503 where the application says that it is overloaded,
   * 504 where it is too slow; the connection is closed then.
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
   * Ends it before its end by closing the connection: what applications notice, at their next output at the latest.
   * ABORT_REQUEST would arrive no sooner: it would queue after the body.
   */
  abort(reason: HttpError = new HttpError(502, "The request was given up")): void {
    if (this.#over) return;
    this.#failure ??= reason;
    this.#connection.close();
    this.#finish();
  }

  /** What holds for every end. */
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
      if (!isStale) this.#fail(new HttpError(502, this.#howCutOff(), { cause: bytes ?? undefined }));
      await this.#tryAgain();
    }
  }

  /** Asks once more, over a connection that is new: the one used again was closed before a byte came. */
  async #tryAgain(): Promise<void> {
    this.#connection.close();
    this.#reused = false;
    await this.#sending; // a body is read by one at a time
    try {
      this.#connection = await this.#client.connect();
    } catch (error) {
      this.#fail(error as HttpError);
    }
    if (this.#over) this.#connection.close();
    else this.#sending = this.#send(this.#connection);
  }

  #howCutOff(): string {
    return this.#heard ? "The application broke off its answer" : "The application gave no answer";
  }

  async #send(connection: Connection): Promise<void> {
    const { params, body } = this.#request;
    const head = encodeRequest(params, this.#client.keeps);
    try {
      await connection.write(body === null ? joined(head, END_OF_STDIN) : head);
      if (body !== null) await this.#sendBody(connection, body());
      this.#sentOver = connection;
    } catch (error) {
      // That the application takes no more is its right: its answer is read all the same.
      if (!isClosed(error)) this.abort(new HttpError(500, undefined, { cause: error }));
    }
  }

  async #sendBody(connection: Connection, body: AsyncIterable<Uint8Array>): Promise<void> {
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
      const part = this.#end === null ? replyPart(record) : new Refusal(502, "The application answered twice");
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
      this.#fail(new HttpError(502, `The application said: ${protocolStatus}`));
    }
    const clean = this.#client.keeps && this.#sentOver === this.#connection && !this.#decoder.isInside;
    if (clean) this.#client.release(this.#connection);
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

/** Whether an error says that a connection is closed, by the other side or by this one. */
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
