/**
 * A reverse proxy: an application, such as a development server or an API, answers for a path.
 *
 * @module
 */

import { whenClientLeaves } from "../../core/client_watch.ts";
import { isCrossSite } from "../../core/cross_site.ts";
import { HttpError } from "../../core/errors.ts";
import { internalsOf } from "../../core/internals.ts";
import { type Switch, switching } from "../../core/shortcuts.ts";
import { Limiter } from "../../core/limiter.ts";
import { requireOwnHost } from "../../core/own_hosts.ts";
import { contentLengthOf, IncompleteBody, readBody } from "../../core/request_body.ts";
import type { Context, Handler } from "../../core/types.ts";
import { clientOf } from "../../http/client.ts";
import { Refusal } from "../../http/refusal.ts";
import { parseTarget, type SitePath } from "../../http/target.ts";
import type { Feature } from "../../serving/feature.ts";
import { filtered } from "../../sources/filtered.ts";
import { ConnectionPool } from "../connection_pool.ts";
import { DEFAULT_LIMITS, shareOf } from "../limits.ts";
import { replyStream } from "../reply_stream.ts";
import { ProxyExchange, type ProxyRequest } from "./exchange.ts";
import { requestFields, responseHeaders } from "./fields.ts";
import { Hops } from "./hops.ts";
import { upstreamTarget } from "./paths.ts";
import type { ResponseHead } from "./response_head.ts";
import { parseUpstream, type Upstream } from "./upstream_url.ts";
import { refusedSocket, relayWebSocket, wantsWebSocket } from "./web_socket.ts";

/** Options of {@linkcode proxy}. Times are in milliseconds. */
export interface ProxyOptions {
  /** The path for which the application answers, and everything below it: `/api`. */
  readonly path: string;
  /**
   * Where it listens: `http://HOST:PORT`, `https://HOST` or `unix:/PATH`. If the URL has a path, this replaces `path`:
   * with `http://HOST:PORT/`, `/api/a` becomes `/a`. Without one, paths stay as they are.
   */
  readonly upstream: string;
  /**
   * Whether to pass on the Authorization header, password included, and the session cookies of this server; defaults to
   * false where a layer identifies users, and to true elsewhere, where they can only be meant for the application.
   */
  readonly passAuth?: boolean;
  /** Maximum size of a request body in bytes (413), or null for unlimited, which is the default: it is streamed. */
  readonly maxBody?: number | null;
  /**
   * How long a client may pause while sending a request body; defaults to 30 s. The whole body has this time plus one
   * second per KiB; then 408.
   */
  readonly bodyTimeout?: number;
  /** Maximum number of concurrent requests, WebSockets included; defaults to 1,024. */
  readonly maxRequests?: number;
  /** How many of them one client may have; defaults to three quarters. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for its turn; defaults to 10 s, then 503. */
  readonly queueTimeout?: number;
  /** How long connecting may take, for a WebSocket including its acceptance; defaults to 5 s, then 504. */
  readonly connectTimeout?: number;
  /** How long the application may take until it has sent its header; defaults to 60 s, then 504; 0 = unlimited. */
  readonly headerTimeout?: number;
  /**
   * How long it may be silent after that, before the response is aborted; defaults to unlimited, because a stream of
   * events may be silent. The request ends anyway when the client disconnects.
   */
  readonly idleTimeout?: number;
  /** How long a client may stop reading while data is pending; defaults to 60 s, then the request is aborted. */
  readonly stallTimeout?: number;
  /**
   * Maximum number of idle connections to keep for further requests; defaults to none. Each saves about 0.1 ms per
   * request, and more with HTTPS. The command keeps up to 64.
   */
  readonly idleConnections?: number;
  /**
   * How long an idle connection is kept; defaults to 4 s, because many applications close theirs after 5. It is less if
   * the application says so in Keep-Alive.
   */
  readonly idleConnectionTimeout?: number;
}

const DEFAULTS = {
  maxBody: null,
  bodyTimeout: DEFAULT_LIMITS.bodyTimeout,
  maxRequests: 1_024,
  queueTimeout: DEFAULT_LIMITS.queueTimeout,
  connectTimeout: 5_000,
  headerTimeout: 60_000,
  idleTimeout: 0,
  stallTimeout: DEFAULT_LIMITS.stallTimeout,
  idleConnections: 0,
  idleConnectionTimeout: 4_000,
} as const;

/** Appears only in the access log. */
const CLIENT_LEFT = new HttpError(400, "The client has disconnected");

/** Stops reading a body that the application has not waited for. */
const UNWANTED = new IncompleteBody(400, "The application has not read the request body");

/** CONNECT makes tunnels; TRACE would show cookies to scripts. */
const NEVER = ["CONNECT", "TRACE"];

