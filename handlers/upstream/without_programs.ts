/**
 * A view of a source without its programs.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { loadFilteredWriter } from "../sources/filtered.ts";
import type { FileEntry, FileSlices, FileSource } from "../sources/types.ts";
import { showsSome } from "../sources/written.ts";
import type { ScriptFinder } from "./find_script.ts";

/** Attempts to look at a file that keeps changing. */
const ATTEMPTS = 5;

/**
 * A source in which no program is there, for whoever sends files: a path that was not asked for itself, such as the index
 * of a directory or the compressed file beside another, may lead to one as well.
 *
 * Nor can any be written: who may upload files is not to run what they please.
 *
 * @param index Names of programs that go before any file as what stands for a directory: where one has come, a file that
 *   stood for it is out of date.
 */
export function withoutPrograms(source: FileSource, finder: ScriptFinder, index: readonly string[] = []): FileSource {
  const isProgram = (path: SitePath) => finder.isProgram(path);
  const programNames = index.filter((name) => finder.isProgramName(name));
  return showsSome({
    async stat(path) {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const stat = await source.stat(path);
        if (stat === null || stat.kind === "directory") return stat;
        const isProgram = await finder.isProgram(path, stat);
        if (isProgram !== null) return isProgram ? null : stat;
      }
      return null; // it keeps changing, and what it is nothing can say
    },
    async list(path) {
      const slices = await source.list(path);
      return slices && contentOf(slices, path, isProgram);
    },
    // What was seen by `stat` is what is opened, or it is `FileChanged`: a program does not get in between.
    open: (path, seen, range) => source.open(path, seen, range),
    absence: (path) => source.absence?.(path) ?? null,
    locate: (path, seen) => source.locate?.(path, seen) ?? null,
    freshness(path, seen) {
      const programs = programNames.map((name) => path.sibling(name)).filter((program) => program !== null);
      const checks = [source.freshness?.(path, seen), ...programs.map((program) => source.absence?.(program))]
        .filter((check) => check !== null && check !== undefined);
      return checks.length === programs.length + 1 ? () => checks.every((check) => check()) : null;
    },
    ...(source.openWriter && {
      async openWriter(only) {
        const { filteredWriter } = await loadFilteredWriter();
        const keep = (path: SitePath) => !finder.isProgramPath(path) && !finder.isAbovePrograms(path);
        const keepIn = async (directory: SitePath) => !await finder.isAmongPrograms(directory);
        return filteredWriter(await source.openWriter!(only), keep, keepIn);
      },
    }),
  }, source);
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
