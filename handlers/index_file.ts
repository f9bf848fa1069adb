/**
 * The file that stands for its directory.
 *
 * @module
 */

import type { SitePath } from "./http/target.ts";
import type { FileSource, FileStat } from "./sources/types.ts";

/** The names that stand for their directory where none are given. */
export const DEFAULT_INDEX: readonly string[] = ["index.html", "index.htm"];

/** A file that stands for its directory. */
export interface IndexFile {
  readonly path: SitePath;
  readonly stat: FileStat;
}

/** Finds the file that stands for a directory: the first of the names that is one. Null where there is none. */
export async function indexFileOf(
  source: FileSource,
  directory: SitePath,
  names: readonly string[],
): Promise<IndexFile | null> {
  for (const name of names) {
    const path = directory.child(name);
    const stat = path && await source.stat(path);
    if (path && stat?.kind === "file") return { path, stat };
  }
  return null;
}
