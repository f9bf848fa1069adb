/**
 * The core types.
 *
 * @module
 */

import type { CodingName } from "../http/coding.ts";
import type { Refusal } from "../http/refusal.ts";
import type { SitePath, Target } from "../http/target.ts";

/** A value or a promise of it: handlers respond synchronously where possible. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Answers a request, or returns null to decline, so that the next handler is tried.
 *
 * Declining is explicit: a forgotten `return` yields `undefined`, which does not compile.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, type Handler, toFetch } from "@x/pyserve";
 *
 * const health: Handler = (_request, { target }) => target.path.text === "/health" ? new Response("ok") : null;
 * const response = await toFetch(chain(health))(new Request("http://localhost/health"));
 * assert(await response.text() === "ok");
 * ```
 *
 * @category Composition
 */
export type Handler = (request: Request, context: Context) => Awaitable<Response | null>;

/**
 * Wraps a handler: logging, headers, authentication.
 *
 * A layer returns its responses (401, 429) and does not throw. It modifies headers in place, never by creating a new
 * Response around the body, which would turn a native file stream into a JavaScript one.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Layer, memory, files, toFetch, wrap } from "@x/pyserve";
 *
 * const greeting: Layer = (next) => async (request, context) => {
 *   const response = await next(request, context);
 *   response?.headers.set("x-greeting", "hello");
 *   return response;
 * };
 * const fetch = toFetch(wrap(files(memory({ "a.txt": "a" })), greeting));
 * const response = await fetch(new Request("http://localhost/a.txt"));
 * assert(response.headers.get("x-greeting") === "hello");
 * await response.body?.cancel();
 * ```
 *
 * @category Composition
 */
export type Layer = (next: Handler) => Handler;

/**
 * The destination of access log lines and error causes.
 *
 * @category Composition
 */
export interface Logger {
  /** Writes one access log line, without a line end; already escaped. */
  access(line: string): void;
  /**
   * Reports an internal error and its cause to the operator. Both may contain text from clients and programs, including
   * line ends and control characters: escape them at the point of output.
   */
  error(message: string, cause?: unknown): void;
}

/** An address of this server. */
export interface LocalAddress {
  /** The bound address; may be a wildcard (`0.0.0.0`). */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** The host name to bind, if one was given: counts as one of the server's names. */
  readonly name?: string;
}

/**
 * What a client may want to do with a path: `read` or list it, `create` a file or directory, `change` it (delete,
 * overwrite, move), `run` a program, or `share` it with others by a link. For a
 * directory, `create` and `change` apply to its entries.
 *
 * @category Composition
 */
export type Right = "read" | "create" | "change" | "run" | "share";

/** The known host names of this server. */
export interface HostNames {
  /**
   * Whether a Host header or URL authority is one of this server's names: an address, `localhost` and its subdomains,
   * the name of the machine, the name it is bound to, or a configured name. Ignores the port.
   */
  isOwn(host: string): boolean;
  /**
   * Whether it is a name configured by the operator (`--allow-host`, `hosts`), with the configured port or a default
   * one; addresses and `localhost` do not qualify.
   */
  isGiven(host: string): boolean;
  /** Whether a request must use an own host name, regardless of the resource. */
  areRequired(context: Context): boolean;
}

/**
 * A content coding applied while content is sent, such as compression. A layer adds it for inner handlers:
 * `derive(context, { encoders: [...context.encoders, gzip] })`. Not used if the content is stored in a coding that the
 * client prefers at least as much.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { derive, fileServer, type Layer, memory, toFetch } from "@x/pyserve";
 * import type { Encoder } from "@x/pyserve/layers";
 *
 * const gzip: Encoder = {
 *   coding: "gzip",
 *   suits: (type) => type.startsWith("text/"),
 *   encode: (content) => content.pipeThrough(new CompressionStream("gzip")),
 * };
 * const layer: Layer = (next) => (request, context) => next(request, derive(context, { encoders: [gzip] }));
 * const fetch = toFetch(fileServer(memory({ "a.txt": "a" }), { layers: [layer], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt", { headers: { "accept-encoding": "gzip" } }));
 * assert(response.headers.get("content-encoding") === "gzip");
 * await response.body?.cancel();
 * ```
 */
