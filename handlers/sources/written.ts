/**
 * Tracks which files clients can write: such a page may be untrusted, whichever handler serves it.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { SitePath } from "../http/target.ts";
import { MountTree } from "./mount_tree.ts";
import { baseAt, baseOf } from "./shown.ts";
import type { FileSource } from "./types.ts";

const writtenSources = new WeakSet<FileSource>();
const writtenDirectories = new Set<string>();

/** Records that clients can write to a source; for a union, to its sources that have a writer. */
export function noteWritten(source: FileSource): void {
  const base = baseOf(source);
  if (base instanceof MountTree) base.mounts.forEach(({ source }) => source.openWriter && noteWritten(source));
  else if (typeof base === "string") writtenDirectories.add(base);
  else writtenSources.add(base);
}

/** Whether the file at a path of a source may have been written by a client of this process. */
export function isWritten(source: FileSource, path: SitePath): boolean {
  const base = baseAt(source, path);
  if (typeof base !== "string") return base !== null && writtenSources.has(base);
  for (const written of writtenDirectories) {
    if (isAtOrIn(written, base) || isAtOrIn(base, written)) return true;
  }
  return false;
}

function isAtOrIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}
