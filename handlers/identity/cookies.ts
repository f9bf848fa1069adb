/**
 * The session cookie (RFC 6265bis).
 *
 * @module
 */

import type { Context } from "../core/types.ts";

/** The port in the URL of a request. */
const PORT = /^https?:\/\/[^/]*:(\d+)\//;

/**
 * The name of the cookie. It contains the port, because cookies are shared by all servers of a host: that of the request's
 * URL, as several servers behind one proxy have ports of their own. Over TLS, the prefix keeps other hosts of the same
 * domain from setting it.
 */
export function cookieName({ url }: Request, { secure }: Context): string {
  const port = PORT.exec(url)?.[1];
  const name = port === undefined ? "pyserve" : `pyserve-${port}`;
  return secure ? `__Host-${name}` : name;
}

/** How many cookies of one name are looked at. */
const MAX_SAME = 4;

/**
 * The values of a cookie, the one with the longest path first: another server on this host may have set one with the same
 * name. At most four.
 *
 * @param cookies The Cookie header.
 */
export function cookiesNamed(name: string, cookies: string): string[] {
  const values: string[] = [];
  const start = `${name}=`;
  for (let at = cookies.indexOf(start); at >= 0 && values.length < MAX_SAME; at = cookies.indexOf(start, at + 1)) {
    if (!isBeginning(cookies, at)) continue;
    const end = cookies.indexOf(";", at);
    values.push(cookies.slice(at + start.length, end < 0 ? undefined : end));
  }
  return values;
}

/** Whether a pair begins there: `xname=` is not `name=`. */
function isBeginning(cookies: string, at: number): boolean {
  while (at > 0 && cookies[at - 1] === " ") at--;
  return at === 0 || cookies[at - 1] === ";";
}

/** Session cookies of this server, and of others on the same host. */
const SESSION = /^(?:__Host-)?pyserve(?:-\d+)?=/;

/** A Cookie header without sessions: whoever has one can act as the user. Null if nothing is left. */
export function withoutSessions(cookies: string): string | null {
  if (!cookies.includes("pyserve")) return cookies;
  const others = cookies.split(/; */).filter((pair) => !SESSION.test(pair.trim()));
  return others.length === 0 ? null : others.join("; ");
}

/**
 * Set-Cookie for a session; without a value, deletes it.
 *
 * SameSite=Lax: sent when a link on another site is followed, but not with forms or scripts of other sites. HttpOnly: scripts
 * cannot read it, not even those of a served page.
 */
export function setCookie(request: Request, context: Context, value: string, maxAgeSeconds: number): string {
  const secure = context.secure ? "; Secure" : "";
  return `${cookieName(request, context)}=${value}; Path=/; Max-Age=${maxAgeSeconds}; HttpOnly; SameSite=Lax${secure}`;
}
