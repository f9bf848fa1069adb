/**
 * The end of a chain: responds to methods that no handler supports.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import type { Context, Handler } from "./types.ts";

/** Methods of RFC 9110 and RFC 5789, which clients may expect a server to know. */
const STANDARD_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];

/**
 * Ends a chain: responds to OPTIONS with 204 and Allow, to other standard methods that are not allowed with 405 and
 * Allow, and to unknown methods with 501 (RFC 9110 sections 9.3.7, 15.5.6, 15.6.2). Declines allowed methods: if the
 * handlers before it have declined, the result is 404.
 *
 * Does not check whether the path exists, so that Allow does not reveal it. Method names are case-sensitive.
 *
 * @param allowed The methods supported by the handlers of the chain.
 * @param headers Additional headers of the response to OPTIONS.
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

/** The allowed methods, for OPTIONS and 405. */
export interface Allowed {
  /** The methods, without OPTIONS. */
  readonly methods: readonly string[];
  /** Additional headers of the response to OPTIONS. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * The same, if the allowed methods depend on the path and the rights of the client.
 *
 * @param reasons What a 405 says, by method.
 */
export function allowAsked(
  all: readonly string[],
  allowed: (context: Context) => Allowed,
  reasons: Readonly<Partial<Record<string, string>>> = {},
): Handler {
  return ({ method }, context) => {
    if (all.includes(method)) return null;
    const isStandard = STANDARD_METHODS.includes(method);
    if (method !== "OPTIONS" && !isStandard) throw new HttpError(501, "The method is not supported");
    const { methods, headers } = allowed(context);
    const allow = [...new Set([...methods, "OPTIONS"])].join(", ");
    if (method === "OPTIONS") return new Response(null, { status: 204, headers: { ...headers, allow } });
    throw new HttpError(405, reasons[method] ?? "The method is not allowed here", { headers: { allow } });
  };
}
