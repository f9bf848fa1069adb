/**
 * The nouns that everything else is made of.
 *
 * @module
 */

import type { Refusal } from "./http/refusal.ts";
import type { SitePath, Target } from "./http/target.ts";

/** A value, or the promise of one: handlers answer synchronously where they can. */
export type Awaitable<T> = T | Promise<T>;

/**
 * Answers a request, or declines with null so that the next handler is asked.
 *
 * It declines in words: a forgotten `return` is `undefined`, which does not compile.
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
 * Makes a handler out of a handler: logging, headers, authentication.
 *
 * A layer answers (401, 429) and does not throw; it changes the headers of a response in place, never by making a new
 * Response around the body, which would turn a file stream of the runtime into one of JavaScript.
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

/** Where the lines of the access log and the causes of errors go. */
export interface Logger {
  /** One line of the access log, without the line end; it comes ready, escaped. */
  access(line: string): void;
  /**
   * Something that went wrong in the server, with its cause for whoever runs it. Both may have in them what clients and
   * programs wrote, line ends and control characters as well: escape them where they go out.
   */
  error(message: string, cause?: unknown): void;
}

/** An address of this server. */
export interface LocalAddress {
  /** The address it is bound to, which may stand for all of them (`0.0.0.0`). */
  readonly hostname: string;
  /** The port. */
  readonly port: number;
  /** The name it was told to bind, where it was told one: an own name of the server. */
  readonly name?: string;
}

/**
 * What a client may want to do with a path: `read` it (or see it listed), `create` a file or directory there, `change` what
 * is there (delete, overwrite, move), `run` the program there. Asked of a directory, `create` and `change` are about what is
 * in it.
 */
export type Right = "read" | "create" | "change" | "run";

/** The names of this server, as far as it knows them. */
export interface HostNames {
  /**
   * Whether a Host header or the authority of a URL is one of this server: an address, `localhost` and what is below it,
   * the name of the machine, the name it is bound to, a name that was given. Its port is not looked at.
   */
  isOwn(host: string): boolean;
  /**
   * Whether it is a name that the operator has given (`--allow-host`, `hosts`), with the port that was given with it, or the
   * default one; an address or `localhost` is not.
   */
  isGiven(host: string): boolean;
  /** Whether a request has to name an own host, whatever it asks for. */
  areRequired(context: Context): boolean;
}

/** A response that the cache may keep, on its way there. */
export interface OfferedResponse {
  /** The response, as its handler made it. */
  readonly response: Response;
  /** The 304 for the same content, without what layers add. */
  readonly notModified: Response;
  /** The body of the response. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether the response would be the same now. */
  readonly isFresh: () => boolean;
  /** Whether Accept and the query decide what it is. */
  readonly negotiated?: boolean;
}

/** A proof that nothing is at a path, on its way to the cache. */
export interface OfferedAbsence {
  /** The cache key of the path. */
  readonly key: string;
  /** Whether there is still nothing. */
  readonly isFresh: () => boolean;
}

/** The record of one request, shared by all contexts of it: what handlers and layers tell each other. */
export interface RequestNotes {
  /** Why it is refused, or null where it is not; undefined as long as it has not been judged. */
  refusal: Refusal | null | undefined;
  /** Whether a line of the access log has been written for it, or is not wanted. */
  logged: boolean;
  /** The answer that is ready to be sent as it is, or null. */
  finished: Response | null;
  /** The answer that has the headers and the error page of its file server, or null. */
  dressed: Response | null;
  /** What the cache may keep of the answer, or null. */
  offer: OfferedResponse | null;
  /** The proof that nothing is at the path, for the cache, or null. */
  absence: OfferedAbsence | null;
}

/**
 * What is known of a request besides itself. Read-only: a layer passes on what {@linkcode derive} makes of it.
 */
export interface Context {
  /**
   * What is asked for, taken apart; below a mount, without the mount's prefix. Of a request that is refused the path leads
   * nowhere ({@linkcode SitePath.nowhere}) and the query is empty, so that no handler takes it for one that it knows.
   */
  readonly target: Target;
  /** Whether a layer or a mount has replaced the target, so that it is not what the URL of the request says. */
  readonly retargeted: boolean;
  /**
   * The target as the client sent it, whatever a layer, a mount or a program has put in its place: what a relative
   * reference in the answer is resolved against.
   */
  readonly requestTarget: string;
  /**
   * Why the request cannot be answered as asked (bad Host, bad target), or null. Layers see such requests as they see all
   * others; `settle` answers them, and `toFetch` where no handler has.
   */
  readonly refusal: Refusal | null;
  /** What `mount` has taken off the path. */
  readonly base: SitePath;
  /** The address the connection comes from, `""` where nobody knows it. Not what a proxy says. */
  readonly remoteAddress: string;
  /** The port of the other end, or null where there is none. */
  readonly remotePort: number | null;
  /** Whether the connection to this server is encrypted; what is in front of a proxy, nobody knows. */
  readonly secure: boolean;
  /** The HTTP version of the request (`HTTP/1.0`), or null where the transport does not tell, as Deno.serve does not. */
  readonly protocol: string | null;
  /** Where this server listens, or null where nobody said: `toFetch` is told. */
  readonly local: LocalAddress | null;
  /** The names of this server. */
  readonly hosts: HostNames;
  /**
   * Whether the transport ends a body at its Content-Length, as Deno.serve does over HTTP/1: then a file may be sent as a
   * native stream that would go on behind it.
   */
  readonly cutsAtLength: boolean;
  /** Where to log. */
  readonly log: Logger;
  /** The user that a layer has authenticated, or null. */
  readonly user: string | null;
  /** Notes on this request. */
  readonly notes: RequestNotes;
  /**
   * Whether the client has a right to a path (below what a mount has taken off, as `target.path` is). It answers true for
   * everything unless a layer has restricted it; what the server itself does not allow (`--upload` is off) is refused
   * besides.
   */
  may(right: Right, path: SitePath): boolean;
  /**
   * The name of the set of rights that `may` stands for, a part of the cache key: two requests with the same view get the
   * same bytes. `""` is all rights. Rights that change need another view.
   */
  readonly view: string;
}

/**
 * A context with some of its fields replaced, for the handlers further in.
 *
 * Other rights (`may`) come with the name of the set of rights (`view`), under which the cache keeps what is made with
 * them; combine both with those of the context that you are given.
 *
 * @throws TypeError for `may` without a `view`, or with that of all rights (`""`): the cache would mix up the answers.
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
      "derive() needs a view beside may: the name, not empty, of the set of rights that it stands for",
    );
  }
  const retargeted = "target" in changes ? { retargeted: true } : {};
  return Object.create(context, Object.getOwnPropertyDescriptors({ ...changes, ...retargeted })) as Context;
}
