/**
 * What the server tells browsers and caches about its responses: loaded if an option asks for it.
 *
 * @module
 */

import type { Layer } from "../handlers/core/types.ts";
import { cachePolicy } from "../handlers/files/cache_policy.ts";
import { cors } from "../handlers/layers/cors.ts";
import { isolationHeaders } from "../handlers/layers/isolated.ts";
import type { FileServerOptions } from "../handlers/site/options.ts";
import type { PolicySettings } from "./settings.ts";

/** What the options mean to a file server. */
export interface Policies {
  /** Layers around those that identify users: a preflight request has no credentials. */
  readonly layers: readonly Layer[];
  /** Options that replace those of the settings. */
  readonly server: Pick<FileServerOptions, "cacheControl" | "headers">;
}

/** Converts the options; headers of the operator take the place of those that other options add. */
export function policiesOf(
  { origins, isIsolated, cache }: PolicySettings,
  { headers = [] }: Pick<FileServerOptions, "headers">,
): Policies {
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  // What pages of other origins may read, they may embed.
  const resources = origins === null ? "same-origin" : "cross-origin";
  const isolation = isIsolated ? isolationHeaders({ resources }).filter(([name]) => !given.has(name)) : [];
  return {
    layers: origins === null ? [] : [cors({ origins })],
    server: { headers: [...isolation, ...headers], ...(cache !== null && { cacheControl: cachePolicy(cache) }) },
  };
}
