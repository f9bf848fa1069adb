/**
 * The URL of an application to which requests are passed on.
 *
 * @module
 */

import type { UpstreamAddress } from "../connection.ts";

/** An application that speaks HTTP/1.1. */
export interface Upstream {
  readonly address: UpstreamAddress;
  /** The name in its certificate, for https; null for http. */
  readonly tlsName: string | null;
  /** Its Host. */
  readonly host: string;
  /** Scheme, host and port, as in a Location that it sends; for a Unix socket, `http://localhost`. */
  readonly origin: string;
  /** What replaces the prefix of the path, without a trailing slash; null if paths stay as they are. */
  readonly path: string | null;
}

/**
 * Parses `http://HOST[:PORT][/PATH]`, `https://…` or `unix:/PATH`; returns a text that says what is wrong.
 *
 * As with nginx, a path replaces the prefix: `/api=http://host/` makes `/api/a` `/a`; without a path, even `/`, the path
 * stays as it is.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const upstream = parseUpstream("http://127.0.0.1:3000");
 * assert(typeof upstream === "object" && upstream.host === "127.0.0.1:3000" && upstream.path === null);
 * assert(typeof parseUpstream("ftp://127.0.0.1") === "string");
 * ```
 */
export function parseUpstream(text: string): Upstream | string {
  if (text.startsWith("unix:/")) {
    const address = { transport: "unix", path: text.slice("unix:".length) } as const;
    return { address, tlsName: null, host: "localhost", origin: "http://localhost", path: null };
  }
  const url = URL.parse(text);
  if (url === null || !/^https?:\/\//i.test(text) || !/^https?:$/.test(url.protocol)) {
    return "it is not a URL such as http://127.0.0.1:3000";
  }
  if (url.username !== "" || url.password !== "") return "it contains a password";
  if (url.search !== "" || url.hash !== "") return "it has a query or a fragment";
  const isSecure = url.protocol === "https:";
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const hasPath = /^[^:]+:\/\/[^/]*\//.test(text);
  return {
    address: { transport: "tcp", hostname, port: Number(url.port || (isSecure ? 443 : 80)) },
    tlsName: isSecure ? hostname : null,
    host: url.host,
    origin: url.origin,
    path: hasPath ? url.pathname.replace(/\/$/, "") : null,
  };
}
