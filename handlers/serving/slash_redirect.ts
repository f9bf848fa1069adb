/**
 * The slash behind the name of a directory.
 *
 * @module
 */

import { locationFor } from "../core/location.ts";
import type { Context } from "../core/types.ts";

/**
 * The redirect from a directory's name to its path with a slash, so that relative links in it work; null where the
 * target has the slash. 301 with an empty body, as Python sends it; the Location is relative (`docs/`), so that it stays
 * below the prefix of a proxy.
 *
 * @param cacheControl What caches may do with it: without it they may keep it indefinitely (RFC 9110 section 15.4.2), also
 * when a file has taken the directory's place.
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