export interface Encoder {
  /**
   * The coding; encoders with the same coding must produce equivalent content, because caches do not distinguish them.
   */
  readonly coding: CodingName;
  /**
   * Whether to encode content, by its Content-Type and its size in bytes; null if the size is not known in advance.
   * Must be deterministic: it also decides whether the response has `Vary: accept-encoding`.
   */
  suits(type: string, size: number | null): boolean;
  /** Encodes a stream. Errors and cancellation must be passed on, as `pipeThrough` does. */
  encode(content: ReadableStream<Uint8Array<ArrayBuffer>>): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/**
 * A change to content while it is sent, such as a script inserted into HTML. A layer adds it for inner handlers:
 * `derive(context, { rewriters: [...context.rewriters, rewriter] })`. Rewritten content has an entity tag of its own,
 * no date, and no ranges; it is compressed after that.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { derive, fileServer, type Layer, memory, toFetch } from "@x/pyserve";
 * import type { Rewriter } from "@x/pyserve/layers";
 *
 * const loud: Rewriter = {
 *   name: "loud",
 *   vary: "",
 *   suits: ({ type }) => type.startsWith("text/plain"),
 *   rewrite: (content) =>
 *     content.pipeThrough(new TextDecoderStream())
 *       .pipeThrough(new TransformStream({ transform: (text, to) => to.enqueue(text.toUpperCase()) }))
 *       .pipeThrough(new TextEncoderStream()),
 * };
 * const layer: Layer = (next) => (request, context) => next(request, derive(context, { rewriters: [loud] }));
 * const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { layers: [layer], log: false }));
 * assert(await (await fetch(new Request("http://localhost/a.txt"))).text() === "HELLO");
 * ```
 */
export interface Rewriter {
  /** Identifies the change in entity tags and cache keys (letters, digits, hyphens): the same name, the same change. */
  readonly name: string;
  /** The request header fields that the layer decides by, as in Vary; `""` for none. */
  readonly vary: string;
  /** Whether it applies to content, by its Content-Type and the headers that come with it. Must be deterministic. */
  suits(content: { readonly type: string; readonly headers?: Readonly<Record<string, string>> }): boolean;
  /**
   * Changes a stream. Errors and cancellation must be passed on, as `pipeThrough` does. Null if this request gets the
   * content as it is, but another one would not.
   */
  readonly rewrite:
    | ((content: ReadableStream<Uint8Array<ArrayBuffer>>) => ReadableStream<Uint8Array<ArrayBuffer>>)
    | null;
}

/**
 * Request metadata. Immutable: a layer passes on a modified copy made by {@linkcode derive}.
 *
 * @category Composition
 */
export interface Context {
  /**
   * The parsed target; below a mount, without the mount's prefix. For a refused request, the path does not exist
   * ({@linkcode SitePath.nowhere}) and the query is empty, so that no handler acts on it.
   */
  readonly target: Target;
  /**
   * The target as sent by the client, even if a layer, a mount or a program has replaced it: the base for relative
   * references in the response.
   */
  readonly requestTarget: string;
  /**
   * Why the request is refused (invalid Host or target), or null. Layers see refused requests like any other; `settle`
   * answers them, and `toFetch` does if no handler has.
   */
  readonly refusal: Refusal | null;
  /** The prefix removed from the path by `mount`. */
  readonly base: SitePath;
  /** The address of the peer, `""` if unknown. Proxies are believed only if they are `trustedProxies` of `toFetch`. */
  readonly remoteAddress: string;
  /** The port of the peer, or null if there is none, or a proxy has named the client. */
  readonly remotePort: number | null;
  /** Whether the client uses TLS: as a trusted proxy says, otherwise on its connection to this server. */
  readonly secure: boolean;
  /** The HTTP version of the request (`HTTP/1.0`), or null if the transport does not report it, such as Deno.serve. */
  readonly protocol: string | null;
  /** The address this server listens on, or null if unknown: an option of `toFetch`. */
  readonly local: LocalAddress | null;
  /** The host names of this server. */
  readonly hosts: HostNames;
  /** Content codings that handlers apply to responses, in order of preference; empty unless a layer adds some. */
  readonly encoders: readonly Encoder[];
  /** Changes that handlers make to content while it is sent, in this order; empty unless a layer adds some. */
  readonly rewriters: readonly Rewriter[];
  /** The log. */
  readonly log: Logger;
  /** The user authenticated by a layer, or null. */
  readonly user: string | null;
  /**
   * Whether the client has a right to a path (relative to the mount, like `target.path`). Allows everything unless a
   * layer restricts it; what the server is not configured to do (`--upload` is off) is refused separately.
   */
  may(right: Right, path: SitePath): boolean;
  /**
   * The name of the set of rights that `may` implements, part of the cache key: requests with the same view get the
   * same bytes. `""` means all rights. If rights change, the view must change too.
   */
  readonly view: string;
}
