/**
 * The core types.
 *
 * @module
 */

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
 */
export type Layer = (next: Handler) => Handler;

/** The destination of access log lines and error causes. */
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
 * overwrite, move), or `run` a program. For a directory, `create` and `change` apply to its entries.
 */
export type Right = "read" | "create" | "change" | "run";

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

/** A cacheable response, offered to the cache. */
export interface OfferedResponse {
  /** The response as created by its handler. */
  readonly response: Response;
  /** The corresponding 304, without headers added by layers. */
  readonly notModified: Response;
  /** The response body. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether the response is still fresh. */
  readonly isFresh: () => boolean;
  /** Whether the response depends on Accept and the query. */
  readonly negotiated?: boolean;
}

/** A cacheable proof that a path does not exist. */
export interface OfferedAbsence {
  /** The cache key of the path. */
  readonly key: string;
  /** Whether the path still does not exist. */
  readonly isFresh: () => boolean;
}

/** The mutable state of one request, shared by all contexts derived for it: how handlers and layers communicate. */
export interface RequestNotes {
  /** Why the request is refused, or null; undefined until it has been checked. */
  refusal: Refusal | null | undefined;
  /** Whether the access log line has been written or is suppressed. */
  logged: boolean;
  /** The final response, to be sent unmodified, or null. */
  finished: Response | null;
  /** The response that already has its file server's headers and error page, or null. */
  dressed: Response | null;
  /** The response offered to the cache, or null. */
  offer: OfferedResponse | null;
  /** The proof of absence offered to the cache, or null. */
  absence: OfferedAbsence | null;
}

/** Request metadata. Immutable: a layer passes on a modified copy made by {@linkcode derive}. */
export interface Context {
  /**
   * The parsed target; below a mount, without the mount's prefix. For a refused request, the path does not exist
   * ({@linkcode SitePath.nowhere}) and the query is empty, so that no handler acts on it.
   */
  readonly target: Target;
  /** Whether a layer or a mount has replaced the target, so that it differs from the request's URL. */
  readonly retargeted: boolean;
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
  /** The address of the peer, `""` if unknown. X-Forwarded-For is ignored. */
  readonly remoteAddress: string;
  /** The port of the peer, or null if there is none. */
  readonly remotePort: number | null;
  /** Whether the connection to this server uses TLS; nothing is known about the client's connection to a proxy. */
  readonly secure: boolean;
  /** The HTTP version of the request (`HTTP/1.0`), or null if the transport does not report it, such as Deno.serve. */
  readonly protocol: string | null;
  /** The address this server listens on, or null if unknown: an option of `toFetch`. */
  readonly local: LocalAddress | null;
  /** The host names of this server. */
  readonly hosts: HostNames;
  /**
   * Whether the transport truncates a body at its Content-Length, as Deno.serve does over HTTP/1: then a file can be
   * sent as a native stream, which may continue past it.
   */
  readonly cutsAtLength: boolean;
  /** The log. */
  readonly log: Logger;
  /** The user authenticated by a layer, or null. */
  readonly user: string | null;
  /** The mutable state of this request. */
  readonly notes: RequestNotes;
  /**
   * Whether the client has a right to a path (relative to the mount, like `target.path`). Allows everything unless a
   * layer restricts it; what the server is not configured to do (`--upload` is off) is refused separately.
   */
  may(right: Right, path: SitePath): boolean;
  /**
   * The name of the set of rights behind `may`, part of the cache key: requests with the same view get the same bytes.
   * `""` means all rights. If rights change, the view must change too.
   */
  readonly view: string;
}

/**
 * A copy of a context with some fields replaced, for inner handlers.
 *
 * To change the rights (`may`), also give the name of the new set (`view`), which separates the cache entries; combine
 * both with those of the given context.
 *
 * @throws TypeError for `may` without a `view`, or with that of all rights (`""`): clients with different rights would
 * share cache entries.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { derive, type Layer } from "@x/pyserve";
 *
 * const asGuest: Layer = (next) => (request, context) => next(request, derive(context, { user: "guest" }));
 * assert(typeof asGuest === "function");
 * ```
 */
export function derive(context: Context, changes: Partial<Context>): Context {
  if (changes.may && !changes.view) {
    throw new TypeError(
      "derive() with may also needs view: a non-empty name for the set of rights",
    );
  }
  const retargeted = "target" in changes ? { retargeted: true } : {};
  return Object.create(context, Object.getOwnPropertyDescriptors({ ...changes, ...retargeted })) as Context;
}
