/**
 * Keeps the command's own files, such as keys, out of what is served.
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
 * @throws {StartError} If it lies in a directory that is served, and is not hidden as a dotfile.
 */
export function refuseServedState(directory: string, sites: readonly SiteSettings[]): void {
  const root = servingRoot(directory, sites);
  if (root === null) return;
  throw new StartError(
    `Cannot keep keys in "${directory}": clients could read them, because "${root}" is served; ` +
      "name a directory outside of it with --state",
  );
}

/** The directory, of those that are served, through which clients could read a path; null if there is none. */
export function servingRoot(path: string, sites: readonly SiteSettings[]): string | null {
  for (const { root, mounts, server } of sites) {
    const isReadable = (root: string) => {
      const [given, site] = [realPath(path), realPath(root)];
      const below = given === site ? "" : given.startsWith(join(site, SEPARATOR)) ? given.slice(site.length) : null;
      const isHidden = !server.hidden && below?.split(SEPARATOR).some((name) => name.startsWith("."));
      return below !== null && !isHidden;
    };
    const shared = mounts.filter(({ site }) => site === null).map(({ path }) => path);
    const readable = [root, ...shared].find(isReadable);
    if (readable !== undefined) return readable;
  }
  return null;
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
