/**
 * The HTTP/1.0 transport: serves handlers of this package with the engine of Python's classes.
 *
 * @module
 */

import { failureOf, type HttpError, NOT_KEPT } from "../core/errors.ts";
import type { FetchFunction } from "../core/fetch.ts";
import { escapeLog } from "../http/escape.ts";
import { relativeReference } from "../http/relative.ts";
import { SitePath } from "../http/target.ts";
import { errorPage, PAGE_HEADERS } from "../page/error_page.ts";
import { Binding, type ListenAddress } from "../transport/binding.ts";
import { certificatesOf, type TlsPair } from "../transport/certificates.ts";
import { type Endpoint, endpointOf, type ServerAddr, type TcpEndpoint } from "../transport/endpoint.ts";
import type { RunningServer, ServeOptions } from "../transport/types.ts";
import type { Awaitable } from "../core/types.ts";
import { BaseHTTPRequestHandler } from "./base.ts";
import type { ClientAddress, Connection } from "./connection.ts";
import { infoOf, pythonHeaders, ReplyBody, requestOf } from "./exchange.ts";
import { percentFormat } from "./percent_format.ts";
import { type ServerAddress, ThreadingHTTPServer } from "./server.ts";

/** Options of {@linkcode serveClassic}. */
export interface ClassicServeOptions extends ServeOptions {
  /** Whether to log malformed requests, which never reach a handler, as Python does. */
  readonly logRefused?: boolean;
}

/**
 * Serves a fetch function like `serve`, but with the wire format of Python's `http.server`: status line `HTTP/1.0` with
 * Python's reason phrases, headers in Python's order and spelling, one request per connection, HTTP/0.9 supported.
 * Handlers, bodies, statuses and headers are the same.
 *
 * @throws Deno.errors.AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable: system errors.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch } from "@x/pyserve";
 * import { serveClassic } from "./transport.ts";
 *
 * const server = serveClassic(toFetch(files(memory({ "a.txt": "hello" }))), { hostname: "127.0.0.1", port: 0 });
 * const response = await fetch(`http://127.0.0.1:${server.address.port}/a.txt`);
 * assert(await response.text() === "hello");
 * await server.drain();
 * ```
 */
export function serveClassic(
  fetch: FetchFunction,
  options?: ClassicServeOptions & { endpoint?: TcpEndpoint },
): RunningServer;
export function serveClassic(fetch: FetchFunction, options: ClassicServeOptions): RunningServer<ServerAddr>;
export function serveClassic(fetch: FetchFunction, options: ClassicServeOptions = {}): RunningServer<ServerAddr> {
  const server = new ClassicServer(fetch, options);
  const { promise: finished, resolve: finish, reject: fail } = Promise.withResolvers<void>();
  const serving = server.serve_forever();
  finished.catch(() => {}); // errors are handled where `finished` is awaited
  serving.catch(fail);
  const end = async (cut: boolean) => {
    server.daemon_threads = cut;
    if (!cut) await server.quiesce();
    await server.server_close();
    await serving;
    finish();
  };
  return { address: server.address, finished, drain: () => end(false), abort: () => end(true) };
}

class ClassicServer extends ThreadingHTTPServer {
  readonly #fetch: FetchFunction;
  readonly #options: ClassicServeOptions;
  readonly #binding: Binding<Deno.Listener>;
  readonly #leave: () => void;
  #pair: TlsPair | null;

