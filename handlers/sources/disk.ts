/**
 * Files on disk: the only module, with disk_writer.ts, that joins paths and follows links.
 *
 * Deno's path permissions do not stop a link that leads out of the root, so containment is proven here: the real path
 * must lie in the real root, and what is opened must be what was looked at.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { join } from "@std/path/join";
import { isNotThere } from "../errors.ts";
import type { SitePath } from "../http/target.ts";
import { onDemand } from "../on_demand.ts";
import type { Awaitable } from "../types.ts";
import { describe, isFree, statOrNull } from "./disk_stat.ts";
import { holdDirectory } from "./held_directory.ts";
import {
  FileChanged,
  type FileEntry,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  type OpenFile,
} from "./types.ts";
import { Pace } from "./pace.ts";
import { isPartName } from "./part_name.ts";
import { isPlainOnWindows } from "./windows.ts";
import type { SourceWriter } from "./writer.ts";

const diskWriter = onDemand(() => import("./disk_writer.ts"));

/** How {@linkcode disk} treats links. */
export interface DiskOptions {
  /** Whether links that lead out of the root are followed; by default what they lead to is not there. */
  readonly followLinks?: boolean;
}

/** Entries looked at before other requests get their turn: about a millisecond. */
const ENTRIES_PER_SLICE = 256;

/**
 * A directory that takes up to so many bytes on disk has so few names (5,000 at most in ext4) that they are read at once:
 * for few names that is three times as fast as in the background, for 100,000 it would hold up everybody for 80 ms.
 */
const SYNC_DIRECTORY_BYTES = 65_536;

/** Directories above a name that is not there which are looked at: each look at one that is not there either costs 10 us. */
const MAX_ABOVE = 8;

/** Reads up to this size are done at once: from the page cache they take less time than a trip to another thread. */
const SYNC_READ_BYTES = 65_536;

/**
 * A source of the files below a directory on disk.
 *
 * Symbolic links are followed as long as they stay inside the root; a link that leaves it is not there, unless
 * `followLinks`. FIFOs, sockets and devices are seen but never opened. Names with a dot in front are files like others:
 * `filtered(disk(root), isVisible)` hides them. Hard links and bind mounts cannot be told from files and directories.
 *
 * @param root The directory; resolved once, now.
 * @throws Deno.errors.NotFound and others where the root cannot be resolved, TypeError where it is not a directory.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, files, toFetch } from "@x/pyserve";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/a.txt`, "hello");
 * const response = await toFetch(files(disk(directory)))(new Request("http://localhost/a.txt"));
 * assert(await response.text() === "hello");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export function disk(root: string, options: DiskOptions = {}): FileSource {
  const realRoot = Deno.realPathSync(root);
  if (!Deno.statSync(realRoot).isDirectory) throw new TypeError(`Cannot serve "${root}": it is not a directory`);
  return new DiskSource(realRoot, options.followLinks ?? false);
}

/** Something on disk: its real path, and what was there. */
interface Located {
  readonly real: string;
  readonly info: Deno.FileInfo;
}

class DiskSource implements FileSource {
  readonly #root: string;
  /** The root with exactly one separator at its end: what the path of everything inside begins with. */
  readonly #inside: string;
  readonly #followLinks: boolean;
  readonly #pace = new Pace();

  constructor(root: string, followLinks: boolean) {
    this.#root = root;
    this.#inside = root.endsWith(SEPARATOR) ? root : root + SEPARATOR;
    this.#followLinks = followLinks;
  }

  stat(path: SitePath): Awaitable<FileStat | null> {
    return this.#pace.isSlow ? this.#statLater(path) : this.#pace.measure(() => this.#statNow(path));
  }

