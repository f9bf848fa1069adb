/**
 * Python's `HTTPServer` and `ThreadingHTTPServer`.
 *
 * @module
 */

import { withoutTokens } from "../core/masked_log.ts";
import { complainer, sleep } from "../transport/complain.ts";
import { SocketFile } from "../transport/socket_file.ts";
import type { Awaitable } from "../core/types.ts";
import type { BaseHTTPRequestHandler } from "./base.ts";
import { type ClientAddress, Connection } from "./connection.ts";
import { Deadlines } from "./deadlines.ts";
import { pythonRepr } from "./repr.ts";

/** Initial delay in milliseconds before retrying a failed accept; doubled each time. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/**
 * How long a connection must be idle, in seconds, before it is closed to free its descriptor: a request sent
 * immediately after connecting may have arrived without having been read.
 */
const UNREAD_SECONDS = 1;

/**
 * The address of a server: host and port, or the path of a Unix socket. Host `""` is all IPv4 addresses, port 0 any
 * free port.
 *
 * Python: `("", 8000)`.
 */
export type ServerAddress = readonly [host: string, port: number] | string;

/** A handler class, instantiated once per connection. Python: `RequestHandlerClass`. */
export type RequestHandlerClass = new (
  request: Connection,
  client_address: ClientAddress,
  server: HTTPServer,
) => BaseHTTPRequestHandler;

/**
 * Serves with a handler class, one request at a time: Python's `HTTPServer`.
 *
 * A connection is handled once its first bytes have arrived, so that a silent one (browsers open spare connections)
 * does not block others; an idle persistent connection is closed when another one has a request. Binds in the
 * constructor; resolves no name except the one to bind. Limits that Python lacks are fields: `header_timeout`,
 * `idle_timeout`, `body_timeout`, `body_rate`, `max_read`, `max_connections`. When the process runs out of file
 * descriptors, idle connections are closed and the server keeps running.
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
 *
 * @category Python
 */
export class HTTPServer implements AsyncDisposable {
  /** The listen backlog; set it on the class. Python: `request_queue_size`. */
  static request_queue_size = 511;

  /** The handler class. Python: `RequestHandlerClass`. */
  readonly RequestHandlerClass: RequestHandlerClass;
  /** The address; contains the actual port once bound. Python: `server_address`. */
  server_address: ServerAddress;
  /** The host to bind; Python does a reverse DNS lookup, which may take 30 seconds. Python: `server_name`. */
  server_name: string = "";
  /**
   * The address or name to bind, as given.
   *
   * @internal
   */
  bound_name: string = "";
  /** The port; 0 for a Unix socket. Python: `server_port`. */
  server_port: number = 0;
  /** Timeout of `handle_request` in seconds; null for none. Python: `timeout`. */
  timeout: number | null = null;
  /** Whether `server_close` aborts active connections; otherwise it waits for them. Python: `daemon_threads`. */
  daemon_threads: boolean = true;
  /** Timeout from the first byte of a request to the end of its head, in seconds; null for none. */
  header_timeout: number | null = 20;
  /** Keep-alive timeout in seconds; null for none. */
  idle_timeout: number | null = 60;
  /** Timeout without progress in receiving a body or sending a response, in seconds; null for none. */
  body_timeout: number | null = 60;
  /**
   * Minimum average rate, in bytes per second, at which a client must send a body or read a response once it has kept
   * the server waiting for `body_timeout` seconds in total; slower clients are disconnected. Null for none.
   */
  body_rate: number | null = 1_024;
  /** Maximum number of bytes that a single read of `rfile` buffers in memory; more is 413. Null for no limit. */
  max_read: number | null = 64 * 1024 * 1024;
  /** Maximum number of connections; further ones wait. An idle connection is closed to make room. */
  max_connections: number = 1_000;

