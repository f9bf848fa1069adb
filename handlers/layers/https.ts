/**
 * Layers for servers with HTTPS: the redirect from plain HTTP, Strict-Transport-Security, and the certificate of the
 * authority.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { passedByErrors } from "../core/chain.ts";
import { errorResponse, HttpError } from "../core/errors.ts";
import { NOT_OWN, usesOwnHost } from "../core/own_hosts.ts";
import type { Context, Layer } from "../core/types.ts";
import { isNamedHost } from "../http/own_host.ts";

const HTTPS_PORT = 443;

/** Options of {@linkcode redirectToHttps}. */
export interface RedirectOptions {
  /** The port of the HTTPS server, or a function that returns it; defaults to 443. */
  readonly port?: number | (() => number);
}

/**
 * A layer that redirects plain HTTP to the same path with HTTPS, by 308, which keeps the method. Requests that have
 * come by HTTPS go to the handler.
 *
 * The host of the request must be one of the server's own (an address, `localhost`, the machine's name, or one of
 * `hosts` of `toFetch`), otherwise the response is 421: a redirect must not lead to any other site. It is not to be
 * stored, because the port may serve something else later. Behind a proxy, it needs `trustedProxies` of `toFetch`:
 * otherwise what has come to the proxy by HTTPS would be redirected for ever.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch, wrap } from "@x/pyserve";
 * import { redirectToHttps } from "@x/pyserve/layers";
 *
 * const fetch = toFetch(wrap(files(memory({ "a.txt": "a" })), redirectToHttps({ port: 8443 })));
 * const response = await fetch(new Request("http://localhost:8080/a.txt?x"));
 * assert(response.status === 308 && response.headers.get("location") === "https://localhost:8443/a.txt?x");
 * ```
 *
 * @category Layers
 */
export function redirectToHttps({ port = HTTPS_PORT }: RedirectOptions = {}): Layer {
  return (next) => (request, context) => {
    if (context.secure || context.refusal !== null) return next(request, context);
    if (!usesOwnHost(request, context.hosts)) return errorResponse(HttpError.from(NOT_OWN));
    const number = typeof port === "number" ? port : port();
    const { requestTarget: target } = context;
    const place = `${hostOf(request)}${number === HTTPS_PORT ? "" : `:${number}`}`;
    const location = `https://${place}${target.startsWith("/") ? target : "/"}`;
    return new Response(null, { status: 308, headers: { location, "cache-control": "no-store" } });
  };
}

/** The host of the URL, which is the one of an absolute-form target or else of Host, without the port. */
function hostOf({ url }: Request): string {
  return (/^https?:\/\/([^/?#]*)/i.exec(url)?.[1] ?? "").replace(/:\d*$/, "");
}

/**
 * A layer that sets `Strict-Transport-Security` (RFC 6797) on responses over HTTPS: for so many seconds, browsers use
 * only HTTPS for this host name, on every port, and do not let users ignore errors of certificates. 0 ends that.
 *
 * Not on responses over plain HTTP, where browsers ignore it, and not to requests for an address or for `localhost`,
 * where it would break every other server of a developer. Subdomains are not included.
 *
 * @throws {RangeError} For anything that is not a whole number of seconds.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch, wrap } from "@x/pyserve";
 * import { hsts } from "@x/pyserve/layers";
 *
 * const fetch = toFetch(wrap(files(memory({ "a.txt": "a" })), hsts(86_400)));
 * const response = await fetch(new Request("https://files.example/a.txt", { method: "HEAD" }));
 * assert(response.headers.get("strict-transport-security") === "max-age=86400");
 * ```
 *
 * @category Layers
 */
export function hsts(seconds: number): Layer {
  if (!Number.isSafeInteger(seconds) || seconds < 0) throw new RangeError("hsts takes a whole number of seconds");
  const value = `max-age=${seconds}`;
  return passedByErrors("hsts", (next) => (request, context) =>
    then(next(request, context), (response) => {
      if (response && context.secure && isNamedHost(hostOf(request))) {
        response.headers.set("strict-transport-security", value);
      }
      return response;
    }));
}

/** Where the certificate of the authority is. */
export const AUTHORITY_PATH = "/.pyserve/ca.crt";

/**
 * A layer that answers `/.pyserve/ca.crt` with the certificate of an authority, by which browsers and systems install
 * it. It is public: put it outside of authentication.
 *
 * @param current Returns the certificate, PEM.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch, wrap } from "@x/pyserve";
 * import { localTls } from "@x/pyserve/handlers";
 * import { authorityFile } from "@x/pyserve/layers";
 *
 * using tls = await localTls();
 * const fetch = toFetch(wrap(files(memory({})), authorityFile(() => tls.authority)));
 * const response = await fetch(new Request("http://localhost/.pyserve/ca.crt"));
 * assert(response.headers.get("content-type") === "application/x-x509-ca-cert");
 * await response.body?.cancel();
 * ```
 *
 * @category Layers
 */
export function authorityFile(current: () => string): Layer {
  return (next) => (request, context) => {
    // Most requests are told apart by their end, without parsing them.
    if (!request.url.endsWith(AUTHORITY_PATH) || !isAuthorityPath(context)) return next(request, context);
    if (request.method !== "GET" && request.method !== "HEAD") {
      return errorResponse(new HttpError(405, undefined, { headers: { allow: "GET, HEAD" } }));
    }
    const body = new TextEncoder().encode(current());
    return new Response(request.method === "HEAD" ? null : body, {
      headers: {
        "content-type": "application/x-x509-ca-cert",
        "content-length": String(body.length),
        "cache-control": "no-cache",
        "x-content-type-options": "nosniff",
      },
    });
  };
}

function isAuthorityPath({ refusal, requestTarget }: Context): boolean {
  return refusal === null && requestTarget === AUTHORITY_PATH;
}