/**
 * Passes requests for a path on to an application over HTTP/1.1: requests and responses are streamed, WebSockets are
 * passed on.
 *
 * The application gets its own Host, the client in X-Forwarded-For, -Host, -Proto and Forwarded, the user, if a layer
 * has identified one, in X-Forwarded-User, and Via. None of these is taken from the client. Hop-by-hop fields (RFC 9110
 * section 7.6.1), interim responses (1xx) and trailers are dropped. A Location on the application itself is rewritten
 * for clients; cookies are not, paths included. Nothing is cached.
 *
 * Connections are kept for further requests after a response of HTTP/1.1 whose body has a Content-Length or chunks, and
 * used for GET, HEAD and OPTIONS without a body; such a request is sent again if the application has closed the
 * connection without answering. No other request is sent twice.
 *
 * A request must name one of the server's own hosts (`hosts` of `toFetch`), or gets 421; a user needs the right `run`;
 * a WebSocket that a page of another site asks for is refused with 403, because browsers let any page open one.
 *
 * Responds 502 if the application cannot be reached or its response is malformed, 503 if too many requests wait, 504 if
 * it is too slow, 508 if it leads back to this server. If the application breaks off after its header, so does the
 * response. If the client disconnects, so does the proxy.
 *
 * @throws {TypeError} For an invalid path or URL.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, memory, proxy, toFetch } from "@x/pyserve";
 *
 * const api = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
 *   return new Response(`the API at ${new URL(url).pathname}`);
 * });
 * const upstream = `http://127.0.0.1:${api.addr.port}`;
 * const fetch = toFetch(chain(proxy({ path: "/api", upstream }), files(memory({ "a.txt": "a file" }))));
 * const response = await fetch(new Request("http://localhost/api/users"));
 * assert(await response.text() === "the API at /api/users");
 * await api.shutdown();
 * ```
 *
 * @category Handlers
 */
export function proxy(options: ProxyOptions): Handler {
  const instance = new ReverseProxy(options);
  return (request, context) => instance.answer(request, context);
}

/**
 * {@linkcode proxy} as a feature of a file server. Files at its path are not served; with the path `/`, it is the other
 * way round: the application answers for what is not found among the files, and for all methods but GET and HEAD.
 *
 * @throws {TypeError} For an invalid path or URL.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, proxyFeature, toFetch } from "@x/pyserve";
 *
 * const api = proxyFeature({ path: "/api", upstream: "http://127.0.0.1:3000" });
 * const fetch = toFetch(fileServer(memory({ "a.txt": "a file" }), { features: [api], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt"));
 * assert(await response.text() === "a file");
 * ```
 *
 * @category Features
 */
export function proxyFeature(options: ProxyOptions): Feature {
  const handler = proxy(options);
  const path = pathOf(options.path);
  const isBehind = path.segments.length === 0;
  return {
    name: `proxy ${path.text}`,
    methods: [], // applications decide on their methods; other paths gain none
    ownNamesOnly: true,
    encodedSlashes: true,
    isBehind,
    ...(!isBehind && { contentOf: (source) => filtered(source, (each) => each.below(path) === null) }),
    handler: () => handler,
  };
}

function pathOf(text: string): SitePath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "It must begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot use the path "${text}" for a proxy: ${target.reason}`);
  return target.path;
}

function upstreamOf(text: string): Upstream {
  const upstream = parseUpstream(text);
  if (typeof upstream === "string") throw new TypeError(`Cannot use the upstream "${text}": ${upstream}`);
  return upstream;
}

class ReverseProxy {
  readonly #options: ProxyOptions & typeof DEFAULTS;
  readonly #path: SitePath;
  readonly #upstream: Upstream;
  readonly #pool: ConnectionPool;
  readonly #limiter: Limiter;
  readonly #hops = new Hops();

  constructor(options: ProxyOptions) {
    this.#options = { ...DEFAULTS, ...options } as ProxyOptions & typeof DEFAULTS;
    this.#path = pathOf(options.path);
    this.#upstream = upstreamOf(options.upstream);
    this.#pool = new ConnectionPool({ ...this.#options, ...this.#upstream });
    const { maxRequests, maxPerClient = shareOf(maxRequests), queueTimeout } = this.#options;
    this.#limiter = new Limiter({ max: maxRequests, maxPerClient, queueMs: queueTimeout });
  }

