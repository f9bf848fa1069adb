/**
 * What the server tells browsers and caches about its responses: loaded if an option asks for it.
 *
 * @module
 */

import type { Layer } from "../handlers/core/types.ts";
import { cachePolicy } from "../handlers/files/cache_policy.ts";
import { compress } from "../handlers/layers/compress.ts";
import { cors } from "../handlers/layers/cors.ts";
import { isolationHeaders } from "../handlers/layers/isolated.ts";
import type { FileServerOptions } from "../handlers/site/options.ts";
import type { PolicySettings } from "./settings.ts";

/** What the options mean to a file server. */
export interface Policies {
  /** Layers around those that identify users: a preflight request has no credentials. */
  readonly outer: readonly Layer[];
  /** Layers inside of these: the context of a client is derived faster before encoders are added. */
  readonly inner: readonly Layer[];
  /** Options that replace those of the settings. */
  readonly server: Pick<FileServerOptions, "cacheControl" | "headers">;
}

/** Converts the options; headers of the operator take the place of those that other options add. */
export function policiesOf(
  { origins, isIsolated, cache, isCompressed }: PolicySettings,
  { headers = [] }: Pick<FileServerOptions, "headers">,
): Policies {
  const given = new Set(headers.map(([name]) => name.toLowerCase()));
  // What pages of other origins may read, they may embed.
  const resources = origins === null ? "same-origin" : "cross-origin";
  const isolation = isIsolated ? isolationHeaders({ resources }).filter(([name]) => !given.has(name)) : [];
  return {
    outer: origins === null ? [] : [cors({ origins })],
    inner: isCompressed ? [compress()] : [],
    server: { headers: [...isolation, ...headers], ...(cache !== null && { cacheControl: cachePolicy(cache) }) },
  };
}
