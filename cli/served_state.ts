/**
 * Keeps the keys of the state directory out of what is served.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { SEPARATOR } from "@std/path/constants";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { resolve } from "@std/path/resolve";
import type { SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";

/**
 * Refuses a state directory that clients could read.
 *
 * @throws {StartError} If it lies in the directory that is served, and dotfiles do not hide it.
 */
export function refuseServedState(directory: string, sites: readonly SiteSettings[]): void {
  for (const { root, mounts, server } of sites) {
    const shared = mounts.filter(({ site }) => site === null).map(({ path }) => path);
    for (const path of [root, ...shared]) refuseServedAt(directory, path, server);
  }
}

function refuseServedAt(directory: string, root: string, server: SiteSettings["server"]): void {
  const [state, site] = [realPath(directory), realPath(root)];
  const below = state === site ? "" : state.startsWith(join(site, SEPARATOR)) ? state.slice(site.length) : null;
  if (below === null) return;
  const isHidden = below.split(SEPARATOR).some((name) => name.startsWith("."));
  if (isHidden && !server.hidden) return;
  throw new StartError(
    `Cannot keep keys in "${directory}": it is in the directory that is served; name another one with --state`,
  );
}

/** Of a directory that does not exist yet, that of the nearest one that does, and the rest. */
function realPath(path: string): string {
  const absolute = resolve(path);
  try {
    return Deno.realPathSync(absolute);
  } catch {
    const parent = dirname(absolute);
    return parent === absolute ? absolute : join(realPath(parent), basename(absolute));
  }
}
