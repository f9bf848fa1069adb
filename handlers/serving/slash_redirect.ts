/**
 * The redirect to a directory's path with a trailing slash.
 *
 * @module
 */

import { locationFor } from "../core/location.ts";
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
  const location = locationFor(context, target.path, { slash: true, query: target.query });
  return new Response(null, {
    status: 301,
    headers: { location, "cache-control": cacheControl, "content-length": "0" },
  });
}
