/**
 * Resolves a path to what answers it. The only place where this is decided.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import type { SitePath, Target } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Awaitable } from "../core/types.ts";

/** The default names of index files. */
export const DEFAULT_INDEX: readonly string[] = ["index.html", "index.htm"];

/** A file and its metadata. */
export interface ResolvedFile {
  readonly path: SitePath;
  readonly stat: FileStat;
  /**
   * The paths that would answer in its place if they existed, where its own path does not tell; null if it cannot be
   * proven later that nothing does.
   */
  readonly unless?: readonly SitePath[] | null;
}

/**
 * What answers a path:
 *
 * - `file`: the file itself.
 * - `index`: a directory, through its index file.
 * - `listing`: a directory without an index file.
 * - `redirect`: a directory requested without a trailing slash.
 * - `nothing`: nothing exists there (`stat` is null), or it cannot be sent: a FIFO, or a file requested with a trailing
 *   slash.
 */
export type Resolved =
  | { readonly kind: "file" | "index" } & ResolvedFile
  | { readonly kind: "listing" | "redirect"; readonly stat: FileStat }
  | { readonly kind: "nothing"; readonly stat: FileStat | null };

/**
 * Resolves a path of a source; synchronously if the source is synchronous.
 *
 * @param index Names of index files, tried in order; none if all directories are treated alike.
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

function resolveDirectory(
  source: FileSource,
  directory: SitePath,
  stat: FileStat,
  names: readonly string[],
): Awaitable<Resolved> {
  return then(
    indexOf(source, directory, names),
    (index): Resolved => index ? { kind: "index", ...index } : { kind: "listing", stat },
  );
}

/** The index file of a directory: the first of the names that is a file. */
export function indexOf(
  source: FileSource,
  directory: SitePath,
  [name, ...others]: readonly string[],
): Awaitable<ResolvedFile | null> {
  if (name === undefined) return null;
  const path = directory.child(name);
  return then(path && source.stat(path), (stat) => {
    return path && stat?.kind === "file" ? { path, stat } : indexOf(source, directory, others);
  });
}
