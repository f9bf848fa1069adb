/**
 * Watches a union.
 *
 * @module
 */

import { SitePath } from "../http/target.ts";
import type { Mounted, MountTree } from "./mount_tree.ts";

/** Merges the changes below a directory from all sources mounted there. */
export function mergedWatch(
  tree: MountTree,
  path: SitePath,
  signal: AbortSignal,
  skip?: (path: SitePath) => boolean,
): AsyncIterable<SitePath> {
  const stop = new AbortController();
  const within = AbortSignal.any([signal, stop.signal]);
  const { mount: around, isPoint } = tree.find(path);
  const watch = (mount: Mounted) => {
    const from = mount === around ? path.below(mount.at) : mount.at.below(path) && SitePath.root;
    if (!from) return [];
    const skipHere = skip && ((path: SitePath) => skip(mount.at.join(path)));
    const start = () => mount.source.watch?.(from, within, skipHere);
    const changes = isPoint && mount === around ? ifThere(start) : start();
    return changes ? [changesOf(tree, mount, changes)] : [];
  };
  try {
    return merged(tree.mounts.flatMap(watch), stop);
  } catch (error) {
    stop.abort(); // the watches of the other mounts
    throw error;
  }
}

/** Watches a directory that need not exist in its source, because it is the parent of a mount point. */
function ifThere<T>(start: () => T): T | undefined {
  try {
    return start();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The changes in a mounted source, except where another mount hides them. */
async function* changesOf(tree: MountTree, mount: Mounted, changes: AsyncIterable<SitePath>): AsyncGenerator<SitePath> {
  for await (const change of changes) {
    const path = mount.at.join(change);
    if (tree.find(path).mount === mount) yield path;
  }
}

async function* merged<T>(sources: readonly AsyncGenerator<T>[], stop: AbortController): AsyncGenerator<T> {
  const next = (source: AsyncGenerator<T>) => source.next().then((result) => ({ source, result }));
  const pending = new Map(sources.map((source) => [source, next(source)]));
  try {
    while (pending.size > 0) {
      const { source, result } = await Promise.race(pending.values());
      if (result.done) {
        pending.delete(source);
      } else {
        pending.set(source, next(source));
        yield result.value;
      }
    }
  } finally {
    stop.abort(); // ends the remaining watches
    await Promise.allSettled(pending.values());
  }
}
