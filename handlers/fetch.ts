/**
 * The border: from handlers that may decline or throw to the function that Deno.serve, `deno serve` and tests call.
 *
 * @module
 */

import { errorResponse, failureOf, HttpError, markFailure, toHttpError } from "./errors.ts";
import { judgeHost } from "./http/host.ts";
import { Refusal } from "./http/refusal.ts";
import { parseTarget, rawTarget, SitePath, type Target } from "./http/target.ts";
import type { Awaitable, Context, Handler, Logger } from "./types.ts";

/** Bytes of header fields taken at most, names and values; the runtime itself refuses heads over about 64 KiB. */
export const MAX_HEADER_BYTES = 32_768;

/** What Deno.serve tells of a connection; the part that pyserve reads. */
export interface ConnectionInfo {
  /** The other end of the connection. */
  readonly remoteAddr?: Deno.Addr;
}

/** How {@linkcode toFetch} answers. */
export interface ToFetchOptions {
  /** Where lines and causes go; the console unless given. */
  readonly log?: Logger;
}

/** A function as Deno.serve, `deno serve` and tests call it. */
export type FetchFunction = (request: Request, info?: ConnectionInfo) => Awaitable<Response>;

/**
 * Makes a handler answer in every case: null becomes 404, a thrown error its status, and a request that cannot be
 * answered as asked its 4xx. An error of 500 or more is logged with its cause, which the client never sees.
 *
 * Put it inside the layers, so that they see real responses for errors too; {@linkcode toFetch} puts one outside.
 *
 * @example
 * ```ts
 * import { settle, toFetch } from "@x/pyserve";
 *
 * const response = await toFetch(settle(() => null))(new Request("http://localhost/"));
 * console.assert(response.status === 404);
 * await response.body?.cancel();
 * ```
 */
export function settle(handler: Handler): (request: Request, context: Context) => Awaitable<Response> {
  return (request, context) => {
    const fail = (thrown: unknown) => finish(request, failed(thrown, request, context));
    if (context.refusal) return fail(HttpError.from(context.refusal));
    try {
      const answer = handler(request, context);
      if (answer instanceof Promise) return answer.then((late) => finish(request, late), fail);
      return finish(request, answer);
    } catch (thrown) {
      return fail(thrown);
    }
  };
}

/**
 * Makes the function that Deno.serve, `deno serve` (`export default { fetch }`) and tests call.
 *
 * It judges Host, target and size of the header, makes the {@linkcode Context}, and settles what is left open. A request
 * made by hand, without connection info, need not have a Host header.
 *
 * @example
 * ```ts
 * import { files, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(files(memory({ "hello.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/hello.txt"));
 * console.assert(await response.text() === "hello");
 * ```
 */
export function toFetch(handler: Handler, options: ToFetchOptions = {}): FetchFunction {
  const settled = settle(handler);
  const log = options.log ?? consoleLogger;
  return (request, info) => settled(request, new RequestContext(request, info, log));
}

class RequestContext implements Context {
  readonly target: Target;
  readonly refusal: Refusal | null;
  readonly base: SitePath = SitePath.root;
  readonly log: Logger;
  readonly user: string | null = null;
  readonly #info: ConnectionInfo | undefined;

  constructor(request: Request, info: ConnectionInfo | undefined, log: Logger) {
    const raw = rawTarget(request.url);
    const target = parseTarget(raw);
    this.log = log;
    this.#info = info;
    this.refusal = judgeRequest(request, info) ?? (target instanceof Refusal ? target : null);
    this.target = target instanceof Refusal ? { raw, path: SitePath.root, slash: true, query: "" } : target;
    // Own and not on the prototype: a derived context inherits from this object, and a private field would not follow.
    Object.defineProperty(this, "remoteAddress", { get: () => addressOf(this.#info) });
  }

  declare readonly remoteAddress: string;
}

function judgeRequest(request: Request, info: ConnectionInfo | undefined): Refusal | null {
  const host = request.headers.get("host");
  if (host !== null || info !== undefined) {
    const refusal = judgeHost(host, request.url);
    if (refusal) return refusal;
  }
  const coding = request.headers.get("transfer-encoding");
  if (coding !== null && coding.trim().toLowerCase() !== "chunked") {
    return new Refusal(501, "The only transfer coding understood is chunked"); // RFC 9112 section 6.1
  }
  let bytes = 0;
  for (const [name, value] of request.headers) bytes += name.length + value.length;
  if (bytes > MAX_HEADER_BYTES) return new Refusal(431, `The header is longer than ${MAX_HEADER_BYTES} bytes`);
  return null;
}

function addressOf(info: ConnectionInfo | undefined): string {
  const address = info?.remoteAddr;
  if (address === undefined) return "";
  if ("hostname" in address) return address.hostname.replace(/^::ffff:(?=\d+\.)/, "");
  return address.transport === "unix" ? "unix" : "";
}

function failed(thrown: unknown, request: Request, context: Context): Response {
  const error = toHttpError(thrown);
  if (error.status >= 500 && error.cause !== undefined) {
    context.log.error(`Cannot answer ${request.method} ${context.target.raw}`, error.cause);
  } else if (error.cause instanceof Deno.errors.NotCapable) {
    context.log.error(`Not permitted to answer ${request.method} ${context.target.raw}`, error.cause);
  }
  return errorResponse(error);
}

function finish(request: Request, answer: Response | null): Response {
  const response = answer ?? errorResponse(new HttpError(404));
  return request.method === "HEAD" ? withoutBody(response) : response;
}

/** HEAD has no content in any case (RFC 9110 section 9.3.2); the runtime drops it, a test that calls us would not. */
function withoutBody(response: Response): Response {
  if (response.body === null) return response;
  response.body.cancel().catch(() => {});
  const bare = new Response(null, { status: response.status, headers: response.headers });
  const failure = failureOf(response);
  return failure ? markFailure(bare, failure) : bare;
}

/** For library users who give no logger: access lines nowhere, errors to the console, where developers look. */
const consoleLogger: Logger = {
  access() {},
  error(message, cause) {
    // deno-lint-ignore no-console
    if (cause === undefined) console.error(message);
    // deno-lint-ignore no-console
    else console.error(`${message}:`, cause);
  },
};
