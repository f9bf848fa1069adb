/**
 * Writing to files on disk.
 *
 * A file is written as a partial file next to its destination, under a name that is never exposed, and renamed once it
 * is complete and synced. Existing names are never opened for writing, so no symlink is written through; the directory
 * is held by a descriptor meanwhile (`contained.ts`).
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { createHash } from "node:crypto";
import type { SitePath } from "../http/target.ts";
import type { DiskRoot, Found } from "./contained.ts";
import { copyAcross, removeCopied } from "./copy_across.ts";
import { LATER } from "./disk_calls.ts";
import { DiskPart } from "./disk_part.ts";
import { DiskTree } from "./disk_tree.ts";
import { describe } from "./disk_stat.ts";
import { freeSpace } from "./free_space.ts";
import { hasMount } from "./mounts.ts";
import { problemOfName } from "./new_name.ts";
import { isPartName, partNameOf, randomPartName } from "./part_name.ts";
import { Place } from "./place.ts";
import { checkVersion, publishDirectory, type Published, publishFile } from "./publish.ts";
import { doLater } from "./steps.ts";
import { sweepParts } from "./sweep.ts";
import { FileChanged } from "./types.ts";
import { claimPart, readRecord, removeRecord } from "./upload_record.ts";
import {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type DirectoryCheck,
  type NewEntry,
  type PartFile,
  type SourceWriter,
  type TreeOptions,
  type UploadRecord,
  type WriteProblem,
  WriteRefused,
} from "./writer.ts";

/** Attempts to create a file whose directory is removed concurrently. */
const ATTEMPTS = 3;

/** A directory created for an upload. */
interface MadeDirectory {
  readonly path: SitePath;
  readonly info: Deno.FileInfo;
}

/** Writes below a root directory. */
export class DiskWriter implements SourceWriter {
  readonly #root: DiskRoot;
  readonly #only: readonly SitePath[] | null;
  readonly #allows: DirectoryCheck | null;

  /** Takes the root and, optionally, the only directories in which writing is allowed, and a check of directories. */
  constructor(root: DiskRoot, only: readonly SitePath[] | null = null, allows: DirectoryCheck | null = null) {
    this.#root = root;
    this.#only = only;
    this.#allows = allows;
  }

