/**
 * Write support for sources that hide paths.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { type CommitOptions, type PartFile, type SourceWriter, type WriteProblem, WriteRefused } from "./writer.ts";

/**
 * A writer that refuses paths that a predicate rejects, whether they exist or not.
 *
 * @param keep The predicate for paths.
 * @param keepIn The predicate for the directories that are written to; defaults to accepting all.
 * @param problem The reason given for a refusal.
 */
export function filteredWriter(
  writer: SourceWriter,
  keep: (path: SitePath) => boolean,
  keepIn: (directory: SitePath) => Promise<boolean> = () => Promise.resolve(true),
  problem: WriteProblem = "hidden",
): SourceWriter {
  const check = async (path: SitePath) => {
    const isKept = keep(path) && (path.parent === null || await keepIn(path.parent));
    if (!isKept) throw new WriteRefused(problem);
  };
  const kept = async <T>(path: SitePath, write: () => Promise<T>): Promise<T> => {
    await check(path);
    return await write();
  };
  const withKept = <T extends CommitOptions>(options: T): T => ({
    ...options,
    paths: keptOf(options.paths, keep, problem),
  });
  return {
    create: (path, id, options) =>
      kept(path, async () => filteredPart(await writer.create(path, id, options), withKept)),
    resume: (path, id) =>
      kept(path, async () => {
        const part = await writer.resume(path, id);
        return part && filteredPart(part, withKept);
      }),
    progress: (path, id) => kept(path, () => writer.progress(path, id)),
    recall: (path, id) => kept(path, () => writer.recall(path, id)),
    forget: (path, id) => kept(path, () => writer.forget(path, id)),
    claim: (path, id) => kept(path, () => writer.claim(path, id)),
    makeDirectory: (path) => kept(path, () => writer.makeDirectory(path)),
    remove: (path, options) => kept(path, () => writer.remove(path, options)),
    move: (from, to, options) =>
      kept(from, async () => {
        const paths = [...to.paths]; // bounded by the number of alternative names
        if (paths[0]) await check(paths[0]); // all share one directory
        return await writer.move(from, withKept({ ...to, paths }), options);
      }),
    async createTree(entries, to) {
      const paths = [...to.paths];
      if (paths[0]) await check(paths[0]);
      const isKept = (path: SitePath) => keep(paths[0]?.join(path) ?? path);
      for (const { path } of entries) if (!isKept(path)) throw new WriteRefused(problem);
      return await writer.createTree(entries, withKept({ ...to, paths }));
    },
    ...(writer.judged && {
      judged: (allows) => filteredWriter(writer.judged!(allows), keep, keepIn, problem),
    }),
    below: (path) => writer.below(path),
    sweep: (olderThan) => writer.sweep(olderThan),
  };
}

function filteredPart(part: PartFile, withKept: (options: CommitOptions) => CommitOptions): PartFile {
  return {
    get size() {
      return part.size;
    },
    write: (bytes) => part.write(bytes),
    read: (offset, into) => part.read(offset, into),
    truncate: (size) => part.truncate(size),
    free: () => part.free(),
    commit: (options) => part.commit(withKept(options)),
    note: (notes) => part.note(notes),
    isClaimed: () => part.isClaimed(),
    discard: () => part.discard(),
    keep: () => part.keep(),
  };
}

function* keptOf(
  paths: Iterable<SitePath>,
  keep: (path: SitePath) => boolean,
  problem: WriteProblem,
): Generator<SitePath> {
  for (const path of paths) {
    if (!keep(path)) throw new WriteRefused(problem);
    yield path;
  }
}
