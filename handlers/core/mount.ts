/**
 * Mounts a handler at a prefix.
 *
 * @module
 */

import { parseTarget, readablePath, type SitePath } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { derive } from "./derive.ts";
import { requireFunction } from "./origin.ts";
import type { Context, Handler } from "./types.ts";

/**
 * Mounts a handler at a path prefix; other requests are declined.
 *
 * The prefix is compared segment by segment after decoding: `/docs` does not match `/docs-old`, but matches `/%64ocs`
 * (CVE-2018-19052, GHSA-gx7w-56w6-g48x). Redirects and breadcrumbs of the handler include the prefix.
 *
 * @param prefix A path such as `/docs`; a trailing slash makes no difference.
 * @throws TypeError If the prefix is not a valid path.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, mount, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(mount("/docs", files(memory({ "a.txt": "a" }))));
 * const response = await fetch(new Request("http://localhost/docs/a.txt"));
 * assert(await response.text() === "a");
 * ```
 *
 * @category Composition
 */
export function mount(prefix: string, handler: Handler): Handler {
  requireFunction(handler, `the handler mounted at "${prefix}"`);
  const path = prefixPath(prefix);
  return (request, context) => {
    if (context.refusal) return refused(handler, request, context, path);
    const below = context.target.path.below(path);
    if (below === null) return null;
    const target = { ...context.target, path: below };
    return handler(request, derive(context, { target, base: context.base.join(path), ...rightsBelow(path, context) }));
  };
}

/** The same rights, for paths relative to the mount. */
function rightsBelow(prefix: SitePath, context: Context): Partial<Pick<Context, "may" | "view">> {
  if (context.view === "") return {};
  return { may: (right, path) => context.may(right, prefix.join(path)), view: context.view };
}

/**
 * A refused request belongs to the mount that its path leads to, as far as the path can be parsed. It needs rights, too: a
 * program may accept the encoded slash for which the request is refused.
 */
function refused(handler: Handler, request: Request, context: Context, path: SitePath): ReturnType<Handler> {
  const base = context.base.join(path);
  if (readablePath(context.requestTarget).below(base) === null) return null;
  return handler(request, derive(context, { base, ...rightsBelow(path, context) }));
}

function prefixPath(prefix: string): SitePath {
  const target = prefix.startsWith("/") ? parseTarget(prefix) : new Refusal(400, "It must begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot mount at "${prefix}": ${target.reason}`);
  return target.path;
}
