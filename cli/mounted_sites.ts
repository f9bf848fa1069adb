/**
 * Mounts with settings of their own, each served as a site; loaded if there are any.
 *
 * @module
 */

import { mount } from "../handlers/core/mount.ts";
import { repeatableLike } from "../handlers/core/shortcuts.ts";
import type { Handler, Layer } from "../handlers/core/types.ts";
import { readablePath, type SitePath } from "../handlers/http/target.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { handlerFor, type OpenSite, openSite, type SharedParts } from "./root.ts";
import type { MountSettings, SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl, type MountPoint } from "./values.ts";

/** Opened mounts. */
export interface OpenMounts {
  /** Answers the requests for them, instead of the layers inside and the site around them. */
  readonly layer: Layer;
  readonly features: readonly Feature[];
}

/** A mount by its path; null if it is a part of the site around it. */
interface Point {
  readonly at: SitePath;
  readonly handler: Handler | null;
}

/** Opens those of the mounts that have settings of their own. Throws {@linkcode StartError}. */
export async function openMounts(mounts: readonly MountSettings[], shared: SharedParts): Promise<OpenMounts> {
  const points: Point[] = [];
  const features: Feature[] = [];
  for (const { prefix, path, site } of mounts) {
    if (site !== null) checkThere(prefix, path);
    const open = site && await openOne(site, shared);
    features.push(...open?.features ?? []);
    const handler = open && mount(prefix, await handlerFor(open, null, mountsBelow(prefix, mounts)));
    points.push({ at: readablePath(prefix), handler });
  }
  points.sort((a, b) => b.at.segments.length - a.at.segments.length); // the longest prefix counts
  return { features, layer: layerOf(points) };
}

/** The mounts below another one, with paths relative to it. */
function mountsBelow(outer: string, mounts: readonly MountSettings[]): MountPoint[] {
  const inside = mounts.filter(({ prefix }) => prefix.startsWith(`${outer}/`));
  return inside.map(({ prefix, path }) => ({ prefix: prefix.slice(outer.length), path }));
}

/** Targets as sent that are known to lead to no mount, so that they need not be parsed for that again. */
const MAX_KNOWN = 1_000;

function layerOf(points: readonly Point[]): Layer {
  const elsewhere = new Set<string>();
  const handlers = points.flatMap(({ handler }) => handler ?? []);
  return repeatableLike(handlers, (next) => (request, context) => {
    const { requestTarget } = context;
    if (elsewhere.has(requestTarget)) return next(request, context);
    for (const { at, handler } of points) {
      if (handler === null && context.target.path.below(at) !== null) break;
      const response = handler?.(request, context) ?? null;
      if (response !== null) return response;
    }
    if (elsewhere.size >= MAX_KNOWN) elsewhere.clear();
    if (context.refusal === null) elsewhere.add(requestTarget);
    return next(request, context);
  });
}

function checkThere(prefix: string, path: string): void {
  if (isStoreUrl(path)) return;
  try {
    Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot mount "${path}" at ${prefix}: ${StartError.reason(error)}`);
  }
}

/** Without a log: that of the site around it has a line for each request. */
async function openOne(site: SiteSettings, shared: SharedParts): Promise<OpenSite> {
  const open = await openSite(site, shared);
  return { ...open, parts: { ...open.parts, log: false } };
}
