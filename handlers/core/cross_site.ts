/**
 * Cross-site request forgery protection for requests that write.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import type { HostNames } from "./types.ts";

/**
 * Whether a request was sent by a page of another site. Every browser since 2023 says so in Sec-Fetch-Site, but over
 * plain HTTP only for localhost; otherwise, and in older browsers, Origin or Referer tells. Programs send none of
 * these, and a page cannot make them send anything.
 */
export function isCrossSite({ headers, url }: Request, hosts: HostNames): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  const from = headers.get("origin") ?? headers.get("referer");
  return from !== null && !isOwnUrl(from, url, hosts);
}

/** Throws 403 for a request that was sent by a page of another site. */
export function requireSameSite(request: Request, hosts: HostNames): void {
  if (isCrossSite(request, hosts)) throw new HttpError(403, "The request was sent by a page of another site");
}

/**
 * Whether a URL belongs to the same site of this server: its host and port are those of the request, or a host name
 * configured by the operator, which a reverse proxy may have replaced in Host.
 *
 * The scheme is not compared, because a proxy may terminate TLS. An IP address or `localhost` must equal the request's,
 * including the port, because other servers may listen there too. `null`, the value for an opaque origin, and anything
 * that is not an http or https URL do not match.
 *
 * @param requested The URL of the request.
 */
export function isOwnUrl(url: string, requested: string, hosts: HostNames): boolean {
  const [theirs, ours] = [URL.parse(url), URL.parse(requested)];
  if (theirs === null || !/^https?:$/.test(theirs.protocol)) return false;
  return isGivenFor(theirs, ours, hosts) || (ours !== null && isSameHost(theirs, ours));
}

/** Another configured name is that of another virtual host, unless the one of the request has been replaced. */
function isGivenFor(theirs: URL, ours: URL | null, hosts: HostNames): boolean {
  if (!hosts.isGiven(theirs.host)) return false;
  return ours === null || !hosts.isGiven(ours.host) || withoutDot(theirs.hostname) === withoutDot(ours.hostname);
}

/** The default port may be explicit or not, and the scheme seen by this server is not always the one clients see. */
function isSameHost(theirs: URL, ours: URL): boolean {
  if (withoutDot(theirs.hostname) !== withoutDot(ours.hostname)) return false;
  if (theirs.port === ours.port) return true;
  return theirs.port === "" && ours.port === (theirs.protocol === "https:" ? "443" : "80");
}

function withoutDot(name: string): string {
  return name.replace(/\.$/, "");
}
