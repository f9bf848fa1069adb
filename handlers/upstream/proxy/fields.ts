/**
 * The header fields of requests and responses that a proxy passes on.
 *
 * @module
 */

import type { Context } from "../../core/types.ts";
import { withoutSessions } from "../../identity/cookies.ts";
import { clientLocation } from "./paths.ts";
import type { ResponseHead } from "./response_head.ts";
import type { Upstream } from "./upstream_url.ts";
import type { SitePath } from "../../http/target.ts";

/** Fields for one connection (RFC 9110 section 7.6.1). */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authentication-info",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Fields of requests that this server sets itself, or that only a proxy may set; and `Proxy`, which becomes HTTP_PROXY
 * in CGI programs (CVE-2016-5385, httpoxy).
 */
const OWN: ReadonlySet<string> = new Set([
  "content-length",
  "expect",
  "forwarded",
  "host",
  "proxy",
  "remote-user",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-proto",
  "x-forwarded-server",
  "x-forwarded-user",
  "x-real-ip",
  "x-remote-user",
]);

/** Fields of responses that the transport or the file server sets. */
const OF_SERVER: ReadonlySet<string> = new Set(["content-length", "date", "server"]);

/** What {@linkcode requestFields} needs to know. */
export interface Forwarding {
  readonly upstream: Upstream;
  /** Whether to pass on Authorization and the session cookies of this server. */
  readonly passAuth: boolean;
  /** The value of Via. */
  readonly via: string;
}

/** The fields of the request to the application, except Host and those that frame the body. */
export function requestFields(
  request: Request,
  context: Context,
  { passAuth, via }: Forwarding,
): [name: string, value: string][] {
  const fields: [string, string][] = [];
  const dropped = connectionOptions(request.headers);
  for (const [name, value] of request.headers) {
    // WSGI and CGI cannot tell X_Real_IP from X-Real-IP.
    if (HOP_BY_HOP.has(name) || OWN.has(name.replaceAll("_", "-")) || dropped.has(name)) continue;
    if (name === "authorization" && !passAuth) continue;
    const shown = name === "cookie" && !passAuth ? withoutSessions(value) : value;
    if (shown !== null) fields.push([name, shown]);
  }
  return [...fields, ...forwardedFields(request, context), ["via", via]];
}

/** Who has sent the request to whom, in both forms: RFC 7239, and the older one. */
function forwardedFields(
  request: Request,
  { remoteAddress, secure, user }: Context,
): [name: string, value: string][] {
  const client = remoteAddress.replace(/%.*/s, "");
  const address = client === "unix" ? "" : client;
  const host = request.headers.get("host") ?? /^[^:]+:\/\/([^/?#]*)/.exec(request.url)?.[1] ?? "";
  const proto = secure ? "https" : "http";
  const node = address === "" ? "unknown" : address.includes(":") ? `"[${address}]"` : address;
  const fields: [string, string][] = [
    ["x-forwarded-host", host],
    ["x-forwarded-proto", proto],
    ["forwarded", `for=${node};host="${host.replace(/["\\]/g, "")}";proto=${proto}`],
  ];
  if (address !== "") fields.push(["x-forwarded-for", address]);
  if (user !== null) fields.push(["x-forwarded-user", bytesOf(user)]);
  return fields;
}

/** Header values are bytes: UTF-8, one character for each. */
function bytesOf(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** The fields that Connection names, in lower case. */
function connectionOptions(headers: Headers): ReadonlySet<string> {
  const names = (headers.get("connection") ?? "").toLowerCase().split(",").map((name) => name.trim());
  return new Set(names);
}

/** The headers of the response to the client. Cookies stay as they are, paths included. */
export function responseHeaders(
  head: ResponseHead,
  context: Context,
  prefix: SitePath,
  upstream: Upstream,
): Headers {
  const headers = new Headers();
  const named = head.fields.filter(([name]) => name.toLowerCase() === "connection").map(([, value]) => value);
  const dropped = new Set(named.join(",").toLowerCase().split(",").map((name) => name.trim()));
  for (const [name, value] of head.fields) {
    const lower = name.toLowerCase();
    if (HOP_BY_HOP.has(lower) || OF_SERVER.has(lower) || dropped.has(lower)) continue;
    if (lower === "location") headers.set(name, clientLocation(value, context, prefix, upstream));
    else if (lower === "content-type") headers.set(name, value);
    else headers.append(name, value);
  }
  if (head.length !== null) headers.set("content-length", String(head.length));
  return headers;
}
