/**
 * The slash behind the name of a directory.
 *
 * @module
 */

import { locationOf } from "./http/target.ts";
import type { Context } from "./types.ts";

/**
 * The redirect from a directory's name to its path with a slash, so that relative links in it work; null where the
 * target has the slash. 301 with an empty body, as Python sends it; the Location has no host.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, slashRedirect, toFetch } from "@x/pyserve";
 *
 * const response = await toFetch((_request, context) => slashRedirect(context))(new Request("http://localhost//a/b"));
 * assert(response.headers.get("location") === "/a/b/");
 * ```
 */
export function slashRedirect({ target, base }: Context): Response | null {
  if (target.slash) return null;
  const location = locationOf(base.join(target.path), { slash: true, query: target.query });
  return new Response(null, { status: 301, headers: { location, "content-length": "0" } });
}
