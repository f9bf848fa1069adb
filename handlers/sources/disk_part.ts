/**
 * A file on disk that is not finished.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { basename } from "@std/path/basename";
import { onDemand } from "../on_demand.ts";
import { describe } from "./disk_stat.ts";
import { isLockedByOther, Place } from "./place.ts";
import { publishFile } from "./publish.ts";
import { FileChanged, type FileStat } from "./types.ts";
import { endClaim, isPartClaimed, removeRecord, writeRecord } from "./upload_record.ts";
import { type CommitOptions, type Committed, type PartFile, WriteRefused } from "./writer.ts";

const nodeFsPromises = onDemand(() => import("node:fs/promises"));

/** A part, open and locked, in a directory that is held. */
export class DiskPart implements PartFile {
  readonly #place: Place;
  readonly #name: string;
  readonly #file: Deno.FsFile;
  readonly #made: readonly MadeDirectory[];
  #size = 0;

  private constructor(place: Place, name: string, file: Deno.FsFile, made: readonly MadeDirectory[]) {
    this.#place = place;
    this.#name = name;
    this.#file = file;
    this.#made = made;
  }

  /**
   * Makes a part, or takes one that is there and empties it. It owns the place from then on.
   *
   * @param made The directories that were made for it, the outermost first.
   */
  static async create(place: Place, name: string, made: readonly MadeDirectory[]): Promise<DiskPart> {
    try {
      // createNew goes through no link, not even one that leads nowhere.
      const file = await Deno.open(place.at(name), { createNew: true, read: true, write: true });
      endClaim(place, name);
      return await DiskPart.#lockedOrRemoved(new DiskPart(place, name, file, made));
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const part = await DiskPart.resume(place, name);
    await part.truncate(0);
    return part;
  }

  /** Takes a part that is there. It owns the place from then on. */
  static async resume(place: Place, name: string): Promise<DiskPart> {
    const seen = await lstatOrNull(place.at(name));
    if (seen === null) {
      endClaim(place, name);
      throw new Deno.errors.NotFound();
    }
    if (!seen.isFile) throw new WriteRefused("taken");
    const file = await Deno.open(place.at(name), { read: true, write: true });
    const part = await DiskPart.#locked(new DiskPart(place, name, file, []));
    endClaim(place, name);
    return part;
  }

  /** A part that was made where it should not be, because the directory was exchanged, is empty, and goes again. */
  static async #lockedOrRemoved(part: DiskPart): Promise<DiskPart> {
    const name = part.#place.at(part.#name);
    const { ino, dev } = part.#file.statSync();
    try {
      return await DiskPart.#locked(part);
    } catch (error) {
      const named = await Deno.lstat(name).catch(() => null);
      if (named?.ino === ino && named.dev === dev) await Deno.remove(name);
      throw error;
    }
  }

  static async #locked(part: DiskPart): Promise<DiskPart> {
    try {
      if (isLockedByOther(part.#file)) throw new WriteRefused("busy");
      part.#assertStill();
      part.#size = await part.#file.seek(0, Deno.SeekMode.End);
      return part;
    } catch (error) {
      part.#file.close();
      throw error;
    }
  }

  get size(): number {
    return this.#size;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const count = await this.#file.write(bytes.subarray(at));
      at += count;
      this.#size += count;
    }
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    await this.#file.seek(offset, Deno.SeekMode.Start);
    const count = await this.#file.read(into);
    await this.#file.seek(this.#size, Deno.SeekMode.Start);
    return count ?? 0;
  }

  async truncate(size: number): Promise<void> {
    await this.#file.truncate(size);
    this.#size = await this.#file.seek(size, Deno.SeekMode.Start);
  }

  async free(): Promise<number | null> {
    // Not asked for on a terminal, where the question would hold up everybody.
    if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return null;
    try {
      const { statfs } = await nodeFsPromises();
      const { bavail, bsize } = await statfs(this.#place.path);
      return Number(bavail) * Number(bsize);
    } catch {
      return null; // nobody knows it of this file system
    }
  }

  async commit(options: CommitOptions): Promise<Committed> {
    await this.#file.sync();
    const place = this.#place;
    const { path, replaced, stat, record } = await place.alone(() => {
      this.#assertStill();
      const published = publishFile(place, place.at(this.#name), options);
      const stat = describe(Deno.lstatSync(place.at(published.path.name)));
      return { ...published, stat, record: this.#recordFinished(options.notes, published.path.name, stat) };
    });
    using _record = record;
    await record?.sync();
    this.#close();
    return { path, replaced, stat };
  }

  /** Right behind the publishing, so that a process that is killed leaves both or, most likely, neither. */
  #recordFinished(notes: string | undefined, name: string, { version }: FileStat): Deno.FsFile | null {
    if (notes === undefined) return null;
    try {
      return writeRecord(this.#place, this.#name, { notes, finished: { name, version } });
    } catch {
      return null; // The file is there, and its client is told so; only if the answer is lost it cannot ask again.
    }
  }

  // deno-lint-ignore require-await
  async note(notes: string): Promise<void> {
    writeRecord(this.#place, this.#name, { notes, finished: null }).close();
  }

  isClaimed(): boolean {
    return isPartClaimed(this.#place, this.#name);
  }

  async discard(): Promise<void> {
    try {
      this.#assertStill();
      removeRecord(this.#place, this.#name);
      await Deno.remove(this.#place.at(this.#name));
    } catch (error) {
      // Somebody has removed or exchanged it: then there is nothing of ours left to remove.
      if (!(error instanceof Deno.errors.NotFound || error instanceof FileChanged)) throw error;
    } finally {
      this.#close();
    }
    await removeEmpty(this.#made);
  }

  async keep(): Promise<void> {
    try {
      await this.#file.sync();
    } finally {
      this.#close();
    }
  }

  /** Throws where the name of the part means something else than what is open. */
  #assertStill(): void {
    this.#place.assertStill();
    const [named, open] = [Deno.lstatSync(this.#place.at(this.#name)), this.#file.statSync()];
    if (!named.isFile || named.ino !== open.ino || named.dev !== open.dev) throw new FileChanged();
  }

  #close(): void {
    this.#file.close();
    this.#place[Symbol.dispose]();
  }
}

async function lstatOrNull(name: string): Promise<Deno.FileInfo | null> {
  try {
    return await Deno.lstat(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** A directory that was made on the way to a file. */
export interface MadeDirectory {
  readonly real: string;
  readonly info: Deno.FileInfo;
}

/** Removes directories, the last first, until one is not empty, or not the one that was made. */
export async function removeEmpty(directories: readonly MadeDirectory[]): Promise<void> {
  for (const { real, info } of directories.toReversed()) {
    try {
      using above = await Place.of(dirname(real));
      const name = above.at(basename(real));
      above.assertStill();
      // One right after the other, because whatever has the name by now would be removed.
      const { isDirectory, ino, dev } = Deno.lstatSync(name);
      if (!isDirectory || ino !== info.ino || dev !== info.dev) return;
      Deno.removeSync(name);
    } catch {
      return;
    }
  }
}
