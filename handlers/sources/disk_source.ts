/**
 * A source over a directory on disk, for reading; disk_writer.ts is loaded for writing.
 *
 * @module
 */

import { isNotThere } from "../errors.ts";
import type { SitePath } from "../http/target.ts";
import { onDemand } from "../on_demand.ts";
import type { Awaitable } from "../types.ts";
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
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  type OpenFile,
} from "./types.ts";
import type { SourceWriter } from "./writer.ts";

const diskWriter = onDemand(() => import("./disk_writer.ts"));

/** Entries looked at before other requests get their turn: about a millisecond. */
const ENTRIES_PER_SLICE = 256;

/**
 * A directory that takes up to so many bytes on disk has so few names (5,000 at most in ext4) that they are read at once:
 * for few names that is three times as fast as in the background; 100,000 would block the server for 80 ms.
 */
const SYNC_DIRECTORY_BYTES = 65_536;

/** For so long, in milliseconds, a stat of the name is proof enough that what was found inside is still there. */
const PROOF_MS = 1_000;

/** Directories above a missing name that are tried; deeper paths below nothing are not worth remembering. */
const ABSENCE_LEVELS = 8;

/** What is below a directory. */
export class DiskSource implements FileSource {
  readonly #root: DiskRoot;
  readonly #pace = new Pace();

  /** Makes one for an absolute path. */
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

  open(path: SitePath, seen: FileStat): Awaitable<OpenFile> {
    return this.#paced((calls) => this.#open(calls, path, seen));
  }

  *#open(calls: DiskCalls, path: SitePath, seen: FileStat): Steps<OpenFile> {
    using found = yield* this.#root.find(calls, path);
    if (found === null || !isVersion(seen, found)) throw new FileChanged();
    return yield* openFound(calls, found);
  }

  /** At once, unless the file system has shown that it is slow. */
  #paced<T>(steps: (calls: DiskCalls) => Steps<T>): Awaitable<T> {
    return this.#pace.isSlow ? doLater(steps(LATER)) : this.#pace.measure(() => doNow(steps(NOW)));
  }

  list(path: SitePath): AsyncIterable<FileEntry[]> | null {
    try {
      using directory = this.#root.findNow(path);
      return directory?.info.isDirectory ? this.#slices(path) : null;
    } catch (error) {
      return nullUnlessServerFails(error);
    }
  }

  async *#slices(path: SitePath): AsyncGenerator<FileEntry[]> {
    try {
      // Only now, because a reader that never begins would never close it.
      using directory = this.#root.findNow(path);
      if (directory === null) throw new FileChanged();
      // What cannot be held is read as quickly as can be, so that little can happen meanwhile.
      const isLarge = directory.isHeld && directory.info.size > SYNC_DIRECTORY_BYTES;
      for await (const names of isLarge ? namesLater(directory.path) : namesNow(directory.path)) {
        directory.assertStill();
        yield names.map((name) => this.#entry(directory, name)).filter((entry) => entry !== null);
      }
      directory.assertStill();
    } catch (error) {
      throw isNotThere(error) ? new FileChanged() : error;
    }
  }

  #entry(directory: Found, { name, isSymlink }: Deno.DirEntry): FileEntry | null {
    if (isPartName(name)) return null;
    try {
      const stat = isSymlink ? this.#statOfLink(directory, name) : describe(directory.lookAt(name));
      if (stat === null) return { name, stat, link: true, problem: "broken link" };
      return { name, stat, link: isSymlink, problem: stat.kind === "other" ? "special file" : null };
    } catch (error) {
      if (!isNotThere(error)) return { name, stat: null, link: isSymlink, problem: "not readable" };
      // Deno shows bytes that are not UTF-8 as U+FFFD, and finds nothing under that name. Else it has just vanished.
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
   * A stat of the name. The same inode, unchanged, was proven to lie inside when it was found, and a link in its place would
   * be another inode. That a directory on the way was moved out and linked to would not show, so once a second the proof is
   * made anew.
   */
  freshness(path: SitePath, seen: FileStat): FreshnessCheck | null {
    const name = this.#root.nameOf(path);
    const named = path.parent === null ? null : lookOrNull(Deno.lstatSync, name);
    const isLink = named === null || named.isSymlink;
    const known = isLink ? lookOrNull(Deno.statSync, name) : named;
    // Unsettled, another change could leave all of these as they are.
    if (known === null || !seen.settled || describe(known).version !== seen.version) return null;
    return this.#check(path, known, isLink ? Deno.statSync : Deno.lstatSync);
  }

  /**
   * A stat of the nearest directory above that is there: while its times stay, no name has come into it. Only for names
   * that nothing has; what a link leads to can come without a trace in the link's directory.
   */
  absence(path: SitePath): FreshnessCheck | null {
    let missing = path;
    for (let level = 0; level < ABSENCE_LEVELS && missing.parent !== null; level++) {
      using above = this.#findOrNull(missing.parent);
      if (above !== null) {
        const isProof = above.info.isDirectory && describe(above.info).settled && isFree(above.at(missing.name));
        return isProof ? this.#check(missing.parent, above.info, Deno.statSync) : null;
      }
      missing = missing.parent;
    }
    return null;
  }

  #check(path: SitePath, known: Deno.FileInfo, look: (name: string) => Deno.FileInfo): FreshnessCheck {
    const name = this.#root.nameOf(path);
    const isSame = sameAs(known);
    let provenAt = -Infinity;
    return () => {
      if (this.#pace.isSlow) return false;
      const now = this.#pace.measure(() => lookOrNull(look, name));
      if (now === null || !isSame(now)) return false;
      const time = Date.now();
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

  async openWriter(only?: readonly SitePath[]): Promise<SourceWriter> {
    const { DiskWriter } = await diskWriter();
    return new DiskWriter(this.#root, only);
  }
}

/** What a name leads to, or null where that is nothing, or cannot be looked at. */
function lookOrNull(look: (name: string) => Deno.FileInfo, name: string): Deno.FileInfo | null {
  try {
    return look(name);
  } catch {
    return null;
  }
}

/** Whether what is seen now is what was seen, unchanged. */
function sameAs({ dev, ino, size, mtime, ctime }: Deno.FileInfo): (now: Deno.FileInfo) => boolean {
  const [modified, changed] = [mtime?.getTime(), ctime?.getTime()];
  return (now) =>
    now.ino === ino && now.size === size && now.mtime?.getTime() === modified && now.ctime?.getTime() === changed &&
    now.dev === dev;
}

function nullUnlessServerFails(error: unknown): null {
  if (isNotThere(error)) return null;
  throw error;
}

function isVersion(seen: FileStat, { info }: Found): boolean {
  return describe(info).version === seen.version;
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