  #statNow(path: SitePath): FileStat | null {
    try {
      const found = this.#locate(path);
      return found && describe(found.info);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  async #statLater(path: SitePath): Promise<FileStat | null> {
    try {
      const found = await this.#locateLater(path);
      return found && describe(found.info);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  list(path: SitePath): AsyncIterable<FileEntry[]> | null {
    try {
      const directory = this.#locate(path);
      return directory?.info.isDirectory ? this.#slices(directory, path) : null;
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  open(path: SitePath, seen: FileStat): Awaitable<OpenFile> {
    return this.#pace.isSlow ? this.#openLater(path, seen) : this.#pace.measure(() => this.#openNow(path, seen));
  }

  #openNow(path: SitePath, seen: FileStat): OpenFile {
    // Stat before open: opening a FIFO waits for a writer, for ever and in a thread of the runtime.
    const found = this.#locate(path);
    if (found === null || !isSame(seen, describe(found.info))) throw new FileChanged();
    const file = Deno.openSync(found.real);
    try {
      // The name may have been given to something else meanwhile, inside or outside: believe the handle, not the name.
      if (!isSame(seen, describe(file.statSync()))) throw new FileChanged();
      this.#assertStill(path, found);
    } catch (error) {
      file.close();
      throw error;
    }
    return new DiskFile(file);
  }

  /** The same in the background, for file systems that are slow. */
  async #openLater(path: SitePath, seen: FileStat): Promise<OpenFile> {
    const found = await this.#locateLater(path);
    if (found === null || !isSame(seen, describe(found.info))) throw new FileChanged();
    const file = await Deno.open(found.real);
    try {
      if (!isSame(seen, describe(await file.stat()))) throw new FileChanged();
      if (!isSameInode(found, await this.#locateLater(path))) throw new FileChanged();
    } catch (error) {
      file.close();
      throw error;
    }
    return new DiskFile(file);
  }

  /**
   * A stat of the name. The same inode, unchanged, was proven to lie inside when it was opened; a link or another
   * directory on the way would lead to another inode.
   */
  freshness(path: SitePath, seen: FileStat): FreshnessCheck | null {
    const name = join(this.#root, ...path.segments);
    const known = statOrNull(name);
    // Unsettled, another change could leave all of these as they are.
    if (known === null || !seen.settled || describe(known).version !== seen.version) return null;
    return this.#check(name, known);
  }

  #check(name: string, known: Deno.FileInfo): FreshnessCheck {
    const { dev, ino, size } = known;
    const [modified, changed] = [known.mtime?.getTime(), known.ctime?.getTime()];
    return () => {
      if (this.#pace.isSlow) return false;
      const now = this.#pace.measure(() => statOrNull(name));
      return now !== null && now.ino === ino && now.size === size && now.mtime?.getTime() === modified &&
        now.ctime?.getTime() === changed && now.dev === dev;
    };
  }

  /**
   * A stat of the nearest directory above that is there: while its times stay, no name has come into it. Only for names
   * that nothing has; what a link leads to can come without a trace in the link's directory. Null where too many of the
   * directories above are not there.
   */
  absence(path: SitePath): FreshnessCheck | null {
    let above: SitePath | null = path;
    for (let looks = 0; above !== null && isFree(join(this.#root, ...above.segments)); looks++) {
      above = looks < MAX_ABOVE ? above.parent : null;
    }
    if (above === null || above === path) return null;
    const name = join(this.#root, ...above.segments);
    const known = statOrNull(name);
    if (!known?.isDirectory || !describe(known).settled) return null;
    return this.#check(name, known);
  }

  locate(path: SitePath): string | null {
    try {
      return this.#resolve(path);
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  async openWriter(): Promise<SourceWriter> {
    const { DiskWriter } = await diskWriter();
    return new DiskWriter(this.#root, (real) => this.#isInside(real));
  }

  /** What a site path names, or null where it must not be served. Throws where nothing is there. */
  #locate(path: SitePath): Located | null {
    const real = this.#resolve(path);
    return real === null ? null : { real, info: Deno.statSync(real) };
  }

  /**
   * Throws FileChanged where a path no longer names what it did: a directory on the way may be exchanged for a link to
   * outside between any two steps, and the only proof that it was not is to look again afterwards (CVE-2025-67124).
   */
  #assertStill(path: SitePath, found: Located): void {
    if (!isSameInode(found, this.#locate(path))) throw new FileChanged();
  }

  async #locateLater(path: SitePath): Promise<Located | null> {
    const name = this.#nameOf(path);
    const real = name === null ? null : await Deno.realPath(name);
    return real === null || !this.#isInside(real) ? null : { real, info: await Deno.stat(real) };
  }

  /** The real path of what a site path names, or null where it must not be served. Throws where nothing is there. */
  #resolve(path: SitePath): string | null {
    const name = this.#nameOf(path);
    const real = name === null ? null : Deno.realPathSync(name);
    return real !== null && this.#isInside(real) ? real : null;
  }

  /** What a site path is called on disk, or null where this system would take it for something else, or it is a part. */
  #nameOf(path: SitePath): string | null {
    if (isPartName(path.name)) return null;
    if (Deno.build.os === "windows" && !path.segments.every(isPlainOnWindows)) return null;
    return join(this.#root, ...path.segments);
  }

  #isInside(real: string): boolean {
    return this.#followLinks || real === this.#root || real.startsWith(this.#inside);
  }

  async *#slices(directory: Located, path: SitePath): AsyncGenerator<FileEntry[]> {
    try {
      const settled = this.#isSettledAbove(path);
      using held = settled ? null : await holdDirectory(directory.real);
      const place = held?.path ?? directory.real;
      const isProven = settled || held !== null;
      // What cannot be held is read as quickly as can be, so that little can happen meanwhile.
      const isLarge = isProven && directory.info.size > SYNC_DIRECTORY_BYTES;
      for await (const names of isLarge ? namesLater(place) : namesNow(place)) {
        if (!isProven) this.#assertStill(path, directory);
        const entries: FileEntry[] = [];
        for (const name of names) {
          const found = this.#entry(place, path, name);
          if (found) entries.push(found);
        }
        yield entries;
      }
      this.#assertStill(path, directory);
      if (settled && !this.#isSettledAbove(path)) throw new FileChanged();
    } catch (error) {
      throw isNotThere(error) ? new FileChanged() : error;
    }
  }

  /**
   * Whether no name on the way to a directory has been given to something else lately: that would have changed the times
   * of the directory it is in. If so before and after, the directory in between was the one that was looked at.
   */
  #isSettledAbove(path: SitePath): boolean {
    for (let above = path.parent; above !== null; above = above.parent) {
      if (!describe(Deno.statSync(join(this.#root, ...above.segments))).settled) return false;
    }
    return true;
  }

  #entry(directory: string, parent: SitePath, { name, isSymlink }: Deno.DirEntry): FileEntry | null {
    if (isPartName(name)) return null;
    try {
      const path = isSymlink ? parent.child(name) : null;
      const stat = path ? this.#statNow(path) : describe(Deno.lstatSync(directory + SEPARATOR + name));
      if (stat === null) return { name, stat, link: true, problem: "broken link" };
      return { name, stat, link: isSymlink, problem: stat.kind === "other" ? "special file" : null };
    } catch (error) {
      if (!isNotThere(error)) return { name, stat: null, link: isSymlink, problem: "not readable" };
      // Deno shows bytes that are not UTF-8 as U+FFFD, and finds nothing under that name. Else it has just vanished.
      return name.includes("\ufffd") ? { name, stat: null, link: isSymlink, problem: "name is not UTF-8" } : null;
    }
  }
}

class DiskFile implements OpenFile {
  readonly #file: Deno.FsFile;
  #position = 0;
  #closed = false;

  constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  read(offset: number, into: Uint8Array): number | Promise<number> {
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = offset;
    if (into.length <= SYNC_READ_BYTES) return this.#advance(this.#file.readSync(into));
    return this.#file.read(into).then((count) => this.#advance(count));
  }

  #advance(count: number | null): number {
    this.#position += count ?? 0;
    return count ?? 0;
  }

  stream(offset: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#closed = true; // by the stream, at its end or when nobody wants it any more
    return this.#file.readable;
  }

  /** Closes the file once, however often it is asked: a reader that leaves and a read that fails may both ask. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}

function isSameInode(a: Located, b: Located | null): boolean {
  return a.real === b?.real && a.info.ino === b.info.ino && a.info.dev === b.info.dev;
}

function nullUnlessServerFails(error: unknown): null {
  if (isNotThere(error)) return null;
  throw error;
}

function isSame(seen: FileStat, now: FileStat): boolean {
  return now.kind === "file" && seen.version === now.version;
}

/** What a directory has, in slices: read at once, which is three times as fast, or in the background. */
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
