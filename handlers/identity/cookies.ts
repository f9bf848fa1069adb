/**
 * The session cookie (RFC 6265bis).
 *
 * @module
 */

import type { Context } from "../core/types.ts";

/**
 * The name of the cookie. It contains the port, because cookies are shared by all servers of a host; over TLS, the prefix
 * keeps other hosts of the same domain from setting it.
 */
export function cookieName({ secure, local }: Context): string {
  const port = local === null ? "" : `-${local.port}`;
  return secure ? `__Host-pyserve${port}` : `pyserve${port}`;
}

/** The value of a cookie; null if there is none. */
export function cookieOf({ headers }: Request, name: string): string | null {
  const cookies = headers.get("cookie");
  if (cookies === null) return null;
  for (const pair of cookies.split(/; */)) {
    if (pair.startsWith(name) && pair[name.length] === "=") return pair.slice(name.length + 1);
  }
  return null;
}

/**
 * Set-Cookie for a session; without a value, deletes it.
 *
 * SameSite=Lax: sent when a link on another site is followed, but not with forms or scripts of other sites. HttpOnly: scripts
 * cannot read it, not even those of a served page.
 */
export function setCookie(context: Context, value: string, maxAgeSeconds: number): string {
  const secure = context.secure ? "; Secure" : "";
  return `${cookieName(context)}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
}
