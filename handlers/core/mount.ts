/**
 * A handler under a prefix.
 *
 * @module
 */

import { parseTarget, readablePath, type SitePath } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { type Context, derive, type Handler } from "./types.ts";

/**
 * Puts a handler under a path prefix; requests elsewhere are declined.
 *
 * The prefix is compared segment by segment after decoding, so `/docs` is not the prefix of `/docs-old`, and `/%64ocs`
 * is (CVE-2018-19052, GHSA-gx7w-56w6-g48x). Redirects and breadcrumbs of the handler have the prefix in front.
 *
 * @param prefix A path such as `/docs`; a slash at the end makes no difference.
 * @throws TypeError where the prefix is no path.
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
 */
export function mount(prefix: string, handler: Handler): Handler {
  const path = prefixPath(prefix);
  return (request, context) => {
    if (context.refusal) return refused(handler, request, context, path);
    const below = context.target.path.below(path);
    if (below === null) return null;
    const target = { ...context.target, path: below };
    const rights = context.view === "" ? {} : rightsBelow(path, context);
    return handler(request, derive(context, { target, base: context.base.join(path), ...rights }));
  };
}

/** The same rights, asked with paths that the mount has taken its prefix off. */
function rightsBelow(prefix: SitePath, context: Context): Pick<Context, "may" | "view"> {
  return { may: (right, path) => context.may(right, prefix.join(path)), view: context.view };
}

/** A request that is refused is one for what it would have been for, as far as its path can be read. */
function refused(handler: Handler, request: Request, context: Context, path: SitePath): ReturnType<Handler> {
  const base = context.base.join(path);
  if (readablePath(context.requestTarget).below(base) === null) return null;
  return handler(request, derive(context, { base }));
}

function prefixPath(prefix: string): SitePath {
  const target = prefix.startsWith("/") ? parseTarget(prefix) : new Refusal(400, "It does not begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot mount at "${prefix}": ${target.reason}`);
  return target.path;
}
