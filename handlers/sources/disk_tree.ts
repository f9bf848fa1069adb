/**
 * A directory that is filled under the name of a partial file, and published once complete.
 *
 * @module
 */

import { Turns } from "../core/turns.ts";
import type { SitePath } from "../http/target.ts";
import { problemOfName } from "./new_name.ts";
import { isLockedByOther, Place } from "./place.ts";
import { newDirectoryMode, newFileMode } from "./publish.ts";
import { FileChanged } from "./types.ts";
import { type NewEntry, WriteRefused } from "./writer.ts";
import type { OpenFile } from "./open_file.ts";

const CHUNK_BYTES = 262_144;

/** Files synced at the same time: one by one, a small file takes some milliseconds. */
const SYNCED_AT_ONCE = 16;

/** The modes of new files and directories below a place, as determined by the umask or a default ACL. */
interface Modes {
  readonly file: number;
  readonly directory: number;
}

/** The directory while being filled: private, and locked so that the sweep does not treat it as abandoned. */
export class DiskTree implements AsyncDisposable {
  readonly #modes: Modes;
  readonly #lock: Deno.FsFile;
  readonly #signal: AbortSignal | undefined;
  /** The open directories from the top to the one being filled. */
  readonly #open: Place[];
  readonly #syncing: Promise<void>[] = [];
  #names: readonly string[] = [];

  private constructor(top: Place, lock: Deno.FsFile, modes: Modes, signal: AbortSignal | undefined) {
    this.#open = [top];
    this.#lock = lock;
    this.#modes = modes;
    this.#signal = signal;
  }

  /** Creates the directory under a free name; the signal stops the additions to it. */
  static async create(place: Place, name: string, signal?: AbortSignal): Promise<DiskTree> {
    const modes = { file: newFileMode(place), directory: newDirectoryMode(place) };
    Deno.mkdirSync(place.at(name), { mode: 0o700 });
    const top = new Place(place.find(name));
    try {
      const lock = await Deno.open(top.path, { read: true });
      isLockedByOther(lock);
      return new DiskTree(top, lock, modes, signal);
    } catch (error) {
      top[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Adds entries, each directory before its entries.
   *
   * @throws The reason of the signal when it aborts.
   */
  async addAll(entries: Iterable<NewEntry>): Promise<void> {
    const turns = new Turns();
    for (const entry of entries) {
      if (turns.due) await turns.next();
      this.#signal?.throwIfAborted();
      await this.#add(entry);
    }
  }

  async #add({ path, mode, open }: NewEntry): Promise<void> {
    const problem = problemOfName(path.name);
    if (problem) throw new WriteRefused("name", problem);
    const place = await this.#enter(path.parent!);
    const atMost = mode ?? 0o777;
    if (open) await this.#addFile(place, path.name, { open, mode: this.#modes.file & atMost, signal: this.#signal });
    else addDirectory(place, path.name, this.#modes.directory & (atMost | 0o700));
  }

  /** Gives the directory itself its permissions, and syncs it. */
  async finish(mode: number | undefined): Promise<void> {
    await this.#synced();
    await this.#leave(1);
    const [top] = this.#open;
    top!.directory.setMode(this.#modes.directory & ((mode ?? 0o777) | 0o700));
    await this.#lock.sync();
  }

  async #addFile(place: Place, name: string, file: NewFile): Promise<void> {
    const target = await addFile(place, name, file);
    const sync = target.sync().finally(() => target.close());
    sync.catch(() => {}); // reported when all are awaited
    this.#syncing.push(sync);
    if (this.#syncing.length >= SYNCED_AT_ONCE) await this.#synced();
  }

  async #synced(): Promise<void> {
    const results = await Promise.allSettled(this.#syncing.splice(0));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Opens a directory of the tree; ancestors shared with the previous one stay open. */
  async #enter({ segments }: SitePath): Promise<Place> {
    const shared = this.#names.findIndex((name, index) => name !== segments[index]);
    if (shared >= 0) await this.#leave(shared + 1);
    for (const name of segments.slice(this.#open.length - 1)) {
      this.#open.push(new Place(this.#open.at(-1)!.find(name)));
    }
    this.#names = segments;
    return this.#open.at(-1)!;
  }

  /** Syncs and closes the directories from a depth on, deepest first. */
  async #leave(depth: number): Promise<void> {
    while (this.#open.length > depth) {
      using place = this.#open.pop()!;
      if (Deno.build.os === "windows") continue; // persists directory entries itself
      using handle = await Deno.open(place.path);
      await handle.sync();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#syncing.splice(0));
    this.#lock.close();
    this.#open.splice(0).forEach((place) => place[Symbol.dispose]());
  }
}

function addDirectory(place: Place, name: string, mode: number): void {
  place.assertStill();
  Deno.mkdirSync(place.at(name), { mode: 0o700 });
  using made = place.find(name);
  if (!made.info.isDirectory) throw new FileChanged();
  made.setMode(mode);
}

/** A new file of a tree: its content, and its final permissions. */
interface NewFile {
  readonly open: NonNullable<NewEntry["open"]>;
  readonly mode: number;
  readonly signal: AbortSignal | undefined;
}

/** Creates a complete file, and returns it open: it has yet to be synced and closed. */
async function addFile(place: Place, name: string, { open, mode, signal }: NewFile): Promise<Deno.FsFile> {
  using source = await open();
  place.assertStill();
  const target = await Deno.open(place.at(name), { createNew: true, write: true, mode: 0o600 });
  try {
    await copyContent(source, target, signal);
    using made = place.find(name);
    if (!made.isSame(target.statSync())) throw new FileChanged();
    made.setMode(mode);
    return target;
  } catch (error) {
    target.close();
    throw error;
  }
}

async function copyContent(source: OpenFile, target: Deno.FsFile, signal: AbortSignal | undefined): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  let offset = 0;
  for (let count = await source.read(0, buffer); count > 0; count = await source.read(offset, buffer)) {
    signal?.throwIfAborted();
    for (let at = 0; at < count;) at += await target.write(buffer.subarray(at, count));
    offset += count;
  }
}
