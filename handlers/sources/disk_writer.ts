/**
 * Writing to files on disk: the only module, with disk.ts, that joins paths and follows links.
 *
 * A file is written to a part beside its place, under a name that nobody sees, and given its own name when it is whole and
 * on the disk. No name that exists is ever opened for writing, so no link is written through.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { join } from "@std/path/join";
import type { SitePath } from "../http/target.ts";
import { describe } from "./disk_stat.ts";
import { DiskPart, type MadeDirectory, removeEmpty } from "./disk_part.ts";
import { problemOfName } from "./new_name.ts";
import { isPartName, partBeside } from "./part_name.ts";
import { isLockedByOther, Place } from "./place.ts";
import { checkVersion, publishDirectory, publishFile } from "./publish.ts";
import { claimPart, readRecord, removeRecord } from "./upload_record.ts";
import {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type PartFile,
  type SourceWriter,
  type UploadRecord,
  type WriteProblem,
  WriteRefused,
} from "./writer.ts";

/** How often a file is begun again in a directory that went meanwhile. */
const ATTEMPTS = 3;

/** Writes below a directory on disk. */
export class DiskWriter implements SourceWriter {
  readonly #root: string;
  readonly #isInside: (real: string) => boolean;

  /** Makes one for the real path of a root, and the rule that says whether a real path lies inside. */
  constructor(root: string, isInside: (real: string) => boolean) {
    this.#root = root;
    this.#isInside = isInside;
  }

  async create(path: SitePath, id: string): Promise<PartFile> {
    checkName(path.name);
    // A directory may go between two steps, because an upload that broke off had made it.
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#create(path, id);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #create(path: SitePath, id: string): Promise<PartFile> {
    const made: MadeDirectory[] = [];
    try {
      const place = await this.#hold(path.parent!, made);
      return await orClose(place, () => DiskPart.create(place, partName(path, id), made));
    } catch (error) {
      await removeEmpty(made);
      throw error;
    }
  }

  async resume(path: SitePath, id: string): Promise<PartFile | null> {
    checkName(path.name);
    return await nullIfAbsent(async () => {
      const place = await this.#hold(path.parent!);
      return await orClose(place, () => DiskPart.resume(place, partName(path, id)));
    });
  }

  async progress(path: SitePath, id: string): Promise<number | null> {
    checkName(path.name);
    return await nullIfAbsent(async () => {
      using place = await this.#hold(path.parent!);
      const info = await Deno.lstat(place.at(partName(path, id)));
      return info.isFile ? info.size : null;
    });
  }

  async recall(path: SitePath, id: string): Promise<UploadRecord | null> {
    checkName(path.name);
    return await nullIfAbsent(async () => {
      using place = await this.#hold(path.parent!);
      const record = await readRecord(place, partName(path, id));
      if (record === null || record.finished === null) return record as UploadRecord | null;
      const { name, version } = record.finished;
      const became = path.sibling(name);
      return became && { notes: record.notes, finished: { path: became, version } };
    });
  }

  async forget(path: SitePath, id: string): Promise<boolean> {
    checkName(path.name);
    return await nullIfAbsent(async () => {
      using place = await this.#hold(path.parent!);
      return removeRecord(place, partName(path, id));
    }) ?? false;
  }

  async claim(path: SitePath, id: string): Promise<void> {
    checkName(path.name);
    using place = await this.#hold(path.parent!);
    claimPart(place, partName(path, id));
  }

  async makeDirectory(path: SitePath): Promise<void> {
    checkName(path.name);
    using place = await this.#hold(path.parent!);
    await place.alone(() => {
      try {
        Deno.mkdirSync(place.at(path.name));
      } catch (error) {
        throw error instanceof Deno.errors.AlreadyExists ? new WriteRefused("taken") : error;
      }
    });
  }

  async remove(path: SitePath, options: ChangeOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    using place = await this.#holdParent(path);
    const name = place.at(path.name);
    const info = await orRefused("absent", () => Deno.lstat(name));
    const removed = await place.alone(() => {
      if (options.expected !== undefined) checkVersion(Deno.statSync(name), options.expected);
      if (info.isDirectory) return false;
      Deno.removeSync(name);
      return true;
    });
    if (!removed) await removeDirectory(name, options.recursive ?? false);
  }

  async move(from: SitePath, to: CommitOptions, options: ChangeOptions = {}): Promise<Committed> {
    const [first, paths] = checked(to.paths);
    if (first.below(from) !== null) throw new WriteRefused("inside itself");
    using source = await this.#holdParent(from);
    using place = await this.#hold(first.parent!);
    const name = source.at(from.name);
    const { isDirectory } = await orRefused("absent", () => Deno.lstat(name));
    const publish = isDirectory ? publishDirectory : publishFile;
    const { path, replaced, stat } = await place.alone(() => {
      source.assertStill();
      if (options.expected !== undefined) checkVersion(Deno.statSync(name), options.expected);
      const published = publish(place, name, { ...to, paths });
      return { ...published, stat: describe(Deno.lstatSync(place.at(published.path.name))) };
    });
    await source.alone(() => {}); // so that the old name does not come back with the power
    return { path, replaced, stat };
  }