  readonly #deadlines = new Deadlines();
  readonly #connections = new Set<Connection>();
  readonly #complain = complainer({
    access() {},
    error: (message, cause) => this.complain(message, cause),
  });
  /** Connections with input, waiting to be handled. */
  #ready: Connection[] = [];
  #wake: () => void = () => {};
  #freed: () => void = () => {};
  #listener: Deno.Listener | null = null;
  /** The file of a Unix socket. */
  #file: SocketFile | null = null;
  #accepting = false;
  readonly #closed = new AbortController();
  #serving: PromiseWithResolvers<void> | null = null;
  #stopping = false;
  /** The connection being handled while others wait. */
  #current: Connection | null = null;
  readonly #running = new Set<Promise<void>>();

  /**
   * Binds and listens, unless told otherwise.
   *
   * @param bind_and_activate Whether to listen immediately; otherwise call `server_bind`.
   * @throws Deno.errors.AddrInUse and other system errors.
   */
  constructor(server_address: ServerAddress, RequestHandlerClass: RequestHandlerClass, bind_and_activate = true) {
    this.server_address = server_address;
    this.RequestHandlerClass = RequestHandlerClass;
    if (bind_and_activate) this.server_bind();
  }

  /** The listen backlog. Python: `request_queue_size`. */
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

  /**
   * Accepts further connections from another listener, and closes the previous one.
   *
   * @internal
   */
  protected replace_listener(listener: Deno.Listener): void {
    const before = this.#listener;
    this.#listener = listener;
    before?.close(); // wakes the accept loop, which continues with the new listener
  }

  /** Creates the listener; override it to listen differently. */
  protected listen(address: ServerAddress): Deno.Listener {
    if (typeof address === "string") {
      this.#file ??= new SocketFile(address, null);
      return this.#file.open({
        open: (path) => Deno.listen({ transport: "unix", path }),
        close: (listener) => listener.close(),
      });
    }
    return Deno.listen({ hostname: address[0] || "0.0.0.0", port: address[1], tcpBacklog: this.request_queue_size });
  }

  /**
   * Handles requests until `shutdown` or `server_close`, and then resolves. Awaiting it is optional.
   *
   * Python: `serve_forever`, which blocks.
   */
  async serve_forever(): Promise<void> {
    if (this.#serving) throw new Error("Cannot serve: the server is already serving");
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

  /** Handles one connection, waiting up to `timeout` for it. Python: `handle_request`. */
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
   * Stops `serve_forever`, and resolves when it has stopped. Active requests continue; {@linkcode HTTPServer} waits for
   * them, so a handler must not await this.
   *
   * Python: `shutdown`, which deadlocks if called by a handler.
   */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    this.#wake();
    if (this.#current?.idle) this.#current.close();
    await this.#serving?.promise;
  }

  /**
   * Stops listening, and stops `serve_forever`. Active connections are aborted, or awaited if `daemon_threads` is
   * false. Responses already written are flushed.
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
   * Whether to close the connection after the current response, and announce that: because another connection is
   * waiting, or the server is stopping.
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
   * The next connection with input, or null when the server stops. Python: `get_request`, which returns the socket and
   * the address.
   */
  async get_request(): Promise<Connection | null> {
    while (this.#ready.length === 0 && !this.#stopping) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
    return this.#stopping ? null : this.#ready.shift()!;
  }

  /** Whether to handle a connection; true unless overridden. Python: `verify_request`. */
  verify_request(_request: Connection, _client_address: ClientAddress): Awaitable<boolean> {
    return true;
  }

  /** Handles a connection, and closes it. Python: `process_request`. */
  async process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.#current = request;
    try {
      await this.finish_request(request, client_address);
      await this.shutdown_request(request);
    } finally {
      this.#current = null;
    }
  }

  /** Instantiates and runs a handler; override it to pass more arguments to the handler. Python: `finish_request`. */
  finish_request(request: Connection, client_address: ClientAddress): Awaitable<void> {
    return new this.RequestHandlerClass(request, client_address, this).run();
  }

  /** Flushes the response, and closes the connection. Python: `shutdown_request`. */
  async shutdown_request(request: Connection): Promise<void> {
    await request.end();
    this.close_request(request);
  }

  /** Closes a connection. Python: `close_request`. */
  close_request(request: Connection): void {
    request.close();
  }

  /** Called when `handle_request` times out. Python: `handle_timeout`. */
  handle_timeout(): Awaitable<void> {}

  /**
   * Called with an error thrown by a handler: writes it to stderr.
   *
   * Python: `handle_error(request, client_address)`, which uses `sys.exception()`.
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

  /** Called when accepting connections fails: writes the reason to stderr. */
  protected complain(message: string, _cause?: unknown): void {
    writeError(`${message}\n`);
  }

  /** Handles a connection concurrently, and closes it: the `process_request` of the threading servers. */
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
    if (listener === null) throw new Error("Cannot serve: the server is not listening");
    listener.ref();
    if (this.#accepting) return;
    this.#accepting = true;
    this.#accept();
  }

  async #accept(): Promise<void> {
    let pause = SHORTEST_PAUSE;
    while (!this.#closed.signal.aborted) {
      const listener = this.#listener!;
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
        if (listener !== this.#listener) continue;
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

  /** The connection idle for longest: the least likely to have a request in flight. */
  #idle(): Connection | undefined {
    let longest: Connection | undefined;
    for (const connection of this.#connections) {
      if (connection.idle && !(longest && longest.idleSeconds >= connection.idleSeconds)) longest = connection;
    }
    return longest;
  }

  #close_listener(listener: Deno.Listener): void {
    this.#file?.remove();
    listener.close();
  }
}

/**
 * Handles connections concurrently, each with its own handler: Python's `ThreadingHTTPServer`.
 *
 * There are no threads: handlers interleave when they await. CPU-bound work in one blocks all others.
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
 *
 * @category Python
 */
export class ThreadingHTTPServer extends HTTPServer {
  /** Handles a connection concurrently. Python: `process_request`. */
  override process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.process_request_thread(request, client_address);
    return Promise.resolve();
  }
}

function writeError(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(withoutTokens(text)));
}
