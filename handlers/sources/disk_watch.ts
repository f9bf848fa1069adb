/**
 * Watching directories on disk.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { SitePath } from "../http/target.ts";
import type { DiskRoot } from "./contained.ts";
import { isPartName } from "./part_name.ts";

/**
 * Yields the paths of what changes in a directory of a root; see `FileSource.watch`.
 *
 * Symlinks to directories are followed by the platform, but a change is only reported if its directory lies inside the
 * root. If the root is a symlink, its target at the time of the call is watched.
 */
export function watchDisk(root: DiskRoot, path: SitePath, signal: AbortSignal): AsyncIterable<SitePath> {
  using directory = root.findNow(path);
  if (!directory?.info.isDirectory) throw new Deno.errors.NotFound();
  const real = directory.real;
  const watcher = Deno.watchFs(real);
  const close = () => watcher.close();
  if (signal.aborted) close();
  signal.addEventListener("abort", close, { once: true });
  return changesOf(root, watcher, { path, real });
}

/** A directory, and where it was when the watch began. */
interface Watched {
  readonly path: SitePath;
  readonly real: string;
}

async function* changesOf(root: DiskRoot, watcher: Deno.FsWatcher, watched: Watched): AsyncGenerator<SitePath> {
  for await (const { kind, flag, paths } of watcher) {
    if (kind === "access") continue;
    if (flag === "rescan") yield watched.path; // the system has dropped events
    for (const name of paths) {
      const path = pathOf(name, watched);
      if (path !== null && isExposed(root, path)) yield path;
    }
  }
}

/** The path of a file name; null for partial files and for anything else. A name that cannot be a path is its directory. */
function pathOf(name: string, { path, real }: Watched): SitePath | null {
  const top = real.endsWith(SEPARATOR) ? real : real + SEPARATOR;
  if (name === real) return path;
  if (!name.startsWith(top)) return null;
  let at = path;
  for (const segment of name.slice(top.length).split(SEPARATOR)) {
    if (isPartName(segment)) return null;
    const child = at.child(segment);
    if (child === null) return at;
    at = child;
  }
  return at;
}

/**
 * Whether the directory of a path lies in the root. A watched directory that is moved away keeps its name for the system,
 * and Deno does not promise to check where it is.
 */
function isExposed(root: DiskRoot, { parent }: SitePath): boolean {
  if (parent === null) return true;
  try {
    using directory = root.findNow(parent);
    return directory !== null;
  } catch {
    return false; // removed, or inaccessible
  }
}
