/**
 * The If header as a condition of a request: entity tags of files and tokens of locks (RFC 4918 section 10.4).
 *
 * @module
 */

import { isOwnUrl } from "../core/cross_site.ts";
import { HttpError } from "../core/errors.ts";
import type { Context } from "../core/types.ts";
import { weakMatch } from "../http/etag.ts";
import { ifHolds, parseIf } from "../http/if_header.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, rawTarget, type SitePath } from "../http/target.ts";
import { readable } from "../serving/rights.ts";
import type { LockSite } from "./lock_site.ts";

/** Throws 400 for a malformed If header, and 412 if it does not hold. What the client cannot read has no entity tag. */
export async function requireIf(
  { store, locks, settings }: LockSite,
  request: Request,
  context: Context,
): Promise<void> {
  const value = request.headers.get("if");
  if (value === null) return;
  const header = parseIf(value);
  if (header === null) throw new HttpError(400, "If is malformed, longer than 8 KiB, or too complex");
  const source = readable(store.source, context);
  const tags = new Map<string, Promise<string | null>>();
  const tagOf = (path: SitePath) => {
    const found = async () => {
      const stat = await source.stat(path);
      return stat && settings.etagOf(path, stat);
    };
    const tag = tags.get(path.text) ?? found();
    tags.set(path.text, tag);
    return tag;
  };
  const pathOf = (resource: string | null) =>
    resource === null ? context.target.path : ownPath(resource, request, context);
  const holds = await ifHolds(header, {
    hasToken(resource, token) {
      const path = pathOf(resource);
      return path !== null && locks.current().find(token, path) !== null;
    },
    async hasEtag(resource, etag) {
      const path = pathOf(resource);
      const tag = path && await tagOf(path);
      return tag !== null && weakMatch(withoutCoding(etag), tag);
    },
  });
  if (!holds) throw new HttpError(412, "The conditions of the If header do not hold");
}

/** The tag of the file itself, for that of a compressed response. */
function withoutCoding(etag: string): string {
  return etag.replace(/-(?:br|gzip|zstd)"$/, '"');
}

/** The path of a URL on this server, below the same mount; null for any other URL, which has no state here. */
function ownPath(url: string, request: Request, { base, hosts }: Context): SitePath | null {
  const isPath = /^\/(?!\/)/.test(url);
  if (!isPath && !isOwnUrl(url, request.url, hosts)) return null;
  const target = parseTarget(isPath ? url : rawTarget(url));
  return target instanceof Refusal ? null : target.path.below(base);
}
