/**
 * What the server tells browsers and caches about its responses: loaded if an option asks for it.
 *
 * @module
 */

import type { Layer } from "../handlers/core/types.ts";
import { cachePolicy } from "../handlers/files/cache_policy.ts";
import { compress } from "../handlers/layers/compress.ts";
import { cors } from "../handlers/layers/cors.ts";
import { isPair } from "../handlers/layers/headers.ts";
import { isolationHeaders } from "../handlers/layers/isolated.ts";
import type { FileServerOptions } from "../handlers/site/options.ts";
import { parseTarget } from "../handlers/http/target.ts";
import { Refusal } from "../handlers/http/refusal.ts";
import type { HeaderRule } from "../handlers/layers/headers.ts";
import { headersFor } from "../handlers/layers/headers_for.ts";
import type { PlacedRule, PolicySettings } from "./settings.ts";

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
  { origins, isIsolated, cache, isCompressed, rules }: PolicySettings,
  { headers = [] }: Pick<FileServerOptions, "headers">,
): Policies {
  const given = new Set(headers.filter(isPair).map(([name]) => name.toLowerCase()));
  // What pages of other origins may read, they may embed.
  const resources = origins === null ? "same-origin" : "cross-origin";
  const isolation = isIsolated ? isolationHeaders({ resources }).filter(([name]) => !given.has(name)) : [];
  return {
    outer: origins === null ? [] : [cors({ origins })],
    inner: isCompressed ? [compress()] : [],
    server: {
      headers: [...isolation, ...headers, ...rules.map(ruleOf)],
      ...(cache !== null && { cacheControl: cachePolicy(cache) }),
    },
  };
}

/** A rule; below a mount, with the paths of the site around it. */
function ruleOf({ patterns, fields, below }: PlacedRule): HeaderRule {
  const rule = headersFor(patterns, fields);
  const at = below === null ? null : parseTarget(below);
  if (at === null || at instanceof Refusal) return rule;
  return { ...rule, appliesTo: ({ path, slash }) => rule.appliesTo({ path: at.path.join(path), slash }) };
}
