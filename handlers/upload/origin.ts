/**
 * Whether a request that writes comes from a page of this site, or from no page at all.
 *
 * @module
 */

import type { HostNames } from "../types.ts";

/**
 * Whether another site's page has sent a request. Every browser since 2023 says so by itself in Sec-Fetch-Site, but over
 * plain HTTP only of localhost; then, and in older ones, Origin or Referer tells. Programs send none of them, and cannot be
 * made to send anything by a page.
 */
export function isCrossSite({ headers, url }: Request, hosts: HostNames): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  const from = headers.get("origin") ?? headers.get("referer");
  return from !== null && !isOwnUrl(from, url, hosts);
}

/**
 * Whether a URL is one of this server: of the host and port that a request was sent to, or of a name that the operator has
 * given, by which a proxy in front may be asked that passes on another one.
 *
 * The scheme is not compared, because that proxy may have taken off the encryption. An address or `localhost` has to be the
 * one that was asked for: other servers may listen there, too. `null`, which is what a page without an origin says, and what
 * is no http or https URL, are nothing of this server.
 *
 * @param asked The URL of the request.
 */
export function isOwnUrl(url: string, asked: string, hosts: HostNames): boolean {
  const [theirs, ours] = [URL.parse(url), URL.parse(asked)];
  if (theirs === null || !/^https?:$/.test(theirs.protocol)) return false;
  return hosts.isGiven(theirs.host) || (ours !== null && isSameHost(theirs, ours));
}

/** The default port may be said or not, and the scheme that this server sees is not always the one that clients see. */
function isSameHost(theirs: URL, ours: URL): boolean {
  if (withoutDot(theirs.hostname) !== withoutDot(ours.hostname)) return false;
  if (theirs.port === ours.port) return true;
  return theirs.port === "" && ours.port === (theirs.protocol === "https:" ? "443" : "80");
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, "");
}
