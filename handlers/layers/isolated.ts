/**
 * Cross-origin isolation: what browsers ask for before pages may use SharedArrayBuffer and precise timers.
 *
 * @module
 */

import { makesLayers } from "../core/chain.ts";
import type { Layer } from "../core/types.ts";
import { headers } from "./headers.ts";

/** Options of {@linkcode isolated}. */
export interface IsolatedOptions {
  /**
   * What pages may embed: `require-corp`, the default, only what allows it by a header (CORP or CORS); `credentialless`, also
   * other things, without cookies, in browsers that support it.
   */
  readonly embedder?: "require-corp" | "credentialless";
  /** Who may embed what this server sends: `same-origin`, the default, `same-site`, or `cross-origin`. */
  readonly resources?: "same-origin" | "same-site" | "cross-origin";
}

/**
 * A layer that isolates the pages of this server from other origins: `Cross-Origin-Opener-Policy`,
 * `Cross-Origin-Embedder-Policy`, `Cross-Origin-Resource-Policy`. Then `crossOriginIsolated` is true in them, if they come
 * over HTTPS or from localhost, and they can use SharedArrayBuffer.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { isolated } from "@x/pyserve/layers";
 *
 * const fetch = toFetch(fileServer(memory({ "a.html": "" }), { layers: [isolated()], log: false }));
 * const response = await fetch(new Request("http://localhost/a.html", { method: "HEAD" }));
 * assert(response.headers.get("cross-origin-opener-policy") === "same-origin");
 * ```
 *
 * @category Layers
 */
export function isolated(options: IsolatedOptions = {}): Layer {
  return headers(isolationHeaders(options));
}
makesLayers(isolated);

/** The headers of the layer. */
export function isolationHeaders(
  { embedder = "require-corp", resources = "same-origin" }: IsolatedOptions = {},
): [name: string, value: string][] {
  return [
    ["cross-origin-opener-policy", "same-origin"],
    ["cross-origin-embedder-policy", embedder],
    ["cross-origin-resource-policy", resources],
  ];
}
