/**
 * Redirects to another path of the site, such as a directory's with a trailing slash.
 *
 * @module
 */

import { locationFor } from "../core/location.ts";
import type { SitePath } from "../http/target.ts";
import type { Context } from "../core/types.ts";

/**
 * Redirects a directory's path to the one with a trailing slash, so that relative links work; null if the target has
 * the slash. 301 with an empty body, like Python; the Location is relative (`docs/`), so that it stays below a proxy's
 * prefix.
 *
 * @param cacheControl Without it, caches may keep the redirect indefinitely (RFC 9110 section 15.4.2), even after a
 * file has replaced the directory.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toFetch } from "@x/pyserve";
 * import { slashRedirect } from "@x/pyserve/handlers";
 *
 * const response = await toFetch((_request, context) => slashRedirect(context))(new Request("http://localhost/a/b?c"));
 * assert(response.headers.get("location") === "b/?c");
 * ```
 */
export function slashRedirect(context: Context, cacheControl = "no-cache"): Response | null {
  const { target } = context;
  if (target.slash) return null;
  return movedTo(context, { path: target.path, slash: true }, cacheControl);
}

/** Redirects to another path of the site, in the same way. */
export function movedTo(
  context: Context,
  { path, slash }: { readonly path: SitePath; readonly slash: boolean },
  cacheControl = "no-cache",
): Response {
  const location = locationFor(context, path, { slash, query: context.target.query });
  return new Response(null, {
    status: 301,
    headers: { location, "cache-control": cacheControl, "content-length": "0" },
  });
}
