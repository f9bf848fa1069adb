/**
 * What is left of a source when its programs are taken out.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { FileEntry, FileSlices, FileSource } from "../sources/types.ts";
import type { ScriptFinder } from "./find_script.ts";

/**
 * A source in which no program is there, for whoever sends files: a path that was not asked for itself, such as the index
 * of a directory or the compressed file beside another, may lead to one as well.
 *
 * Nor can any be written: who may upload files is not to run what they please.
 */
export function withoutPrograms(source: FileSource, finder: ScriptFinder): FileSource {
  const isProgram = (path: SitePath) => finder.isProgram(path);
  return {
    async stat(path) {
      const stat = await source.stat(path);
      return stat !== null && stat.kind !== "directory" && await isProgram(path) ? null : stat;
    },
    async list(path) {
      const slices = await source.list(path);
      return slices && contentOf(slices, path, isProgram);
    },
    // What was seen by `stat` is what is opened, or it is `FileChanged`: a program does not get in between.
    open: (path, seen) => source.open(path, seen),
    absence: (path) => source.absence?.(path) ?? null,
    locate: (path) => source.locate?.(path) ?? null,
    freshness: (path, seen) => source.freshness?.(path, seen) ?? null,
    ...(source.openWriter && {
      async openWriter() {
        const { filteredWriter } = await import("../sources/filtered_writer.ts");
        return filteredWriter(await source.openWriter!(), (path) => !finder.isProgramPath(path));
      },
    }),
  };
}

async function* contentOf(
  slices: FileSlices,
  directory: SitePath,
  isProgram: (path: SitePath) => Promise<boolean>,
): AsyncGenerator<FileEntry[]> {
  for await (const slice of slices) {
    const kept: FileEntry[] = [];
    for (const entry of slice) {
      const path = entry.stat?.kind === "file" ? directory.child(entry.name) : null;
      if (path === null || !await isProgram(path)) kept.push(entry);
    }
    yield kept;
  }
}
