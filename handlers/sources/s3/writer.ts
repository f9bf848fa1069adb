/**
 * Writes to a bucket.
 *
 * A file appears once complete, or not at all. What takes several requests, such as moving a directory, is not atomic: it
 * is done in an order in which nothing is ever lost.
 *
 * @module
 */

import type { SitePath } from "../../http/target.ts";
import { problemOfName } from "../new_name.ts";
import type { FileStat } from "../types.ts";
import {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type NewEntry,
  type PartFile,
  type SourceWriter,
  type TreeOptions,
  type UploadRecord,
  WriteRefused,
} from "../writer.ts";
import { isState, keyOf, prefixOf, UPLOADS } from "./keys.ts";
import { pagesOf } from "./pages.ts";
import { S3Part } from "./part.ts";
import { type Bucket, DIRECTORY, type S3Source, statOf } from "./source.ts";
import { type StoredPart, UploadState } from "./upload_state.ts";
import { type Condition, eachOf, type Piece, type Writes } from "./writes.ts";

/** The size of the ranges in which an object is copied: at most 5 GiB are permitted. */
const COPIED_BYTES = 1024 ** 3;

const EMPTY = new Uint8Array();

/** The writer of a source. */
export class S3Writer implements SourceWriter {
  readonly #bucket: Bucket;
  readonly #source: S3Source;
  readonly #writes: Writes;
  readonly isExclusive: boolean;
  /** The open parts of this process. */
  readonly #open = new Map<string, PartFile>();

  constructor(bucket: Bucket, source: S3Source, writes: Writes) {
    this.#bucket = bucket;
    this.#source = source;
    this.#writes = writes;
    this.isExclusive = writes.isConditional;
  }

