/**
 * Python's `HTTPServer` and `ThreadingHTTPServer`.
 *
 * @module
 */

import { complainer, sleep } from "../serve_generations.ts";
import type { Awaitable } from "../types.ts";
import type { BaseHTTPRequestHandler } from "./base.ts";
import { type ClientAddress, Connection } from "./connection.ts";
import { Deadlines } from "./deadlines.ts";
import { pythonRepr } from "./repr.ts";

/** Milliseconds until it accepts again after a failure; each time twice as long. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/**
 * Seconds a connection has to be idle before it is closed to free its descriptor: a request that was sent right after
 * connecting may have arrived and not been read yet.
 */
const UNREAD_SECONDS = 1;

/**
 * Where a server listens: host and port, or the path of a Unix socket. The host `""` is all of IPv4, the port 0 any that
 * is free.
 *
 * Python: `("", 8000)`.
 */
export type ServerAddress = readonly [host: string, port: number] | string;

/** A class that handles requests; made once for each connection. Python: `RequestHandlerClass`. */
export type RequestHandlerClass = new (
  request: Connection,
  client_address: ClientAddress,
  server: HTTPServer,
) => BaseHTTPRequestHandler;

/**
 * Listens, and handles one request at a time with a class of your own: Python's `HTTPServer`.
 *
 * A connection is handled when its first bytes are there, so that one which says nothing (browsers open some in advance)
 * holds up nobody; and one that is kept open but idle is closed when another has something to say. It binds when it is
 * made, and looks up no name but the one to bind. Limits that Python lacks are fields: `header_timeout`, `idle_timeout`,
 * `body_timeout`, `body_rate`, `max_read`, `max_connections`. When the process is out of file descriptors it closes
 * connections that are idle, and goes on.
 *
 * Python: `HTTPServer(("", 8000), Handler).serve_forever()`.
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
 *     this.wfile.write("Hello");
 *   }
 *   override log_message() {}
 * }
 *
 * await using server = new HTTPServer(["127.0.0.1", 0], Handler);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/`);
 * assert(await response.text() === "Hello");
 * ```
 */
export class HTTPServer implements AsyncDisposable {
  /** Connections that the system lets wait; set it on the class. Python: `request_queue_size`. */
  static request_queue_size = 511;

  /** The class that handles requests. Python: `RequestHandlerClass`. */
  readonly RequestHandlerClass: RequestHandlerClass;
  /** Where it listens; the real port, once it is bound. Python: `server_address`. */
  server_address: ServerAddress;
  /** The host it was told to bind; Python looks for a name of it, which may take 30 seconds. Python: `server_name`. */
  server_name: string = "";
  /**
   * The address or name it was told to bind.
   *
   * @internal
   */
  bound_name: string = "";
  /** The port; 0 for a Unix socket. Python: `server_port`. */
  server_port: number = 0;
  /** Seconds that `handle_request` waits; null for any time. Python: `timeout`. */
  timeout: number | null = null;
  /** Whether `server_close` cuts what is still being handled; else it waits for it. Python: `daemon_threads`. */
  daemon_threads: boolean = true;
  /** Seconds from the first byte of a request to the end of its head; null for any time. */
  header_timeout: number | null = 20;
  /** Seconds that a connection is kept open without a request; null for any time. */
  idle_timeout: number | null = 60;
  /** Seconds in which some of a body has to arrive, and some of a reply to be taken; null for any time. */
  body_timeout: number | null = 60;
  /**
   * Bytes a second that a client has to send of a body, or read of a reply, on average, once it has been waited for
   * `body_timeout` seconds in total: a slow trickle is disconnected, too. null for any number.
   */
  body_rate: number | null = 1_024;
  /** Bytes that a single read of `rfile` may buffer in memory; more is 413. null for any number. */
  max_read: number | null = 64 * 1024 * 1024;
  /** Connections at a time; the next wait for one of them to end, an idle one is closed for them. */
  max_connections: number = 1_000;

