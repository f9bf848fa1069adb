/**
 * A source as a client with limited rights may read it.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import type { Awaitable } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { clock } from "./clock.ts";
import { filtered } from "./filtered.ts";
import {
  FileChanged,
  type FileEntry,
  type FileSlices,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
} from "./types.ts";
import { recordView } from "./shown.ts";

/** How long the target of a cached path counts as judged, in milliseconds. */
const JUDGED_MS = 1_000;

/**
 * A source that exposes only the paths for which a predicate returns true, judged by the requested path and, where
 * symlinks are on it, also by the path that they lead to: a link does not confer rights. What a link outside the source
 * leads to is judged by the requested path only.
 *
 * A listing contains what {@linkcode filtered} leaves, without links to hidden paths.
 */
export function permitted(source: FileSource, may: (path: SitePath) => boolean): FileSource {
  const named = filtered(source, may);
  if (!source.canonical) return named;
  /** Whether the file described by `seen` may be read. */
  const allows = (path: SitePath, seen: FileStat): Awaitable<boolean> =>
    then(
      source.canonical!(path, seen),
      (canonical) => canonical === "outside" || (canonical !== null && may(canonical)),
    );
  return recordView({
    ...named,
    stat: (path) => then(named.stat(path), (seen) => seen && then(allows(path, seen), (yes) => yes ? seen : null)),
    async list(path, until) {
      const seen = await named.stat(path);
      if (seen === null || !await allows(path, seen)) return null;
      const slices = await named.list(path, until);
      return slices && permittedOf(slices, path, { source, allows, may });
    },
    open(path, seen, range) {
      return then(allows(path, seen), (yes) => {
        // `open` fails if `seen` is no longer the file at the path: what is opened is what was judged.
        if (yes) return named.open(path, seen, range);
        throw new FileChanged();
      });
    },
    locate: (path, seen) =>
      then(
        seen ?? source.stat(path),
        (seen) => seen && then(allows(path, seen), (yes) => yes ? named.locate?.(path, seen) ?? null : null),
      ),
    freshness(path, seen) {
      const isFresh = named.freshness?.(path, seen);
      return isFresh ? judgedAgain(isFresh, () => allows(path, seen)) : null;
    },
  }, source);
}

interface Judgement {
  readonly source: FileSource;
  readonly allows: (path: SitePath, seen: FileStat) => Awaitable<boolean>;
  readonly may: (path: SitePath) => boolean;
}

/** The entries without links to hidden paths. Where the directory itself was reached by a link, judges all by its target. */
async function* permittedOf(slices: FileSlices, path: SitePath, judgement: Judgement): AsyncGenerator<FileEntry[]> {
  const { source, allows, may } = judgement;
  const seen = await source.stat(path);
  const canonical = seen && await source.canonical!(path, seen);
  if (canonical === null) throw new FileChanged();
  for await (const slice of slices) {
    const kept: FileEntry[] = [];
    for (const entry of slice) {
      const child = canonical === "outside" ? null : canonical.child(entry.name);
      if (child !== null && !may(child)) continue;
      if (entry.link && entry.stat && !await allows(path.child(entry.name)!, entry.stat)) continue;
      kept.push(entry);
    }
    yield kept;
  }
}

/** A freshness check that also judges again, once a second, where the path leads. */
function judgedAgain(isFresh: FreshnessCheck, allows: () => Awaitable<boolean>): FreshnessCheck {
  let judgedAt = -Infinity;
  return () => {
    if (!isFresh()) return false;
    const now = clock.now();
    if (now - judgedAt < JUDGED_MS && now >= judgedAt) return true;
    judgedAt = now;
    return allows() === true;
  };
}
