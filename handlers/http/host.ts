/**
 * Judging the Host header before the URL is believed.
 *
 * Deno.serve pastes the header into `request.url` unchecked: with `Host: a/b`, a request for `/x` reads as `/b/x`.
 *
 * @module
 */

import { Refusal } from "./refusal.ts";

/** host [":" port], where host is a registered name, an IPv4 address or an IP literal in brackets (RFC 3986, 3.2.2). */
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** http or https, or what Deno.serve shows for a Unix socket; and no user name, which only a phisher would put there. */
const ABSOLUTE =
  /^(?:https?|http\+\w+):\/\/(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?(?:[/?#]|$)/i;

/** `http://localhost:PORT/`: what Deno.serve makes up for a request without Host. */
const MADE_UP = /^http:\/\/localhost:\d+(?:[/?#]|$)/;

/**
 * Says why a request cannot be answered because of the host it names, or null where it can.
 *
 * 400 for a Host that is no host, for a missing Host over plain HTTP/1.1, and for an absolute-form target of a scheme
 * other than http and https, without a host, or with a user name in it (RFC 9112 sections 3.2 and 3.2.2, RFC 9110 section
 * 4.2.4). HTTP/2 has no Host header and the version cannot be seen, so its absence is held against a request only where the
 * URL is the one that Deno makes up, and not where it says https. The price: an HTTP/1.0 client without Host is refused as
 * well, and so is cleartext HTTP/2 that names the host `localhost`; one of HTTP/1.1 with an absolute-form target is not. It
 * does not check that the host is ours.
 *
 * @param host The Host header, null where there is none.
 * @param url The URL as Deno.serve shows it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { judgeHost } from "@x/pyserve";
 *
 * assert(judgeHost("example.org:8000", "http://example.org:8000/x") === null);
 * assert(judgeHost("a/b", "http://a/b/x")?.status === 400);
 * ```
 */
export function judgeHost(host: string | null, url: string): Refusal | null {
  if (host === null) {
    if (MADE_UP.test(url)) return new Refusal(400, "The request has no Host header");
    return ABSOLUTE.test(url) ? null : new Refusal(400, "The target is not a plain http or https URL");
  }
  if (!HOST.test(host)) return new Refusal(400, "The Host header does not name a host");
  if (!ABSOLUTE.test(url)) return new Refusal(400, "The target is not a plain http or https URL");
  return null;
}
