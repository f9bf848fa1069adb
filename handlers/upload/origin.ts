/**
 * Whether a request that writes comes from a page of this site, or from no page at all.
 *
 * @module
 */

/**
 * Whether another site's page has sent a request. Every browser since 2023 says so by itself in Sec-Fetch-Site, older
 * ones by Origin or Referer; programs send none of them and are nobody's victim.
 *
 * The scheme is not compared: a proxy in front may have taken off the encryption.
 */
export function isCrossSite(headers: Headers, url: string): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  const from = headers.get("origin") ?? headers.get("referer");
  return from !== null && hostOf(from) !== hostOf(url);
}

/** The host and port of a URL; null for `null`, which a page without an origin says, and which equals nothing. */
function hostOf(url: string): string | null {
  return URL.parse(url)?.host ?? null;
}
