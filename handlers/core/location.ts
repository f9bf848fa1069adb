/**
 * The target of redirects.
 *
 * @module
 */

import { relativeReference } from "../http/relative.ts";
import type { SitePath } from "../http/target.ts";
import type { Context } from "./types.ts";

/**
 * The Location for a path below the same mount as the target: relative to the request target, so that it stays below a
 * proxy's prefix.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toFetch } from "@x/pyserve";
 * import { locationFor } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch((_request, context) => {
 *   return new Response(null, { status: 303, headers: { location: locationFor(context, context.target.path.parent!) } });
 * });
 * const response = await fetch(new Request("http://localhost/a/b/c"));
 * assert(response.headers.get("location") === "../b");
 * ```
 */
export function locationFor(
  { base, requestTarget }: Context,
  path: SitePath,
  options: { slash?: boolean; query?: string } = {},
): string {
  return relativeReference(requestTarget, base.join(path), options);
}