  async create(path: SitePath, id: string, { parents = true } = {}): Promise<PartFile> {
    this.#requireName(path);
    await (parents ? this.#requireNoFileAbove(path) : this.#requireDirectory(path.parent!));
    return this.#opened(path, id, await S3Part.create(this.#partOptions(path, id)));
  }

  async resume(path: SitePath, id: string): Promise<PartFile | null> {
    this.#requireName(path);
    const part = await S3Part.resume(this.#partOptions(path, id));
    return part && this.#opened(path, id, part);
  }

  async progress(path: SitePath, id: string): Promise<number | null> {
    this.#requireName(path);
    const open = this.#open.get(uploadKey(path, id));
    if (open) return open.size;
    const parts = await this.#stateOf(path, id).parts();
    return parts && sizeOf(parts);
  }

  async recall(path: SitePath, id: string): Promise<UploadRecord | null> {
    this.#requireName(path);
    const record = await this.#stateOf(path, id).record();
    if (record === null || record.finished === null) return record as UploadRecord | null;
    const became = path.sibling(record.finished.segments.at(-1) ?? "");
    return became && { notes: record.notes, finished: { path: became, version: record.finished.version } };
  }

  async forget(path: SitePath, id: string): Promise<boolean> {
    this.#requireName(path);
    return await this.#stateOf(path, id).removeRecord();
  }

  /** Nothing to do: whoever opens a part owns it. */
  async claim(): Promise<void> {}

  async makeDirectory(path: SitePath): Promise<void> {
    this.#requireName(path);
    await this.#requireDirectory(path.parent!);
    if (await this.#source.stat(path) !== null) throw new WriteRefused("taken");
    if (!await this.#mark(path)) throw new WriteRefused("taken");
  }

  async remove(path: SitePath, options: ChangeOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    const found = await this.#requireThere(path, options.expected);
    if (found.kind === "file") {
      if (!await this.#writes.remove(this.#keyOf(path), options.expected)) throw new WriteRefused("changed");
    } else {
      const keys = await this.#keysIn(path);
      if (!options.recursive && keys.some((key) => key !== this.#prefixOf(path))) throw new WriteRefused("not empty");
      // The directory itself last: it is there until everything is deleted.
      await eachOf(keys.toReversed(), (key) => this.#writes.remove(key));
    }
    await this.#keepParent(path);
  }

  async move(from: SitePath, to: CommitOptions, options: ChangeOptions = {}): Promise<Committed> {
    const found = await this.#requireThere(from, options.expected);
    const paths = this.#checked(to.paths);
    if (paths.first.below(from) !== null) throw new WriteRefused("inside itself");
    await this.#requireDirectory(paths.first.parent!);
    options.signal?.throwIfAborted();
    const target = { ...to, paths };
    if (found.kind === "directory") return await this.#moveDirectory(from, target, options.signal);
    const key = this.#keyOf(from);
    const moved = await this.#publish(copyOf(key, found), target);
    await this.#writes.remove(key, found.version); // a version stored since then stays
    await this.#keepParent(from);
    return moved;
  }

  async createTree(entries: Iterable<NewEntry>, { signal, ...to }: TreeOptions): Promise<Committed> {
    const paths = this.#checked(to.paths);
    await this.#requireDirectory(paths.first.parent!);
    const path = await this.#markFree(paths);
    try {
      for (const { path: below, open } of entries) {
        signal?.throwIfAborted();
        const at = path.join(below);
        this.#requireName(at);
        if (open) await this.#copyInto(at, open, signal);
        else await this.#mark(at);
      }
      return { path, stat: DIRECTORY, replaced: false };
    } catch (error) {
      await eachOf(await this.#keysIn(path), (key) => this.#writes.remove(key));
      throw error;
    }
  }

  async *below(path: SitePath): AsyncGenerator<SitePath> {
    const prefix = this.#prefixOf(path);
    let directory: readonly string[] = [];
    for await (const { objects } of pagesOf(this.#bucket.client, { prefix, isFlat: false })) {
      for (const { key } of objects) {
        const names = key.slice(prefix.length).split("/");
        for (const [depth, name] of names.entries()) {
          // Directories are those that the key before was not in.
          const isKnown = depth < names.length - 1 && directory[depth] === name &&
            names.slice(0, depth).every((name, index) => directory[index] === name);
          const found = isKnown ? null : pathOf(path, names.slice(0, depth + 1));
          if (found !== null && !isState(found)) yield found;
        }
        directory = names.slice(0, -1);
      }
    }
  }

  async sweep(olderThan: number): Promise<number> {
    const newest = new Map<string, { keys: string[]; modified: number }>();
    const prefix = this.#statePrefix;
    for await (const { objects } of pagesOf(this.#bucket.client, { prefix, isFlat: false })) {
      for (const { key, modified } of objects) {
        const [name = ""] = key.slice(prefix.length).split("/");
        const state = newest.get(name) ?? { keys: [], modified: 0 };
        state.keys.push(key);
        state.modified = Math.max(state.modified, modified ?? 0);
        newest.set(name, state);
      }
    }
    const expired = [...newest.values()].filter(({ modified }) => modified < Date.now() - olderThan);
    await eachOf(expired.flatMap(({ keys }) => keys), (key) => this.#writes.remove(key));
    return expired.length;
  }

  get #statePrefix(): string {
    return this.#bucket.prefix + UPLOADS;
  }

  #stateOf(path: SitePath, id: string): UploadState {
    return new UploadState(this.#writes, this.#statePrefix, path.text, id);
  }

  #partOptions(path: SitePath, id: string) {
    return {
      state: this.#stateOf(path, id),
      publish: (pieces: readonly Piece[], to: CommitOptions) =>
        this.#publish(pieces, { ...to, paths: this.#checked(to.paths) }),
      ended: () => void this.#open.delete(uploadKey(path, id)),
    };
  }

  #opened(path: SitePath, id: string, part: S3Part): S3Part {
    this.#open.set(uploadKey(path, id), part);
    return part;
  }

  /** Gives content the first name that is free, or replaces the file of the first one. */
  async #publish(pieces: readonly Piece[], { paths, replace, expected }: CommitOptions): Promise<Committed> {
    for (const path of paths) {
      const found = await this.#source.stat(path);
      if (expected !== undefined && found?.version !== expected) throw new WriteRefused("changed");
      if (replace && found?.kind === "directory") throw new WriteRefused("directory");
      if (!replace && found !== null) continue;
      const condition: Condition = !replace ? "new" : expected !== undefined ? { version: expected } : "any";
      const key = this.#keyOf(path);
      const tag = await this.#write(key, pieces, condition);
      if (tag !== null) return { path, stat: await this.#statAfter(key, tag), replaced: found !== null };
      if (replace) throw new WriteRefused("changed");
    }
    throw new WriteRefused("taken");
  }

  async #write(key: string, pieces: readonly Piece[], condition: Condition): Promise<string | null> {
    const [only] = pieces;
    if (pieces.length === 1 && "body" in only!) return await this.#writes.put(key, only.body, condition);
    if (pieces.length === 1 && condition === "any" && "from" in only!) return await this.#writes.copy(key, only);
    return await this.#writes.assemble(key, pieces, condition);
  }

  /** The metadata of what has just been stored, even if it has been replaced since. */
  async #statAfter(key: string, tag: string): Promise<FileStat> {
    const version = tag.replaceAll('"', "");
    const stat = await statOf(this.#bucket.client, key);
    if (stat === null) return { kind: "file", size: 0, modified: null, version, stable: true };
    return version === "" ? stat : { ...stat, version };
  }

  async #moveDirectory(from: SitePath, { paths }: CommitOptions, signal?: AbortSignal): Promise<Committed> {
    const path = await this.#markFree(paths);
    const [before, after] = [this.#prefixOf(from), this.#prefixOf(path)];
    const originals: { readonly key: string; readonly version: string }[] = [];
    try {
      for await (const { objects } of pagesOf(this.#bucket.client, { prefix: before, isFlat: false })) {
        await eachOf(objects, async ({ key }) => {
          signal?.throwIfAborted();
          const stat = await statOf(this.#bucket.client, key);
          if (stat === null) return; // deleted meanwhile
          const target = after + key.slice(before.length);
          if (new TextEncoder().encode(target).length > 1_024) throw new WriteRefused("name", TOO_LONG);
          const tag = await this.#write(target, copyOf(key, stat), "any");
          if (tag !== null) originals.push({ key, version: stat.version });
        });
      }
    } catch (error) {
      await eachOf(await this.#keysIn(path), (key) => this.#writes.remove(key));
      throw error;
    }
    await eachOf(originals, ({ key, version }) => this.#writes.remove(key, version));
    await this.#keepParent(from);
    return { path, stat: DIRECTORY, replaced: false };
  }

  async #copyInto(path: SitePath, open: NonNullable<NewEntry["open"]>, signal: AbortSignal | undefined): Promise<void> {
    const part = await S3Part.create(this.#partOptions(path, crypto.randomUUID()));
    try {
      using file = await open();
      const buffer = new Uint8Array(262_144);
      for (let count = await file.read(0, buffer); count > 0; count = await file.read(part.size, buffer)) {
        signal?.throwIfAborted();
        await part.write(buffer.subarray(0, count));
      }
      await part.commit({ paths: [path], replace: true });
    } catch (error) {
      await part.discard();
      throw error;
    }
  }

  /** Makes the object that a directory exists by while it is empty; false if somebody else has. */
  async #mark(directory: SitePath): Promise<boolean> {
    return await this.#writes.put(this.#prefixOf(directory), EMPTY, "new") !== null;
  }

  /** Makes a directory of the first name that is free. */
  async #markFree(paths: Iterable<SitePath>): Promise<SitePath> {
    for (const path of paths) {
      if (await this.#source.stat(path) === null && await this.#mark(path)) return path;
    }
    throw new WriteRefused("taken");
  }

  /** Keeps a directory from which the last key has gone, as on disk. */
  async #keepParent({ parent }: SitePath): Promise<void> {
    if (parent !== null && parent.parent !== null && await this.#source.stat(parent) === null) await this.#mark(parent);
  }

  async #keysIn(path: SitePath): Promise<string[]> {
    const keys: string[] = [];
    for await (const { objects } of pagesOf(this.#bucket.client, { prefix: this.#prefixOf(path), isFlat: false })) {
      keys.push(...objects.map(({ key }) => key));
    }
    return keys;
  }

  async #requireThere(path: SitePath, expected: string | undefined): Promise<FileStat> {
    if (path.parent === null) throw new WriteRefused("name", "it is the root");
    const found = await this.#source.stat(path);
    if (found === null) throw new WriteRefused("absent");
    if (expected !== undefined && found.version !== expected) throw new WriteRefused("changed");
    return found;
  }

  async #requireDirectory(path: SitePath): Promise<void> {
    const found = await this.#source.stat(path);
    if (found === null) throw new WriteRefused("no directory");
    if (found.kind !== "directory") throw new WriteRefused("not a directory");
  }

  /** Directories need not exist, but a file is none. */
  async #requireNoFileAbove(path: SitePath): Promise<void> {
    const above: SitePath[] = [];
    for (let at = path.parent; at !== null && at.parent !== null; at = at.parent) above.push(at);
    for (const { name } of above) requireValid(name);
    const found = await eachOf(above, (path) => statOf(this.#bucket.client, this.#keyOf(path)));
    if (found.some((stat) => stat !== null)) throw new WriteRefused("not a directory");
  }

  #requireName(path: SitePath): void {
    requireValid(path.name);
    if (isState(path)) throw new WriteRefused("name", "it is reserved for unfinished uploads");
    this.#keyOf(path);
  }

  /** The paths, with the first one, which must be a valid name. */
  #checked(paths: Iterable<SitePath>): Iterable<SitePath> & { readonly first: SitePath } {
    const iterator = paths[Symbol.iterator]();
    const { value: first } = iterator.next();
    if (first === undefined) throw new WriteRefused("taken");
    this.#requireName(first);
    const all = function* () {
      yield first;
      for (let next = iterator.next(); !next.done; next = iterator.next()) yield next.value;
    };
    return { first, [Symbol.iterator]: all };
  }

  #keyOf(path: SitePath): string {
    return keyOf(this.#bucket.prefix, path) ?? refuseTooLong();
  }

  #prefixOf(path: SitePath): string {
    return prefixOf(this.#bucket.prefix, path) ?? refuseTooLong();
  }
}

const TOO_LONG = "its path is longer than 1,024 bytes";

function refuseTooLong(): never {
  throw new WriteRefused("name", TOO_LONG);
}

function requireValid(name: string): void {
  const problem = name === "" ? "it is the root" : problemOfName(name);
  if (problem) throw new WriteRefused("name", problem);
}

function uploadKey(path: SitePath, id: string): string {
  return `${path.text}\0${id}`;
}

function sizeOf(parts: readonly StoredPart[]): number {
  return parts.reduce((sum, { size }) => sum + size, 0);
}

/** An object as pieces of a copy. */
function copyOf(from: string, { size, version, stable }: FileStat): Piece[] {
  if (size === 0) return [{ body: EMPTY }];
  const own = stable ? { version } : {};
  if (size <= COPIED_BYTES) return [{ from, ...own }];
  return Array.from({ length: Math.ceil(size / COPIED_BYTES) }, (_, index) => {
    const start = index * COPIED_BYTES;
    return { from, ...own, range: { start, end: Math.min(size, start + COPIED_BYTES) } };
  });
}

/** The path of names below a directory; null if they are none, or end with a slash. */
function pathOf(directory: SitePath, names: readonly string[]): SitePath | null {
  return names.reduce<SitePath | null>((path, name) => path?.child(name) ?? null, directory);
}
