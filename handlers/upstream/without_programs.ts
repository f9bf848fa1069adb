/**
 * A view of a source without its programs.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { loadFilteredWriter } from "../sources/filtered.ts";
import type { FileEntry, FileSlices, FileSource } from "../sources/types.ts";
import { recordView } from "../sources/shown.ts";
import type { ScriptFinder } from "./find_script.ts";

/** Maximum number of attempts to stat a file that keeps changing. */
const ATTEMPTS = 5;

/**
 * Hides all programs of a source from handlers that serve files. Paths derived from the requested one, such as the
 * index of a directory or a precompressed variant, may lead to a program as well.
 *
 * Programs cannot be written either: the right to upload must not imply the right to run code.
 *
 * @param index Names of index programs, which take precedence over index files: if one appears, a cached index file is
 *   stale.
 */
export function withoutPrograms(source: FileSource, finder: ScriptFinder, index: readonly string[] = []): FileSource {
  const isProgram = (path: SitePath) => finder.isProgram(path);
  const programNames = index.filter((name) => finder.isProgramName(name));
  return recordView({
    async stat(path) {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const stat = await source.stat(path);
        if (stat === null || stat.kind === "directory") return stat;
        const isProgram = await finder.isProgram(path, stat);
        if (isProgram !== null) return isProgram ? null : stat;
      }
      return null; // it keeps changing: undecidable
    },
    async list(path) {
      const slices = await source.list(path);
      return slices && contentOf(slices, path, isProgram);
    },
    // `open` opens the file seen by `stat` or throws `FileChanged`: it cannot be replaced by a program in between.
    open: (path, seen, range) => source.open(path, seen, range),
    absence: (path) => source.absence?.(path) ?? null,
    locate: (path, seen) => source.locate?.(path, seen) ?? null,
    freshness(path, seen) {
      const programs = programNames.map((name) => path.sibling(name)).filter((program) => program !== null);
      const checks = [source.freshness?.(path, seen), ...programs.map((program) => source.absence?.(program))]
        .filter((check) => check !== null && check !== undefined);
      return checks.length === programs.length + 1 ? () => checks.every((check) => check()) : null;
    },
    ...(source.watch && {
      watch: (path, signal, skip) => contentIn(source.watch!(path, signal, skip), isProgram),
    }),
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

async function* contentIn(
  paths: AsyncIterable<SitePath>,
  isProgram: (path: SitePath) => Promise<boolean>,
): AsyncGenerator<SitePath> {
  for await (const path of paths) if (!await isProgram(path)) yield path;
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
