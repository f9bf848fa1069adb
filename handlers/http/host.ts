/**
 * Validates the Host header before the URL is trusted.
 *
 * Deno.serve inserts the header into `request.url` unvalidated: with `Host: a/b`, a request for `/x` appears as `/b/x`.
 *
 * @module
 */

import { Refusal } from "./refusal.ts";

/**
 * host [":" port], where host is a registered name, an IPv4 address or an IP literal in brackets (RFC 3986 section
 * 3.2.2).
 */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** http, https, or what Deno.serve reports for a Unix socket; no user name, which in practice only serves phishing. */
const ABSOLUTE =
  /^(?:https?|http\+\w+):\/\/(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?(?:[/?#]|$)/i;

/** `http://localhost:PORT/`: what Deno.serve substitutes if Host is missing. */
const MADE_UP = /^http:\/\/localhost:\d+(?:[/?#]|$)/;

/**
 * Checks the host of a request; returns the refusal, or null if it is acceptable.
 *
 * 400 for an invalid Host, for a missing Host over plain HTTP/1.1, and for an absolute-form target with a scheme other
 * than http and https, without a host, or with user information (RFC 9112 sections 3.2 and 3.2.2, RFC 9110 section
 * 4.2.4). HTTP/2 has no Host header and Deno does not report the protocol version, so a missing Host is an error only
 * if the URL is the one that Deno substitutes, and is not https. Limitations: HTTP/1.0 clients without Host are refused
 * too, as is cleartext HTTP/2 to `localhost`; an HTTP/1.1 request with an absolute-form target but no Host is accepted.
 * Does not check whether the host is one of ours.
 *
 * @param host The value of Host, or null.
 * @param url The URL as reported by Deno.serve.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(judgeHost("example.org:8000", "http://example.org:8000/x") === null);
 * assert(judgeHost("a/b", "http://a/b/x")?.status === 400);
 * ```
 */
export function judgeHost(host: string | null, url: string): Refusal | null {
  if (host === null) {
    if (MADE_UP.test(url)) return new Refusal(400, "The request has no Host header");
    return ABSOLUTE.test(url) ? null : new Refusal(400, "The target must be a path or an http or https URL");
  }
  if (!HOST.test(host)) return new Refusal(400, "The Host header is invalid");
  if (!ABSOLUTE.test(url)) return new Refusal(400, "The target must be a path or an http or https URL");
  return null;
}

/** Whether a text is an origin as browsers send it: `https://app.example`, or that of an app or an extension. */
export function isOrigin(text: string): boolean {
  const url = URL.parse(text);
  if (url === null) return false;
  if (/^https?:$/.test(url.protocol)) return url.origin === text;
  return url.host !== "" && text === `${url.protocol}//${url.host}`;
}

/** A host name or address as URLs have it: IPv6 addresses in brackets (RFC 3986 section 3.2.2). */
export function urlHost(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