  readonly #deadlines = new Deadlines();
  readonly #connections = new Set<Connection>();
  readonly #complain = complainer({
    access() {},
    error: (message, cause) => this.complain(message, cause),
  });
  /** Those that have said something, and wait to be handled. */
  #ready: Connection[] = [];
  #wake: () => void = () => {};
  #freed: () => void = () => {};
  #listener: Deno.Listener | null = null;
  #accepting = false;
  readonly #closed = new AbortController();
  #serving: PromiseWithResolvers<void> | null = null;
  #stopping = false;
  /** The one that is handled while others wait. */
  #current: Connection | null = null;
  readonly #running = new Set<Promise<void>>();

  /**
   * Makes a server, and listens.
   *
   * @param bind_and_activate Whether it listens at once; else `server_bind` has to be called.
   * @throws Deno.errors.AddrInUse and others: what the system refuses.
   */
  constructor(server_address: ServerAddress, RequestHandlerClass: RequestHandlerClass, bind_and_activate = true) {
    this.server_address = server_address;
    this.RequestHandlerClass = RequestHandlerClass;
    if (bind_and_activate) this.server_bind();
  }

  /** Connections that the system lets wait. Python: `request_queue_size`. */
  get request_queue_size(): number {
    return (this.constructor as typeof HTTPServer).request_queue_size;
  }

  /** Binds and listens. Python: `server_bind` and `server_activate`. */
  server_bind(): void {
    this.bound_name = typeof this.server_address === "string" ? "" : this.server_address[0];
    const listener = this.listen(this.server_address);
    this.#listener = listener;
    const [host, port] = typeof this.server_address === "string"
      ? [this.server_address, 0]
      : [(listener.addr as Deno.NetAddr).hostname, (listener.addr as Deno.NetAddr).port];
    if (typeof this.server_address !== "string") this.server_address = [host, port];
    this.server_name = host;
    this.server_port = port;
  }

  /** Makes the listener; a class of its own may listen in another way. */
  protected listen(address: ServerAddress): Deno.Listener {
    if (typeof address === "string") return Deno.listen({ transport: "unix", path: address });
    return Deno.listen({ hostname: address[0] || "0.0.0.0", port: address[1], tcpBacklog: this.request_queue_size });
  }

  /**
   * Handles requests until `shutdown` or `server_close`; resolves then. It need not be awaited.
   *
   * Python: `serve_forever`, which does not return before.
   */
  async serve_forever(): Promise<void> {
    if (this.#serving) throw new Error("Cannot serve: the server is serving");
    this.#begin_accepting();
    const serving = this.#serving = Promise.withResolvers<void>();
    this.#stopping = false;
    try {
      while (!this.#stopping) {
        const request = await this.get_request();
        if (request === null) break;
        const handled = this.#handle(request);
        if (handled) await handled;
      }
    } finally {
      this.#listener?.unref();
      this.#serving = null;
      serving.resolve();
    }
  }

  /** Handles one connection; waits for it no longer than `timeout`. Python: `handle_request`. */
  async handle_request(): Promise<void> {
    this.#begin_accepting();
    this.#stopping = false;
    let timed_out = false;
    const timer = this.timeout === null ? undefined : setTimeout(() => {
      timed_out = true;
      this.#stopping = true;
      this.#wake();
    }, this.timeout * 1000);
    const request = await this.get_request();
    clearTimeout(timer);
    if (request) await this.#handle(request);
    else if (timed_out) await this.handle_timeout();
    this.#listener?.unref();
  }

  /**
   * Ends `serve_forever`, and resolves when it has ended. What is being handled goes on; in a {@linkcode HTTPServer} it is
   * waited for, so that a handler must not await this.
   *
   * Python: `shutdown`, which deadlocks when a handler calls it.
   */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    if (this.#current?.idle) this.#current.close();
    await this.#serving?.promise;
  }

  /**
   * Stops listening, and ends `serve_forever`. What is being handled is cut, or waited for where `daemon_threads` is false.
   * A reply that has been written by then is sent.
   *
   * Python: `server_close`.
   */
  async server_close(): Promise<void> {
    this.#stopping = true;
    if (this.#listener) this.#close_listener(this.#listener);
    this.#listener = null;
    this.#closed.abort();
    this.#wake();
    this.#freed();
    const waiting = new Set(this.#ready);
    const ending = [...this.#connections].filter((connection) => {
      return this.daemon_threads || connection.idle || waiting.has(connection);
    });
    await Promise.all(ending.map((connection) => connection.cut()));
    if (!this.daemon_threads) await Promise.all([...this.#running, this.#serving?.promise]);
  }

  /**
   * Whether the connection is closed after the current reply, which then says so: because another one is waiting, or the
   * server ends.
   *
   * @internal
   */
  closes_next(connection: Connection): boolean {
    if (this.#closed.signal.aborted) return true;
    return this.#current === connection && (this.#stopping || this.#ready.length > 0);
  }

  /** Python: `with HTTPServer(...) as server`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.server_close();
  }

  /**
   * The next connection that has something to say, or null when the server stops. Python: `get_request`, which gives the
   * socket and the address.
   */
  async get_request(): Promise<Connection | null> {
    while (this.#ready.length === 0 && !this.#stopping) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#stopping ? null : this.#ready.shift()!;
  }

  /** Whether a connection is to be handled; true, unless overridden. Python: `verify_request`. */
  verify_request(_request: Connection, _client_address: ClientAddress): Awaitable<boolean> {
    return true;
  }

  /** Handles a connection, and ends it. Python: `process_request`. */
  async process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.#current = request;
    try {
      await this.finish_request(request, client_address);
      await this.shutdown_request(request);
    } finally {
      this.#current = null;
    }
  }

  /**
   * Makes a handler and lets it run; override it to give the handler more arguments. Python: `finish_request`.
   */
  finish_request(request: Connection, client_address: ClientAddress): Awaitable<void> {
    return new this.RequestHandlerClass(request, client_address, this).run();
  }

  /** Sends what a handler has written, and ends the connection. Python: `shutdown_request`. */
  async shutdown_request(request: Connection): Promise<void> {
    await request.end();
    this.close_request(request);
  }

  /** Closes a connection. Python: `close_request`. */
  close_request(request: Connection): void {
    request.close();
  }

  /** Called when `handle_request` has waited for `timeout` seconds. Python: `handle_timeout`. */
  handle_timeout(): Awaitable<void> {}

  /**
   * Called with what a handler has thrown: writes it to stderr.
   *
   * Python: `handle_error(request, client_address)`, which asks `sys.exception()`.
   */
  handle_error(_request: Connection, [host, port]: ClientAddress, error: unknown): void {
    const line = "-".repeat(40);
    const trace = error instanceof Error ? error.stack ?? String(error) : String(error);
    writeError(
      `${line}\nException occurred during processing of request from (${
        pythonRepr(host)
      }, ${port})\n${trace}\n${line}\n`,
    );
  }

  /** Called when no connection can be accepted for a while: writes it to stderr. */
  protected complain(message: string, _cause?: unknown): void {
    writeError(`${message}\n`);
  }

  /** Handles a connection beside others, and ends it: what `process_request` of the threading servers does. */
  protected process_request_thread(request: Connection, client_address: ClientAddress): void {
    const running = this.#process(request, client_address);
    this.#running.add(running);
    running.finally(() => this.#running.delete(running));
  }

  async #process(request: Connection, client_address: ClientAddress): Promise<void> {
    try {
      await this.finish_request(request, client_address);
      await this.shutdown_request(request);
    } catch (error) {
      this.handle_error(request, client_address, error);
      await this.shutdown_request(request);
    }
  }

  async #handle(request: Connection): Promise<void> {
    const { client_address } = request;
    try {
      if (await this.verify_request(request, client_address)) await this.process_request(request, client_address);
      else await this.shutdown_request(request);
    } catch (error) {
      this.handle_error(request, client_address, error);
      await this.shutdown_request(request);
    }
  }

  #begin_accepting(): void {
    const listener = this.#listener;
    if (listener === null) throw new Error("Cannot serve: the server does not listen");
    listener.ref();
    if (this.#accepting) return;
    this.#accepting = true;
    this.#accept(listener);
  }

  async #accept(listener: Deno.Listener): Promise<void> {
    let pause = SHORTEST_PAUSE;
    while (!this.#closed.signal.aborted) {
      if (this.#connections.size >= this.max_connections && !this.#idle()) {
        await new Promise<void>((resolve) => this.#freed = resolve);
        continue;
      }
      try {
        const conn = await listener.accept();
        if (this.#connections.size >= this.max_connections) this.#idle()?.close();
        this.#greet(conn);
        pause = SHORTEST_PAUSE;
      } catch (error) {
        if (this.#closed.signal.aborted) return;
        this.#complain(error);
        for (const connection of this.#connections) if (connection.idleSeconds >= UNREAD_SECONDS) connection.close();
        await sleep(pause, this.#closed.signal);
        pause = Math.min(pause * 2, LONGEST_PAUSE);
      }
    }
  }

  /** Waits for the first bytes of a connection. */
  async #greet(conn: Deno.Conn): Promise<void> {
    const connection = new Connection(conn, this.#deadlines);
    this.#connections.add(connection);
    connection.onidle = () => {
      this.#freed();
      if (this.closes_next(connection)) connection.close();
    };
    connection.onclose = () => {
      this.#connections.delete(connection);
      this.#freed();
    };
    connection.limitHead(this.header_timeout);
    if (!await connection.greet()) return connection.close();
    connection.limitHead(null);
    this.#ready.push(connection);
    this.#wake();
    if (this.#current?.idle) this.#current.close();
  }

  /** The connection that has been idle longest: the least likely to have its next request on the way. */
  #idle(): Connection | undefined {
    let longest: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.idle && !(longest && longest.idleSeconds >= connection.idleSeconds)) longest = connection;
    }
    return longest;
  }

  #close_listener(listener: Deno.Listener): void {
    listener.close();
    if (typeof this.server_address !== "string") return;
    try {
      Deno.removeSync(this.server_address);
    } catch {
      // Somebody has taken it away.
    }
  }
}

/**
 * Listens, and handles connections at the same time, each with a handler of its own: Python's `ThreadingHTTPServer`.
 *
 * There are no threads: while one handler waits, others run. One that computes for a second holds up all.
 *
 * Python: `ThreadingHTTPServer(("", 8000), Handler).serve_forever()`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SimpleHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve";
 *
 * class Quiet extends SimpleHTTPRequestHandler {
 *   override log_message() {}
 * }
 *
 * await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Quiet);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/`);
 * assert((await response.text()).includes("Directory listing for /"));
 * ```
 */
export class ThreadingHTTPServer extends HTTPServer {
  /** Handles a connection beside others. Python: `process_request`. */
  override process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.process_request_thread(request, client_address);
    return Promise.resolve();
  }
}

function writeError(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