  constructor(fetch: FetchFunction, options: ClassicServeOptions) {
    super(serverAddressOf(endpointOf(options)), BaseHTTPRequestHandler, false);
    this.#fetch = fetch;
    this.#options = options;
    if (options.stallMs !== undefined) this.body_timeout = options.stallMs / 1000;
    const certificates = certificatesOf(options.tls);
    this.#pair = certificates?.current() ?? null;
    this.#binding = new Binding(endpointOf(options), {
      open: (place) => this.#open(place),
      close: (listener) => listener.close(),
      addressOf: ({ addr }) => addr as ServerAddr,
      secure: this.#pair !== null,
    });
    this.server_bind();
    this.#nameInherited();
    this.#leave = certificates?.usedBy((pair) => this.#exchange(pair)) ?? (() => {});
  }

  get address(): ServerAddr {
    return this.#binding.address;
  }

  protected override listen(): Deno.Listener {
    return this.#binding.open();
  }

  quiesce(): Promise<void> | null {
    return this.#binding.quiesce();
  }

  override async server_close(): Promise<void> {
    this.#leave();
    this.#binding.withdraw();
    await super.server_close();
    this.#binding[Symbol.dispose]();
  }

  #open(place: ListenAddress): Deno.Listener {
    if ("path" in place) return Deno.listen(place);
    const { reusePort } = this.#options;
    const options = { ...place, tcpBacklog: this.request_queue_size, ...(reusePort && { reusePort }) };
    return this.#pair
      ? Deno.listenTls({ ...options, ...this.#pair, alpnProtocols: ["http/1.1"] })
      : Deno.listen(options);
  }

  /** The listener of an inherited socket does not know its address. */
  #nameInherited(): void {
    if (endpointOf(this.#options).kind !== "inherited") return;
    const { address } = this;
    [this.server_name, this.server_port] = "path" in address ? [address.path, 0] : [address.hostname, address.port];
  }

  /** Switches new connections to another certificate. */
  #exchange(pair: TlsPair): void {
    const before = this.#pair;
    this.#pair = pair;
    try {
      this.replace_listener(this.#binding.succeed());
    } catch (error) {
      this.#pair = before;
      throw error;
    }
  }

  override finish_request(request: Connection, client_address: ClientAddress): Promise<void> {
    return new ClassicHandler(request, client_address, this, this.#fetch, this.#options).run();
  }

  override handle_error(_request: Connection, _client_address: ClientAddress, error: unknown): void {
    this.#options.log?.error("A connection has failed", error);
  }

  protected override complain(message: string, cause?: unknown): void {
    this.#options.log?.error(message, cause);
  }
}

/** Python's form of the address; empty for an inherited socket, whose file must not be removed at the end. */
function serverAddressOf(endpoint: Endpoint): ServerAddress {
  if (endpoint.kind === "unix") return endpoint.path;
  return endpoint.kind === "tcp" ? [endpoint.hostname, endpoint.port] : ["", 0];
}

/** Dispatches all methods to a fetch function. */
class ClassicHandler extends BaseHTTPRequestHandler {
  override server_version = "pyserve";
  override sys_version = "";
  override error_content_type = "text/html; charset=utf-8";
  protected override readonly is_strict = true;
  readonly #fetch: FetchFunction;
  readonly #options: ClassicServeOptions;

  constructor(
    request: Connection,
    client_address: ClientAddress,
    server: ClassicServer,
    fetch: FetchFunction,
    options: ClassicServeOptions,
  ) {
    super(request, client_address, server);
    this.#fetch = fetch;
    this.#options = options;
  }

  protected override method_for(): () => Awaitable<void> {
    return this.#answer;
  }

  /** Errors of the engine: rendered like those of the handlers. */
  override send_error(
    code: number,
    message?: string | null,
    explain?: string | null,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    super.send_error(code, message, explain, { ...SPELLED_PAGE_HEADERS, ...headers });
  }

  protected override error_page(code: number, message: string): string {
    const phrase = this.responses[code]?.[0] ?? "";
    const start = relativeReference(this.path.startsWith("/") ? this.path : "/", SitePath.root);
    return errorPage({ status: code, phrase, message, details: "", start, isShared: false, form: null });
  }

  /** Handlers log their own responses; this leaves messages of the engine. */
  override log_message(format: string, ...args: unknown[]): void {
    if (!this.#options.logRefused) return;
    const message = escapeLog(percentFormat(format, args));
    this.#options.log?.access(`${this.address_string()} - - [${this.log_date_time_string()}] ${message}`);
  }

  /**
   * The target with all leading slashes, as the base of relative references; `path` has them collapsed, as in Python.
   */
  get #sentTarget(): string {
    return /^\S+\s+(\S+)/.exec(this.requestline)?.[1] ?? this.path;
  }

  async #answer(): Promise<void> {
    const response = await this.#fetch(requestOf(this, this.#sentTarget), infoOf(this));
    using body = await ReplyBody.of(response);
    this.#send_head(response, failureOf(response));
    if (body && this.command !== "HEAD") await body.writeTo(this.wfile, () => this.connection.leaving);
  }

  #send_head({ status, headers }: Response, failure: HttpError | null): void {
    this.send_response_only(status, failure && isPhrase(failure.message) ? failure.message : null);
    this.send_header("Server", headers.get("server") ?? this.version_string());
    this.send_header("Date", this.date_time_string());
    if (failure) this.send_header("Connection", "close"); // at the same position as Python
    for (const [name, value] of pythonHeaders(headers)) {
      if (!OURS.has(name)) this.send_header(failure && name === "Content-type" ? "Content-Type" : name, value);
    }
    this.end_headers();
  }
}

const SPELLED_PAGE_HEADERS = Object.fromEntries(
  pythonHeaders(new Headers({ ...PAGE_HEADERS, ...NOT_KEPT, "x-content-type-options": "nosniff" })),
);

/** Headers that the engine sends itself, before those of the handler. */
const OURS: ReadonlySet<string> = new Set(["Server", "Date"]);

/** Whether a message is a valid reason phrase. */
function isPhrase(message: string): boolean {
  return /^[\t\x20-\x7e]+$/.test(message);
}
