/**
 * What locks add to the methods of a site: LOCK and UNLOCK, and the If header of all that write.
 *
 * @module
 */

import { requireSameSite } from "../core/cross_site.ts";
import { requireOwnHost } from "../core/own_hosts.ts";
import type { Context, Handler } from "../core/types.ts";
import { requireIf } from "./if_condition.ts";
import type { LockSite } from "./lock_site.ts";
import { lock, unlock } from "./locking.ts";

/** Methods that neither write nor wait for locks. */
const READING = new Set(["GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND"]);

/** Answers LOCK and UNLOCK; requires the conditions of If for other methods that write, and declines these. */
export function lockHandler(site: LockSite): Handler {
  return (request, context) => {
    const { method, headers } = request;
    const isOwn = method === "LOCK" || method === "UNLOCK";
    if (READING.has(method) || !(isOwn || headers.has("if"))) return null;
    requireOwnHost(request, context);
    requireSameSite(request, context.hosts);
    return method === "UNLOCK" ? unlock(site, request, context) : answer(site, request, context);
  };
}

async function answer(site: LockSite, request: Request, context: Context): Promise<Response | null> {
  await requireIf(site, request, context);
  return request.method === "LOCK" ? await lock(site, request, context) : null;
}
