/**
 * Mounts with settings of their own, each served as a site; loaded if there are any.
 *
 * @module
 */

import { mount } from "../handlers/core/mount.ts";
import type { Handler, Layer } from "../handlers/core/types.ts";
import { readablePath, type SitePath } from "../handlers/http/target.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { handlerFor, type OpenSite, openSite } from "./root.ts";
import type { MountSettings, SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/** Opened mounts. */
export interface OpenMounts {
  /** Answers the requests for them. It belongs inside the layers of the site around them, which identify the client. */
  readonly layer: Layer;
  readonly features: readonly Feature[];
}

/** A mount by its path; null if it is a part of the site around it. */
interface Point {
  readonly at: SitePath;
  readonly handler: Handler | null;
}

/** Opens those of the mounts that have settings of their own. Throws {@linkcode StartError}. */
export async function openMounts(mounts: readonly MountSettings[]): Promise<OpenMounts> {
  const points: Point[] = [];
  const features: Feature[] = [];
  for (const { prefix, path, site } of mounts) {
    if (site !== null) checkThere(prefix, path);
    const open = site && await openOne(site);
    features.push(...open?.features ?? []);
    points.push({ at: readablePath(prefix), handler: open && mount(prefix, await handlerFor(open, null)) });
  }
  points.sort((a, b) => b.at.segments.length - a.at.segments.length); // the longest prefix counts
  return { features, layer: layerOf(points) };
}

function layerOf(points: readonly Point[]): Layer {
  return (next) => (request, context) => {
    for (const { at, handler } of points) {
      if (handler === null && context.target.path.below(at) !== null) break;
      const response = handler?.(request, context) ?? null;
      if (response !== null) return response;
    }
    return next(request, context);
  };
}

function checkThere(prefix: string, path: string): void {
  try {
    Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot mount "${path}" at ${prefix}: ${StartError.reason(error)}`);
  }
}

/** Without layers and a log: those of the site around it are for all its requests. */
async function openOne(site: SiteSettings): Promise<OpenSite> {
  const open = await openSite(site);
  return { ...open, parts: { ...open.parts, layers: [], log: false } };
}
