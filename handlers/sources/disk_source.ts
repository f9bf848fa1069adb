/**
 * A source for a directory on disk. Reading only: disk_writer.ts is loaded on demand.
 *
 * @module
 */

import { isNotThere } from "../core/errors.ts";
import type { ByteRange } from "../http/range.ts";
import type { SitePath } from "../http/target.ts";
import { onDemand } from "../core/on_demand.ts";
import type { Awaitable } from "../core/types.ts";
import type { DirectoryName, DirectoryNames } from "../system/directory_names.ts";
import { type Look, lookAt, sameAs } from "../system/look.ts";
import type { EntryInfo } from "../system/statx.ts";
import { clock } from "./clock.ts";
import { DiskRoot, type DiskRootOptions, type Found } from "./contained.ts";
import { type DiskCalls, LATER, NOW } from "./disk_calls.ts";
import { openFound } from "./disk_file.ts";
import { describe, isFree } from "./disk_stat.ts";
import { Pace } from "./pace.ts";
import { isPartName } from "./part_name.ts";
import { doLater, doNow, type Steps } from "./steps.ts";
import {
  FileChanged,
  type FileEntry,
  type FileSlices,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  type OpenFile,
  type UnreadEntry,
} from "./types.ts";
import { watchDisk } from "./disk_watch.ts";
import type { SourceWriter } from "./writer.ts";

const diskWriter = onDemand(() => import("./disk_writer.ts"));

/** Entries per time slice, about half a millisecond, or a millisecond without FFI. */
const ENTRIES_PER_SLICE = 256;

/** A directory with up to this many entries is read without letting anything else run. */
const ENTRIES_AT_ONCE = 1_024;

/**
 * Without FFI, a directory up to this size on disk has few enough names (at most 5,000 on ext4) to be read
 * synchronously, which is three times as fast; 100,000 names would block the server for 80 ms.
 */
const SYNC_DIRECTORY_BYTES = 65_536;

/** How long a containment check stays valid, in milliseconds, as long as a stat of the name shows the same inode. */
const PROOF_MS = 1_000;

/** How many missing path components are examined; deeper nonexistent paths are not worth caching. */
const ABSENCE_LEVELS = 8;

/** The files below a directory on disk. */
export class DiskSource implements FileSource {
  readonly #root: DiskRoot;
  readonly #pace = new Pace();

  /** Takes an absolute path. */
  constructor(root: string, options: DiskRootOptions) {
    this.#root = new DiskRoot(root, options);
  }

  stat(path: SitePath): Awaitable<FileStat | null> {
    return this.#paced((calls) => this.#stat(calls, path));
  }

  *#stat(calls: DiskCalls, path: SitePath): Steps<FileStat | null> {
    try {
      using found = yield* this.#root.find(calls, path);
      return found && describe(found.info);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  open(path: SitePath, seen: FileStat, range?: ByteRange): Awaitable<OpenFile> {
    return this.#paced((calls) => this.#open(calls, path, seen, range?.start ?? 0));
  }

  *#open(calls: DiskCalls, path: SitePath, seen: FileStat, start: number): Steps<OpenFile> {
    using found = yield* this.#root.find(calls, path);
    if (found === null || !isVersion(seen, found)) throw new FileChanged();
    return yield* openFound(calls, found, start);
  }