  async answer(request: Request, context: Context): Promise<Response | null> {
    if (context.target.path.below(this.#path) === null || NEVER.includes(request.method)) return null;
    requireOwnHost(request, context);
    if (!context.may("run", context.target.path)) {
      throw new HttpError(403, "Using the application behind this path is not allowed");
    }
    internalsOf(context).notes.absence = null; // a 404 of the application is not ours to cache
    const isWebSocket = wantsWebSocket(request);
    if (isWebSocket) requireSocketPossible(request, context);
    const left = new AbortController();
    using _watch = whenClientLeaves(request, () => left.abort(CLIENT_LEFT));
    const passed = {
      upstream: this.#upstream,
      target: upstreamTarget(context, this.#path, this.#upstream),
      fields: requestFields(request, context, this.#forwarding(request, context)),
      signal: left.signal,
    };
    const { method } = request;
    const over = new AbortController();
    const body = this.#bodyOf(request, over.signal);
    const place = await this.#limiter.enter(clientOf(context.remoteAddress, request.headers), left.signal);
    const onOver = () => {
      place[Symbol.dispose]();
      over.abort(UNWANTED);
    };
    if (isWebSocket) {
      const { connectTimeout } = this.#options;
      if (context.protocol !== null) return await this.#tunnel({ ...passed, method, onOver }, context);
      return await relayWebSocket({ ...passed, request, context, connectTimeout, onOver });
    }
    const exchange = await ProxyExchange.begin({ ...passed, ...body, pool: this.#pool, method, onOver });
    const head = await exchange.head(this.#options.headerTimeout);
    return this.#respond(request, context, exchange, head);
  }

  #forwarding(request: Request, context: Context) {
    const { visitor, user, view } = internalsOf(context);
    const hasUsers = visitor !== null || user !== null || view !== "";
    const { passAuth = !hasUsers } = this.#options;
    return { upstream: this.#upstream, passAuth, via: this.#hops.after(request, context) };
  }

  #bodyOf(request: Request, signal: AbortSignal) {
    const { maxBody: max, bodyTimeout: stallMs } = this.#options;
    const length = contentLengthOf(request);
    if (max !== null && length !== null && length > max) {
      throw new HttpError(413, `The request body is larger than ${max} bytes`);
    }
    const { body } = request;
    return { body: body && mayHaveBody(request, length) ? readBody(body, { max, stallMs, signal }) : null, length };
  }

  /** The transport hands over the connection: bytes are passed on as they are. */
  async #tunnel(
    asked: Pick<ProxyRequest, "upstream" | "target" | "fields" | "signal" | "method" | "onOver">,
    context: Context,
  ) {
    const { connectTimeout, stallTimeout } = this.#options;
    const { promise, resolve } = Promise.withResolvers<Parameters<Switch>[0]>();
    const body = eventually(promise);
    const exchange = await ProxyExchange.begin({ ...asked, body, length: null, isWebSocket: true, pool: this.#pool });
    const head = await exchange.head(connectTimeout);
    if (head.status !== 101) {
      exchange.abort();
      throw refusedSocket(this.#upstream, String(head.status));
    }
    const headers = responseHeaders(head, context, this.#path, this.#upstream);
    const broken = (error: unknown) => context.log.error(`A WebSocket at ${context.target.raw} has broken off`, error);
    const stream = replyStream(exchange, new Uint8Array(), { idleTimeout: 0, stallTimeout, broken });
    return switching(new Response(stream, { headers }), resolve);
  }

  #respond(request: Request, context: Context, exchange: ProxyExchange, head: ResponseHead): Response {
    const headers = responseHeaders(head, context, this.#path, this.#upstream);
    const { status } = head;
    // The application may never read the rest of the body, so that the next request could not be found.
    if (!exchange.isSent) headers.set("connection", "close");
    const whole = exchange.takeWhole();
    if (whole !== null) {
      const hasBody = request.method !== "HEAD" && ![204, 205, 304].includes(status);
      return new Response(hasBody ? whole : null, { status, headers });
    }
    const { idleTimeout, stallTimeout } = this.#options;
    const broken = (error: unknown) =>
      context.log.error(`Cannot finish ${request.method} ${context.target.raw}`, error);
    const nothing = new Uint8Array();
    return new Response(replyStream(exchange, nothing, { idleTimeout, stallTimeout, broken }), { status, headers });
  }
}

/** The runtime has an empty stream where there is no body. With HTTP/2, which has no Host, a body may have no length. */
function mayHaveBody({ headers }: Request, length: number | null): boolean {
  const isFramed = headers.has("content-length") || headers.has("transfer-encoding");
  return length === null ? isFramed || !headers.has("host") : length > 0;
}

function requireSocketPossible(request: Request, context: Context): void {
  if (isCrossSite(request, context.hosts)) {
    throw new HttpError(403, "A page of another site cannot open a WebSocket here");
  }
  // Deno.serve is the engine that does not tell the version.
  if (context.protocol === null || internalsOf(context).transfer?.canSwitch) return;
  throw new HttpError(501, "WebSockets need HTTP/1.1", { headers: { connection: "close" } });
}

/** A stream that does not exist yet. */
async function* eventually(stream: Promise<ReadableStream<Uint8Array>>): AsyncIterable<Uint8Array> {
  yield* await stream;
}