  judged(allows: DirectoryCheck): DiskWriter {
    return new DiskWriter(this.#root, this.#only, allows);
  }

  async create(path: SitePath, id: string, { parents = true } = {}): Promise<PartFile> {
    checkName(path.name);
    // A failing upload may remove the directory it had created between our steps.
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#create(path, id, parents);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #create(path: SitePath, id: string, parents: boolean): Promise<PartFile> {
    const made: MadeDirectory[] = [];
    const unmake = () => this.#removeEmpty(made);
    try {
      const place = await this.#hold(path.parent!, parents ? made : undefined);
      return await orClose(place, () => DiskPart.create(place, partName(path, id), unmake));
    } catch (error) {
      await unmake();
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
      using part = place.find(partName(path, id));
      return part.info.isFile ? part.info.size : null;
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
    using found = await orRefused("absent", () => place.find(path.name));
    await refuseMounts(found);
    const name = place.at(path.name);
    await place.alone(() => {
      checkIs(found, name, options.expected);
      if (!found.info.isDirectory) Deno.removeSync(name);
    });
    if (found.info.isDirectory) await removeDirectory(name, options.recursive ?? false);
  }

  async move(from: SitePath, to: CommitOptions, options: ChangeOptions = {}): Promise<Committed> {
    const [first, paths] = checked(to.paths);
    if (first.below(from) !== null) throw new WriteRefused("inside itself");
    using source = await this.#holdParent(from);
    using place = await this.#hold(first.parent!);
    using found = await orRefused("absent", () => source.find(from.name));
    await refuseMounts(found);
    const move = { source, place, found, name: source.at(from.name), options: { ...to, paths }, ...options };
    const published = await moveWithin(move) ?? await moveAcross(move);
    await source.alone(() => {}); // syncs the directory, so that the old name does not reappear after a power failure
    return published;
  }

  async createTree(entries: Iterable<NewEntry>, { bytes, signal, ...to }: TreeOptions): Promise<Committed> {
    const [first, paths] = checked(to.paths);
    using place = await this.#hold(first.parent!);
    const free = await freeSpace(place);
    if (free !== null && bytes > free) throw new WriteRefused("no room", null, { bytes: free });
    const part = randomPartName();
    try {
      await using tree = await DiskTree.create(place, part, signal);
      await tree.addAll(entries);
      await tree.finish(to.mode);
      using made = place.find(part);
      return await place.alone(() => {
        signal?.throwIfAborted();
        return publish({ place, options: { ...to, paths } }, place.at(part), made);
      });
    } catch (error) {
      await Deno.remove(place.at(part), { recursive: true }).catch(() => {}); // if it was created
      throw error;
    }
  }

  async *below(path: SitePath): AsyncGenerator<SitePath> {
    if (!await this.#isDirectory(path)) return;
    for (const directories = [path]; directories.length > 0;) {
      const directory = directories.pop()!;
      using found = await doLater(this.#root.find(LATER, directory));
      if (!found?.info.isDirectory) continue;
      for await (const { name, isDirectory } of Deno.readDir(found.path)) {
        const child = isPartName(name) ? null : directory.child(name);
        if (child === null) continue;
        if (isDirectory) directories.push(child);
        yield child;
      }
    }
  }

  /** Whether a path names a directory itself, not a symlink to one. */
  async #isDirectory(path: SitePath): Promise<boolean> {
    if (path.parent === null) return true;
    return await nullIfAbsent(async () => {
      using place = await this.#hold(path.parent!);
      using found = place.find(path.name);
      return found.info.isDirectory;
    }) ?? false;
  }

  async sweep(olderThan: number): Promise<number> {
    return await sweepParts(this.#root, Date.now() - olderThan);
  }

  /** Opens the parent directory of something that must exist. */
  async #holdParent(path: SitePath): Promise<Place> {
    try {
      return await this.#hold(parentOf(path));
    } catch (error) {
      const isMissing = error instanceof WriteRefused && ["no directory", "not a directory"].includes(error.problem);
      throw isMissing ? new WriteRefused("absent") : error;
    }
  }

  /** Opens a directory. Missing ones are created and appended to `made`, if given. */
  async #hold(directory: SitePath, made?: MadeDirectory[]): Promise<Place> {
    try {
      return await this.#open(directory, made);
    } catch (error) {
      if (error instanceof WriteRefused && this.#allows !== null) await this.#requireAllowedAbove(directory);
      throw error;
    }
  }

  /** Whether a directory is missing must not show where a link leads to one in which the actor may not write. */
  async #requireAllowedAbove(directory: SitePath): Promise<void> {
    for (let above = directory.parent; above !== null; above = above.parent) {
      using found = await nullIfAbsent(() => doLater(this.#root.find(LATER, above)));
      if (found?.info.isDirectory) return await this.#requireAllowed(found, above);
    }
  }

  async #open(directory: SitePath, made?: MadeDirectory[]): Promise<Place> {
    const missing: SitePath[] = [];
    let above = directory;
    let found = await this.#find(above, made !== undefined);
    while (found === "missing") {
      checkName(above.name);
      missing.unshift(above);
      above = above.parent!;
      found = await this.#find(above, above.parent !== null);
    }
    let place = new Place(found);
    await orClose(place, () => this.#requireAllowed(place.directory, above));
    for (const path of missing) {
      using outer = place;
      place = await makeIn(outer, path, made!);
    }
    return place;
  }

  /**
   * Throws unless an open directory really lies in one where writing is allowed, whatever its name resolved to before.
   */
  async #requireAllowed(directory: Found, requested: SitePath): Promise<void> {
    if (this.#allows !== null) {
      const canonical = this.#root.sitePathOf(directory);
      if (canonical === null || !this.#allows(requested, canonical)) throw new WriteRefused("not here");
    }
    if (this.#only === null) return;
    for (const path of this.#only) {
      using home = await doLater(this.#root.find(LATER, path));
      if (home !== null && isAtOrIn(directory.real, home.real)) return;
    }
    throw new WriteRefused("not here");
  }

  /** Looks up a directory; returns "missing" if that is allowed. */
  async #find(directory: SitePath, mayBeMissing: boolean): Promise<Found | "missing"> {
    try {
      const find = () => doLater(this.#root.findOrThrow(LATER, directory));
      const found = mayBeMissing && directory.parent !== null ? await find() : await orRefused("no directory", find);
      if (found !== null) return found;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "missing";
      throw error instanceof Deno.errors.NotADirectory ? new WriteRefused("not a directory") : error;
    }
    throw new WriteRefused("no directory");
  }

  /** Removes directories, deepest first, stopping at one that is not empty or has been replaced. */
  async #removeEmpty(directories: readonly MadeDirectory[]): Promise<void> {
    for (const { path, info } of directories.toReversed()) {
      try {
        using above = await this.#hold(path.parent!);
        using found = above.find(path.name);
        above.assertStill();
        if (!found.info.isDirectory || !found.isSame(info)) return;
        Deno.removeSync(above.at(path.name));
      } catch {
        return;
      }
    }
  }
}

function isAtOrIn(real: string, home: string): boolean {
  return real === home || real.startsWith(home + SEPARATOR);
}

/** Creates a directory and opens it; losing the race to another request is harmless. */
async function makeIn(outer: Place, path: SitePath, made: MadeDirectory[]): Promise<Place> {
  await outer.alone(() => {
    try {
      Deno.mkdirSync(outer.at(path.name));
      made.push({ path, info: Deno.lstatSync(outer.at(path.name)) });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
  });
  return new Place(outer.find(path.name));
}

/** The source and destination of a move. */
interface Move extends ChangeOptions {
  readonly source: Place;
  readonly place: Place;
  readonly found: Found;
  readonly name: string;
  readonly options: CommitOptions;
}

/** Renames it; null if the destination is on another file system. */
async function moveWithin(move: Move): Promise<Committed | null> {
  const { source, place, found, name } = move;
  try {
    return await place.alone(() => {
      source.assertStill();
      checkIs(found, name, move.expected);
      return publish(move, name, found);
    });
  } catch (error) {
    if (error instanceof WriteRefused && error.problem === "elsewhere") return null;
    throw error;
  }
}

/**
 * Copies it to a part, publishes that, and then deletes the original, so that a complete version exists at all times.
 */
async function moveAcross(move: Move): Promise<Committed> {
  const { source, place, found, name } = move;
  const part = randomPartName();
  try {
    await copyAcross(found, name, { to: place, name: part, signal: move.signal });
    using copy = place.find(part);
    const published = await place.alone(() => {
      move.signal?.throwIfAborted();
      source.assertStill();
      checkIs(found, name, move.expected);
      return publish(move, place.at(part), copy);
    });
    using named = place.find(published.path.name); // without a descriptor, the path it had is no longer valid
    await removeCopied(source, found, name, named);
    return published;
  } catch (error) {
    await Deno.remove(place.at(part), { recursive: true }).catch(() => {}); // if not published
    throw error;
  }
}

function publish({ place, options }: Pick<Move, "place" | "options">, path: string, found: Found): Committed {
  const publishing = found.info.isDirectory ? publishDirectory : publishFile;
  const published: Published = publishing(place, { path, found, isNew: false }, options);
  const info = Deno.lstatSync(place.at(published.path.name));
  if (!found.isSame(info)) throw new FileChanged();
  return { ...published, stat: describe(info) };
}

/** Throws if the name has been replaced, or its version is not the expected one. */
function checkIs(found: Found, name: string, expected: string | undefined): void {
  if (!found.isSame(Deno.lstatSync(name))) throw new FileChanged();
  if (expected !== undefined) checkVersion(Deno.statSync(name), expected);
}

async function refuseMounts(found: Found): Promise<void> {
  if (found.info.isDirectory && await hasMount(found)) throw new WriteRefused("mount");
}

async function removeDirectory(name: string, recursive: boolean): Promise<void> {
  try {
    await Deno.remove(name, { recursive });
  } catch (error) {
    if ((error as { code?: string }).code !== "ENOTEMPTY" || recursive) throw error;
    // Partial files are invisible to clients, so they do not make a directory count as non-empty.
    for await (const entry of Deno.readDir(name)) {
      if (!isPartName(entry.name)) throw new WriteRefused("not empty");
    }
    await Deno.remove(name, { recursive: true });
  }
}

/** The name of the part for a path and an upload id; it cannot be guessed without knowing both. */
function partName(path: SitePath, id: string): string {
  const digest = createHash("sha256").update(`${path.name}\0${id}`).digest("hex");
  return partNameOf(digest.slice(0, 32));
}

/** The first path, and all paths including it, with the first name validated. */
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

/** The parent directory for a remove or move. Refuses the root, and partial files, which count as absent. */
function parentOf(path: SitePath): SitePath {
  if (path.parent === null) throw new WriteRefused("name", "it is the root");
  if (isPartName(path.name)) throw new WriteRefused("absent");
  return path.parent;
}

/** Closes a place if its intended owner could not be created. */
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
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return null;
    if (error instanceof WriteRefused && error.problem === "no directory") return null;
    throw error;
  }
}

async function orRefused<T>(problem: WriteProblem, look: () => T | Promise<T>): Promise<T> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw new WriteRefused(problem);
    if (error instanceof Deno.errors.NotADirectory) throw new WriteRefused("not a directory");
    throw error;
  }
}
