/** A source of files that change, for tests of the cache. */

import { type FileSource, memory, type SitePath } from "@x/pyserve";
import { FileChanged } from "@x/pyserve/sources";

/** The time of all files, unless another is given. */
export const MODIFIED = 1_000_000_000_000;

/** A source whose files a test replaces. */
export interface ChangingSource extends FileSource {
  /** Replaces or removes a file. */
  set(path: string, text: string | null, modified?: number): void;
}

/** Files that change, with times that prove it at once: a source that can be cached without waiting for a clock. */
export function changing(files: Map<string, string>): ChangingSource {
  const versions = new Map<string, number>();
  const times = new Map<string, number>();
  let version = 0;
  const touch = (path: string) => {
    for (let at = path; at !== ""; at = at.slice(0, at.lastIndexOf("/"))) versions.set(at, ++version);
    versions.set("/", ++version);
  };
  for (const path of files.keys()) touch(path);
  const build = () =>
    memory(Object.fromEntries([...files].map(([path, text]) => [path.slice(1), text])), { modified: MODIFIED });
  let source = build();
  const versionOf = (path: SitePath) => `v${versions.get(path.text) ?? 0}`;
  const stat = async (path: SitePath) => {
    const found = await source.stat(path);
    const modified = times.get(path.text) ?? MODIFIED;
    return found && { ...found, modified, version: versionOf(path), stable: true };
  };
  return {
    set(path, text, modified = MODIFIED) {
      times.set(path, modified);
      if (text === null) files.delete(path);
      else files.set(path, text);
      touch(path);
      source = build();
    },
    stat,
    list: async (path) => {
      const slices = await source.list(path);
      if (slices === null) return null;
      const entries = [];
      for await (const slice of slices) {
        for (const entry of slice) entries.push({ ...entry, stat: await stat(path.child(entry.name)!) });
      }
      return [entries];
    },
    async open(path, seen) {
      if (versionOf(path) !== seen.version) throw new FileChanged();
      return await source.open(path, (await source.stat(path))!);
    },
    freshness: (path, seen) => () => versionOf(path) === seen.version,
    absence: (path) => {
      const before = versionOf(path);
      return () => versionOf(path) === before;
    },
  };
}
