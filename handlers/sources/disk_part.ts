/**
 * A partial file on disk.
 *
 * It is readable by its owner only. On commit it gets the default permissions of its directory, or those of the file it
 * replaces.
 *
 * @module
 */

import type { Found } from "./contained.ts";
import { describe } from "./disk_stat.ts";
import { freeSpace } from "./free_space.ts";
import { isLockedByOther, type Place } from "./place.ts";
import { publishFile } from "./publish.ts";
import { FileChanged, type FileStat } from "./types.ts";
import { endClaim, isPartClaimed, removeRecord, writeRecord } from "./upload_record.ts";
import { type CommitOptions, type Committed, type PartFile, WriteRefused } from "./writer.ts";

const OWNER_ONLY = 0o600;

/** An open, locked partial file in a held directory. */
export class DiskPart implements PartFile {
  readonly #place: Place;
  readonly #name: string;
  readonly #file: Deno.FsFile;
  readonly #onDiscard: () => Promise<void>;
  #size = 0;

  private constructor(place: Place, name: string, file: Deno.FsFile, onDiscard: () => Promise<void>) {
    this.#place = place;
    this.#name = name;
    this.#file = file;
    this.#onDiscard = onDiscard;
  }

  /**
   * Creates a partial file, or truncates an existing one. Takes ownership of the place.
   *
   * @param onDiscard Additional cleanup on discard: removes the directories created for it.
   */
  static async create(place: Place, name: string, onDiscard: () => Promise<void>): Promise<DiskPart> {
    try {
      // createNew (O_EXCL) never follows a symlink, not even a dangling one.
      const file = await Deno.open(place.at(name), { createNew: true, read: true, write: true, mode: OWNER_ONLY });
      endClaim(place, name);
      return await DiskPart.#lockedOrRemoved(new DiskPart(place, name, file, onDiscard));
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    }
    const part = await DiskPart.resume(place, name);
    await part.truncate(0);
    return part;
  }

  /** Opens an existing partial file. Takes ownership of the place. */
  static async resume(place: Place, name: string): Promise<DiskPart> {
    using seen = findOrNull(place, name);
    if (seen === null) {
      endClaim(place, name);
      throw new Deno.errors.NotFound();
    }
    if (!seen.info.isFile) throw new WriteRefused("taken");
    const file = await Deno.open(seen.path, { read: true, write: true });
    const part = await DiskPart.#locked(new DiskPart(place, name, file, () => Promise.resolve()));
    endClaim(place, name);
    return part;
  }

  /** If the directory was swapped, the empty file just created in the wrong place is removed again. */
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
      using _own = part.#own();
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
    return await freeSpace(this.#place);
  }

  async commit(options: CommitOptions): Promise<Committed> {
    if (options.modified !== undefined) await this.#file.utime(new Date(), new Date(options.modified));
    await this.#file.sync();
    const place = this.#place;
    const { path, replaced, stat, record } = await place.alone(() => {
      using own = this.#own();
      const published = publishFile(place, { path: place.at(this.#name), found: own, isNew: true }, options);
      const info = Deno.lstatSync(place.at(published.path.name));
      if (!own.isSame(info)) throw new FileChanged();
      const stat = describe(info);
      return { ...published, stat, record: this.#recordFinished(options.notes, published.path.name, stat) };
    });
    using _record = record;
    await record?.sync();
    this.#close();
    return { path, replaced, stat };
  }

  /** Written immediately after publishing, so that a killed process almost always leaves both or neither. */
  #recordFinished(notes: string | undefined, name: string, { version }: FileStat): Deno.FsFile | null {
    if (notes === undefined) return null;
    try {
      return writeRecord(this.#place, this.#name, { notes, finished: { name, version } });
    } catch {
      return null; // The upload succeeded and the client is told; it only cannot ask again if the response is lost.
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
      using _own = this.#own();
      removeRecord(this.#place, this.#name);
      Deno.removeSync(this.#place.at(this.#name));
    } catch (error) {
      // Already removed or replaced: nothing of ours is left to remove.
      if (!(error instanceof Deno.errors.NotFound || error instanceof FileChanged)) throw error;
    } finally {
      this.#close();
    }
    await this.#onDiscard();
  }

  async keep(): Promise<void> {
    try {
      await this.#file.sync();
    } finally {
      this.#close();
    }
  }

  /** Opens the part by name; throws {@linkcode FileChanged} if that is no longer the open file. */
  #own(): Found {
    this.#place.assertStill();
    const named = this.#place.find(this.#name);
    if (named.info.isFile && named.isSame(this.#file.statSync())) return named;
    named[Symbol.dispose]();
    throw new FileChanged();
  }

  #close(): void {
    this.#file.close();
    this.#place[Symbol.dispose]();
  }
}

function findOrNull(place: Place, name: string): Found | null {
  try {
    return place.find(name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
