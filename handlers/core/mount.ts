/**
 * Mounts a handler at a prefix.
 *
 * @module
 */

import { parseTarget, readablePath, type SitePath, type Target } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { derive } from "./derive.ts";
import { requireFunction } from "./origin.ts";
import { repeatableLike } from "./shortcuts.ts";
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
  const known = new Map<string, Place>();
  return repeatableLike([handler], (request, context) => {
    if (context.refusal) return refused(handler, request, context, path);
    const place = placeOf(context, path, known);
    if (place === null) return null;
    const { target, base } = place;
    return handler(request, derive(context, { target, base, ...rightsBelow(path, context) }));
  });
}

/** A target and a base, and what they are below the mount. */
interface Place {
  readonly from: Target;
  readonly fromBase: SitePath;
  readonly target: Target;
  readonly base: SitePath;
}

/** Maximum number of places that are kept by the target as sent, and the maximum length of that. */
const MAX_KNOWN = 1_000;
const MAX_KNOWN_LENGTH = 256;

/** Where a request leads below the mount; null if it does not. A target requested again is the same object. */
function placeOf({ target, base, requestTarget }: Context, path: SitePath, known: Map<string, Place>): Place | null {
  const last = known.get(requestTarget);
  if (last !== undefined && last.from === target && last.fromBase === base) return last;
  const below = target.path.below(path);
  if (below === null) return null;
  const place = { from: target, fromBase: base, target: { ...target, path: below }, base: base.join(path) };
  if (known.size >= MAX_KNOWN) known.clear();
  if (requestTarget.length <= MAX_KNOWN_LENGTH) known.set(requestTarget, place);
  return place;
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