  /** Synchronous, unless the file system has proven slow. */
  #paced<T>(steps: (calls: DiskCalls) => Steps<T>): Awaitable<T> {
    return this.#pace.isSlow ? doLater(steps(LATER)) : this.#pace.measure(() => doNow(steps(NOW)));
  }

  list(path: SitePath, until?: DisposableStack): FileSlices | null {
    try {
      using directory = this.#root.findNow(path);
      if (!directory?.info.isDirectory) return null;
      return this.#atOnce(directory) ?? (until && this.#unread(path, until)) ?? this.#slices(path);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  /** The entries of a small directory, with one lookup. Null for a large one. */
  #atOnce(directory: Found): FileEntry[][] | null {
    using names = directory.names();
    if (names === null) return null;
    const slices: FileEntry[][] = [];
    let left = ENTRIES_AT_ONCE;
    for (let slice = names.next(); slice !== null; slice = names.next()) {
      left -= slice.length;
      if (left < 0) return null;
      slices.push(this.#entries(directory, slice));
    }
    return slices;
  }

  /** The entries of a large directory, to be read while it is open. Null without a descriptor. */
  #unread(path: SitePath, until: DisposableStack): Iterable<FileEntry[]> | null {
    const directory = until.use(this.#root.findNow(path));
    if (directory === null) throw new FileChanged();
    const names = until.use(directory.names());
    return names && this.#unreadSlices(directory, names);
  }

  *#unreadSlices(directory: Found, all: DirectoryNames): Generator<FileEntry[]> {
    const read = (name: DirectoryName) => this.#entry(directory, name);
    // What has become a symlink by then was not judged as one by decorators.
    const readLater = (name: DirectoryName) => unlessLink(read(name));
    for (const names of slicesOf(all)) {
      const entries: FileEntry[] = [];
      for (const name of names) {
        const entry = isPlain(name) ? new UnreadDiskEntry(name, readLater) : read(name);
        if (entry !== null) entries.push(entry);
      }
      yield entries;
    }
  }

  async *#slices(path: SitePath): AsyncGenerator<FileEntry[]> {
    try {
      // Opened lazily: a generator that is never started would never close it.
      using directory = this.#root.findNow(path);
      if (directory === null) throw new FileChanged();
      for await (const names of namesOf(directory)) {
        directory.assertStill();
        yield this.#entries(directory, names);
      }
      directory.assertStill();
    } catch (error) {
      throw isNotThere(error) ? new FileChanged() : error;
    }
  }

  #entries(directory: Found, names: readonly DirectoryName[]): FileEntry[] {
    const entries: FileEntry[] = [];
    for (const name of names) {
      const entry = this.#entry(directory, name);
      if (entry !== null) entries.push(entry);
    }
    return entries;
  }

  #entry(directory: Found, { name, isSymlink }: DirectoryName): FileEntry | null {
    if (isPartName(name)) return null;
    try {
      const info = isSymlink ? null : directory.lookAt(name);
      const link = info === null || info.isSymlink; // some file systems do not tell before
      const stat = link ? this.#statOfLink(directory, name) : describe(info);
      if (stat === null) return { name, stat, link, problem: "broken link" };
      return { name, stat, link, problem: stat.kind === "other" ? "special file" : null };
    } catch (error) {
      if (!isNotThere(error)) return { name, stat: null, link: isSymlink, problem: "not readable" };
      // Invalid UTF-8 is shown as U+FFFD, and there is no file of that name. Otherwise the entry has just been deleted.
      return name.includes("\ufffd") ? { name, stat: null, link: isSymlink, problem: "name is not UTF-8" } : null;
    }
  }

  #statOfLink(directory: Found, name: string): FileStat | null {
    try {
      using found = doNow(this.#root.findIn(NOW, directory, name));
      return found && describe(found.info);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  /**
   * A stat of the name. The inode was verified to lie inside the root when it was found, and a symlink replacing it
   * would have another inode. It cannot detect that a parent directory was moved out and replaced by a symlink, so
   * containment is verified again once a second.
   */
  freshness(path: SitePath, seen: FileStat): FreshnessCheck | null {
    const name = this.#root.nameOf(path);
    const named = path.parent === null ? null : lookAt(name, false);
    const look = named === null || named.info.isSymlink ? lookAt(name, true) : named;
    // Not stable: another change could leave all of these values unchanged.
    if (look === null || !seen.stable || describe(look.info).version !== seen.version) return null;
    return this.#check(path, look);
  }

  /**
   * A stat of the nearest existing ancestor: as long as its timestamps do not change, no entry was added. Only for
   * names that do not exist; the target of a dangling symlink can be created without changing the symlink's directory.
   */
  absence(path: SitePath): FreshnessCheck | null {
    let missing = path;
    for (let level = 0; level < ABSENCE_LEVELS && missing.parent !== null; level++) {
      using above = this.#findOrNull(missing.parent);
      if (above !== null) {
        const isProof = above.info.isDirectory && describe(above.info).stable && isFree(above.at(missing.name));
        return isProof ? this.#unchanged(missing.parent, above.info) : null;
      }
      missing = missing.parent;
    }
    return null;
  }

  /** A check that a directory has not changed: the same one for several names that are missing there, so that one look does. */
  #unchanged(path: SitePath, seen: EntryInfo): FreshnessCheck | null {
    if (this.#lastUnchanged?.path === path.text && this.#lastUnchanged.isFresh()) return this.#lastUnchanged.isFresh;
    const look = lookAt(this.#root.nameOf(path), true);
    if (look === null || !sameAs(look.info)(seen)) return null;
    const isFresh = this.#check(path, look);
    this.#lastUnchanged = { path: path.text, isFresh };
    return isFresh;
  }

  #lastUnchanged: { readonly path: string; readonly isFresh: FreshnessCheck } | null = null;

  #check(path: SitePath, look: Look): FreshnessCheck {
    const isSame = sameAs(look.info);
    let provenAt = -Infinity;
    return () => {
      if (this.#pace.isSlow || !this.#pace.measure(() => look.isSame())) return false;
      const time = clock.now();
      if (time - provenAt < PROOF_MS && time >= provenAt) return true;
      provenAt = time;
      using found = this.#findOrNull(path);
      return found !== null && isSame(found.info);
    };
  }

  #findOrNull(path: SitePath): Found | null {
    try {
      return this.#root.findNow(path);
    } catch {
      return null;
    }
  }

  locate(path: SitePath, seen?: FileStat): string | null {
    try {
      using found = this.#root.findNow(path);
      return found === null || (seen && !isVersion(seen, found)) ? null : found.real;
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  canonical(path: SitePath, seen: FileStat): SitePath | "outside" | null {
    try {
      using found = this.#root.findNow(path);
      return found === null || !isVersion(seen, found) ? null : this.#root.sitePathOf(found);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  watch(path: SitePath, signal: AbortSignal, skip?: (path: SitePath) => boolean): AsyncIterable<SitePath> {
    return watchDisk(this.#root, path, signal, skip);
  }

  async openWriter(only?: readonly SitePath[]): Promise<SourceWriter> {
    const { DiskWriter } = await diskWriter();
    return new DiskWriter(this.#root, only);
  }
}

/** Whether the entry of a name need not be read to be sorted, nor to be left out. */
function isPlain({ name, isFile, isDirectory }: DirectoryName): boolean {
  return (isFile || isDirectory) && !name.includes("\ufffd") && !isPartName(name);
}

function unlessLink(entry: FileEntry | null): FileEntry | null {
  return entry?.link ? null : entry;
}

/** Small, because there may be very many. */
class UnreadDiskEntry implements UnreadEntry {
  readonly name: string;
  readonly kind: UnreadEntry["kind"];
  readonly #read: (name: DirectoryName) => FileEntry | null;

  constructor({ name, isDirectory }: DirectoryName, read: (name: DirectoryName) => FileEntry | null) {
    this.name = name;
    this.kind = isDirectory ? "directory" : "file";
    this.#read = read;
  }

  get stat(): null {
    return null;
  }

  get link(): false {
    return false;
  }

  get problem(): null {
    return null;
  }

  read(): FileEntry | null {
    const isDirectory = this.kind === "directory";
    return this.#read({ name: this.name, isDirectory, isFile: !isDirectory, isSymlink: false });
  }
}

function nullUnlessServerFails(error: unknown): null {
  if (isNotThere(error)) return null;
  throw error;
}

function isVersion(seen: FileStat, { info }: Found): boolean {
  return describe(info).version === seen.version;
}

/** The names in a directory, in slices. */
async function* namesOf(directory: Found): AsyncGenerator<readonly DirectoryName[]> {
  using names = directory.names();
  if (names !== null) return yield* slicesOf(names);
  // Without a descriptor, read it synchronously to keep the window for a swap small.
  const isLarge = directory.isHeld && directory.info.size > SYNC_DIRECTORY_BYTES;
  yield* isLarge ? namesLater(directory.path) : namesNow(directory.path);
}

function* slicesOf(all: DirectoryNames): Generator<DirectoryName[]> {
  for (let names = all.next(); names !== null; names = all.next()) {
    for (let i = 0; i < names.length; i += ENTRIES_PER_SLICE) yield names.slice(i, i + ENTRIES_PER_SLICE);
  }
}

/** The same by Deno: synchronously, which is three times as fast, or asynchronously. */
function* namesNow(directory: string): Generator<Deno.DirEntry[]> {
  const names = [...Deno.readDirSync(directory)];
  for (let i = 0; i < names.length; i += ENTRIES_PER_SLICE) yield names.slice(i, i + ENTRIES_PER_SLICE);
}

async function* namesLater(directory: string): AsyncGenerator<Deno.DirEntry[]> {
  let slice: Deno.DirEntry[] = [];
  for await (const entry of Deno.readDir(directory)) {
    slice.push(entry);
    if (slice.length < ENTRIES_PER_SLICE) continue;
    yield slice;
    slice = [];
  }
  yield slice;
}