  async sweep(olderThan: number): Promise<number> {
    const before = Date.now() - olderThan;
    let count = 0;
    for (const directories = [this.#root]; directories.length > 0;) {
      const real = directories.pop()!;
      const parts: string[] = [];
      try {
        for await (const { name, isFile, isDirectory } of Deno.readDir(real)) {
          if (isDirectory) directories.push(join(real, name));
          if (isFile && isPartName(name)) parts.push(name);
        }
        if (parts.length > 0) count += await sweepDirectory(real, parts, before);
      } catch {
        // Gone meanwhile, or not readable: what cannot be looked at has no parts of ours.
      }
    }
    return count;
  }

  /** Takes hold of the directory that something is in which is to be there already. */
  async #holdParent(path: SitePath): Promise<Place> {
    try {
      return await this.#hold(parentOf(path));
    } catch (error) {
      const isMissing = error instanceof WriteRefused && ["no directory", "not a directory"].includes(error.problem);
      throw isMissing ? new WriteRefused("absent") : error;
    }
  }

  /** Takes hold of a directory. Those that are missing are made, and noted in `made`, where that is given. */
  async #hold(directory: SitePath, made?: MadeDirectory[]): Promise<Place> {
    const missing: string[] = [];
    let above = directory;
    while (made && above.parent !== null && await isFree(join(this.#root, ...above.segments))) {
      checkName(above.name);
      missing.unshift(above.name);
      above = above.parent;
    }
    const real = await orRefused("no directory", () => Deno.realPath(join(this.#root, ...above.segments)));
    if (!this.#isInside(real)) throw new WriteRefused("no directory");
    let place = await Place.of(real);
    for (const name of missing) {
      using outer = place;
      place = await makeIn(outer, name, made!);
    }
    return place;
  }
}

/** Makes a directory in another and takes hold of it; that somebody else was faster does not matter. */
async function makeIn(outer: Place, name: string, made: MadeDirectory[]): Promise<Place> {
  await outer.alone(() => {
    try {
      Deno.mkdirSync(outer.at(name));
      made.push({ real: outer.realAt(name), info: Deno.lstatSync(outer.at(name)) });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  });
  return await Place.of(outer.realAt(name));
}

async function removeDirectory(name: string, recursive: boolean): Promise<void> {
  try {
    await Deno.remove(name, { recursive });
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOTEMPTY" || recursive) throw error;
    // What is not finished is not there for anybody who looks, so it cannot be in the way.
    for await (const entry of Deno.readDir(name)) {
      if (!isPartName(entry.name)) throw new WriteRefused("not empty");
    }
    await Deno.remove(name, { recursive: true });
  }
}

async function sweepDirectory(real: string, parts: readonly string[], before: number): Promise<number> {
  using place = await Place.of(real);
  let count = 0;
  // Parts come first: the record of one is needed for as long as there is the part.
  for (const name of parts.toSorted((a, b) => Number(b.endsWith("part")) - Number(a.endsWith("part")))) {
    const info = await Deno.lstat(place.at(name));
    if (!info.isFile || (info.mtime?.getTime() ?? 0) > before || await isInUse(place, name)) continue;
    place.assertStill();
    await Deno.remove(place.at(name));
    count += 1;
  }
  return count;
}

/** Whether a part is being written to, or what stands beside one belongs to a part that is there. */
async function isInUse(place: Place, name: string): Promise<boolean> {
  if (!name.endsWith("part")) return !await isFree(place.at(partBeside(name)));
  using file = await Deno.open(place.at(name));
  return isLockedByOther(file);
}

/** The part of a path under an id: whoever does not know both cannot name it. */
function partName(path: SitePath, id: string): string {
  const digest = createHash("sha256").update(`${path.name}\0${id}`).digest("hex");
  return `.pyserve-${digest.slice(0, 32)}.part`;
}

/** The first of the paths, and all of them, each with a name that may be given. */
function checked(paths: Iterable<SitePath>): [first: SitePath, all: Iterable<SitePath>] {
  const iterator = paths[Symbol.iterator]();
  const { value: first } = iterator.next();
  if (first === undefined) throw new WriteRefused("taken");
  checkName(first.name);
  const all = function* () {
    yield first;
    for (let next = iterator.next(); !next.done; next = iterator.next()) yield next.value;
  };
  return [first, { [Symbol.iterator]: all }];
}

function checkName(name: string): void {
  const problem = name === "" ? "it is the root" : problemOfName(name);
  if (problem) throw new WriteRefused("name", problem);
}

/** The directory of what is to be removed or moved: not of the root, and not of a part, which is not there. */
function parentOf(path: SitePath): SitePath {
  if (path.parent === null) throw new WriteRefused("name", "it is the root");
  if (isPartName(path.name)) throw new WriteRefused("absent");
  return path.parent;
}

/** Closes a place where what was to own it was not made. */
async function orClose<T>(place: Place, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    place[Symbol.dispose]();
    throw error;
  }
}

async function nullIfAbsent<T>(look: () => Promise<T>): Promise<T | null> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    if (error instanceof WriteRefused && error.problem === "no directory") return null;
    throw error;
  }
}

async function orRefused<T>(problem: WriteProblem, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new WriteRefused(problem);
    if (error instanceof Deno.errors.NotADirectory) throw new WriteRefused("not a directory");
    throw error;
  }
}

/** Whether nothing has a name, not even a link that leads nowhere. */
async function isFree(name: string): Promise<boolean> {
  try {
    await Deno.lstat(name);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
