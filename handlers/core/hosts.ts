/**
 * Virtual hosts: one handler for each host name.
 *
 * @module
 */

import { internalsOf } from "./internals.ts";
import { rawOrigin } from "../http/target.ts";
import { requireFunction } from "./origin.ts";
import { repeatableLike } from "./shortcuts.ts";
import type { Context, Handler } from "./types.ts";

/** A host name, perhaps with `*.` for all subdomains of one; without a port. */
const NAME = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i;

/**
 * Answers each request by the handler for its host name; declines for all others.
 *
 * `*.example.org` stands for all subdomains of `example.org`, but not for `example.org` itself. A full name comes
 * before a pattern, a longer pattern before a shorter one. Case, the port, and a dot at the end make no difference.
 *
 * The name is whatever the client sends, so it says nothing about who the client is. Pass the names to `toFetch` as
 * `hosts` as well: then all others are refused with 421, and what writes or runs programs is accepted under these.
 *
 * @param sites Handlers by host name, in ASCII (`xn--` for other letters).
 * @throws {TypeError} If a name is not a host name, or one is given twice.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { chain, fileServer, hosts, memory, toFetch } from "@x/pyserve";
 *
 * const sites = {
 *   "a.example": fileServer(memory({ "index.html": "site A" }), { log: false }),
 *   "*.b.example": fileServer(memory({ "index.html": "site B" }), { log: false }),
 * };
 * const main = fileServer(memory({ "index.html": "main" }), { log: false });
 * const fetch = toFetch(chain(hosts(sites), main), { hosts: Object.keys(sites) });
 * const ask = async (url: string) => {
 *   const response = await fetch(new Request(url));
 *   return response.ok ? await response.text() : response.status;
 * };
 * assertEquals(await ask("http://a.example/"), "site A");
 * assertEquals(await ask("http://www.b.example/"), "site B");
 * assertEquals(await ask("http://localhost/"), "main");
 * assertEquals(await ask("http://unknown.example/"), 421);
 * ```
 *
 * @category Composition
 */
export function hosts(sites: Readonly<Record<string, Handler>>): Handler {
  const byName = new Map<string, Handler>();
  for (const [given, handler] of Object.entries(sites)) {
    requireFunction(handler, `the handler of the host "${given}"`);
    const name = given.toLowerCase();
    if (!NAME.test(name)) throw new TypeError(`Cannot serve the host "${given}": it is not a host name without a port`);
    if (byName.has(name)) throw new TypeError(`Cannot serve the host "${given}": it is given twice`);
    byName.set(name, handler);
  }
  // Most requests are for the same name as the one before.
  let [last, site]: [string, Handler | null] = ["", null];
  return repeatableLike([...byName.values()], (request, context) => {
    const authority = authorityOf(request, context);
    if (authority !== last) [last, site] = [authority, handlerFor(hostname(authority), byName)];
    return site === null ? null : site(request, context);
  });
}

/** The handler for a name: its own, or that of the longest pattern. */
function handlerFor(name: string, byName: ReadonlyMap<string, Handler>): Handler | null {
  const own = byName.get(name);
  if (own) return own;
  for (let dot = name.indexOf("."); dot >= 0; dot = name.indexOf(".", dot + 1)) {
    const handler = byName.get(`*${name.slice(dot)}`);
    if (handler) return handler;
  }
  return null;
}

/**
 * The authority of the URL, which overrides Host if the target is absolute (RFC 9112 section 3.2.2). For a Unix socket
 * (`http+unix:`), the runtime puts the path of the socket there.
 */
function authorityOf(request: Request, context: Context): string {
  const url = internalsOf(context).urlOf(request);
  return /^https?:/.test(url) ? rawOrigin(url).replace(/^\w+:\/\//, "") : request.headers.get("host") ?? "";
}

function hostname(authority: string): string {
  return authority.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}
