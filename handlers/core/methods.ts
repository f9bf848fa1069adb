/**
 * The end of a chain: the response to methods that no handler before it takes.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import type { Context, Handler } from "./types.ts";

/** Methods of RFC 9110 and 5789: those a client may rightly expect a server to know. */
const STANDARD_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/**
 * Closes a chain: answers OPTIONS with 204 and Allow, a standard method that is not allowed with 405 and Allow, and any
 * other method with 501 (RFC 9110 sections 9.3.7, 15.5.6, 15.6.2). Declines the methods that are allowed, for then the
 * handlers before it have found nothing: 404.
 *
 * It does not check that the path exists, so that Allow does not reveal what is there. Method names are case-sensitive.
 *
 * @param allowed The methods that handlers of the chain answer.
 * @param headers What OPTIONS is told besides.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, memory, toFetch } from "@x/pyserve";
 * import { allow } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(chain(files(memory({})), allow(["GET", "HEAD"])));
 * const response = await fetch(new Request("http://localhost/", { method: "DELETE" }));
 * assert(response.status === 405 && response.headers.get("allow") === "GET, HEAD, OPTIONS");
 * await response.body?.cancel();
 * ```
 */
export function allow(allowed: readonly string[], headers: Readonly<Record<string, string>> = {}): Handler {
  return allowAsked(allowed, () => ({ methods: allowed, headers }));
}

/** What OPTIONS and 405 tell of what is allowed. */
export interface Allowed {
  /** The methods, without OPTIONS. */
  readonly methods: readonly string[];
  /** What OPTIONS is told besides. */
  readonly headers: Readonly<Record<string, string>>;
}

/** The same where the rights of the client, and the path, decide which methods of all are allowed. */
export function allowAsked(all: readonly string[], allowed: (context: Context) => Allowed): Handler {
  return ({ method }, context) => {
    if (all.includes(method)) return null;
    const isStandard = STANDARD_METHODS.includes(method);
    if (method !== "OPTIONS" && !isStandard) throw new HttpError(501, "The method is not known");
    const { methods, headers } = allowed(context);
    const allow = [...new Set([...methods, "OPTIONS"])].join(", ");
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { ...headers, allow } });
    throw new HttpError(405, "The method is not allowed here", { headers: { allow } });
  };
}
