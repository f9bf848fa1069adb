/**
 * The border: from handlers that may decline or throw to the function that Deno.serve, `deno serve` and tests call.
 *
 * @module
 */

import { judgeHost } from "./http/host.ts";
import { Refusal } from "./http/refusal.ts";
import { parseTarget, rawTarget, SitePath, type Target } from "./http/target.ts";
import { settle } from "./settle.ts";
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
 * Makes the function that Deno.serve, `deno serve` (`export default { fetch }`) and tests call.
 *
 * It judges Host, target and size of the header, makes the {@linkcode Context}, and settles what is left open. A request
 * made by hand, without connection info, need not have a Host header.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(files(memory({ "hello.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/hello.txt"));
 * assert(await response.text() === "hello");
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
