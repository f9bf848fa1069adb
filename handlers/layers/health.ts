/**
 * The health check of containers and load balancers.
 *
 * @module
 */

import { internalsOf } from "../core/internals.ts";
import { makesLayers } from "../core/chain.ts";
import { markRepeatable } from "../core/shortcuts.ts";
import type { Layer } from "../core/types.ts";

/** Options of {@linkcode health}. */
export interface HealthOptions {
  /** The target, exactly as sent; defaults to `/-/health`. */
  readonly path?: string;
}

/**
 * A layer that answers `GET /-/health` with 200 and `ok`, as long as the server responds at all. Make it the outermost one:
 * then it needs no login, accepts any host name, as probes use the name of a container, and is not logged. It tells nothing
 * else.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch, wrap } from "@x/pyserve";
 * import { health } from "@x/pyserve/layers";
 *
 * const fetch = toFetch(wrap(fileServer(memory({}), { log: false }), health()));
 * const response = await fetch(new Request("http://localhost/-/health"));
 * assert(await response.text() === "ok\n");
 * ```
 *
 * @category Layers
 */
export function health({ path = "/-/health" }: HealthOptions = {}): Layer {
  return markRepeatable((next) => (request, context) => {
    if (context.requestTarget !== path || (request.method !== "GET" && request.method !== "HEAD")) {
      return next(request, context);
    }
    const { notes } = internalsOf(context);
    notes.logged = true;
    const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", server: "pyserve" };
    return notes.finished = new Response(request.method === "HEAD" ? null : "ok\n", { headers });
  });
}
makesLayers(health);
