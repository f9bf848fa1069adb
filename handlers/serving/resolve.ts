/**
 * What a path leads to: the one place that decides it.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import type { SitePath, Target } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Awaitable } from "../core/types.ts";

/** The names of files that stand for their directory where none are given. */
export const DEFAULT_INDEX: readonly string[] = ["index.html", "index.htm"];

/** A file, and what is known of it. */
export interface ResolvedFile {
  readonly path: SitePath;
  readonly stat: FileStat;
}

/**
 * What answers a path:
 *
 * - `file`: the file there.
 * - `index`: a directory, by the file in it that stands for it.
 * - `listing`: a directory without such a file.
 * - `redirect`: a directory that was asked for without a slash.
 * - `nothing`: nothing is there (`stat` is null), or what cannot be sent: a FIFO, or a file asked for with a slash.
 */
export type Resolved =
  | { readonly kind: "file" | "index" } & ResolvedFile
  | { readonly kind: "listing" | "redirect"; readonly stat: FileStat }
  | { readonly kind: "nothing"; readonly stat: FileStat | null };

/**
 * Finds what answers a path of a source; at once where the source answers at once, but for an index.
 *
 * @param index Names of files that stand for their directory, tried in turn; none where it is the same for all directories.
 */
export function resolve(
  source: FileSource,
  { path, slash }: Pick<Target, "path" | "slash">,
  index: readonly string[] = [],
): Awaitable<Resolved> {
  return then(source.stat(path), (stat): Awaitable<Resolved> => {
    if (stat?.kind === "file" && !slash) return { kind: "file", path, stat };
    if (stat?.kind !== "directory") return { kind: "nothing", stat };
    if (!slash) return { kind: "redirect", stat };
    return index.length === 0 ? { kind: "listing", stat } : resolveDirectory(source, path, stat, index);
  });
}

async function resolveDirectory(
  source: FileSource,
  directory: SitePath,
  stat: FileStat,
  names: readonly string[],
): Promise<Resolved> {
  for (const name of names) {
    const path = directory.child(name);
    const found = path && await source.stat(path);
    if (path && found?.kind === "file") return { kind: "index", path, stat: found };
  }
  return { kind: "listing", stat };
}
