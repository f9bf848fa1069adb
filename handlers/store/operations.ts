/**
 * The operations of a store on behalf of one actor.
 *
 * @module
 */

import type { Right } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { permitted } from "../sources/permitted.ts";
import type { FileSource } from "../sources/types.ts";
import {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type NewEntry,
  type PartFile,
  type SourceWriter,
  WriteRefused,
} from "../sources/writer.ts";
import type { Permit, StoreRights } from "./access.ts";
import type { Followers } from "./followers.ts";
import type { Locks } from "./locks.ts";
import type { Appended, Appends, UploadKey, UploadPiece, UploadProgress } from "./appends.ts";
import { type ConflictPolicy, firstFreeNumber, type Naming, pathsFor } from "./conflict.ts";
import { type Original, originalOf } from "./original.ts";
import { type ContentCheck, fileLimit, receive, tooLarge, WriteBuffer } from "./write_buffer.ts";

/** Options of {@linkcode Operations.create}. */
export interface CreateOptions extends Naming {
  /** The size of the content in bytes, if known: if it does not fit, it is refused before it is read. */
  readonly length?: number | null;
  /** Verifies the content before the file gets its name. */
  readonly check?: ContentCheck | null;
  /** Whether missing parent directories are created; defaults to true. */
  readonly parents?: boolean;
  /** The modification time of the file, in milliseconds since 1970; defaults to now. */
  readonly modified?: number;
}

/** Options of {@linkcode Operations.copy}. */
export interface CopyOptions extends Naming {
  /** Another source, whose visible entries are copied; defaults to the store's own. */
  readonly source?: FileSource;
  /** Whether a directory is copied without its entries (`Depth: 0` in WebDAV); defaults to false. */
  readonly shallow?: boolean;
  /** Stops the copy, which then leaves nothing; once the copy has appeared, it stays. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of {@linkcode Operations.move}. */
export interface MoveOptions extends Naming {
  /** Stops a move to another file system until the copy has appeared: nothing has been moved then. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@linkcode Operations.requireRight} requires. */
export interface EarlyCheck {
  /** What the store must allow. */
  readonly enabled: keyof StoreRights;
  /** The right that the actor must have. */
  readonly right: Right;
}

/** A copy. */
export interface Copied extends Committed {
  /** How many entries were left out: links to directories, broken links, special files. Hidden ones do not count. */
  readonly omitted: number;
}

/** The parts of a store that the operations need. */
export interface OperatedStore {
  readonly source: FileSource;
  readonly options: {
    readonly maxBytes: number;
    readonly maxEntries: number;
    readonly locks: Locks | null;
    readonly followers: Followers | null;
  };
  readonly appends: Appends;
  writer(): Promise<SourceWriter>;
}

/**
 * Operations on files; obtained from {@linkcode Store.as}.
 *
 * All of them check every right and lock before they change anything, and throw {@linkcode WriteRefused} with a typed
 * `problem` if they refuse. Files and directories appear once complete, or not at all.
 */
export class Operations {
  readonly #store: OperatedStore;
  readonly #permit: Permit;

  /** Use {@linkcode Store.as}. */
  constructor(store: OperatedStore, permit: Permit) {
    this.#store = store;
    this.#permit = permit;
  }

  /**
   * The source, as far as the actor may know what exists: what it may read, and where it has the right that an operation
   * needs. For checks before the operation.
   */
  known(right: Right): FileSource {
    const { source } = this.#store;
    if (this.#permit.isUniform) return source;
    return permitted(source, (path) => this.#permit.may(right, path) || this.#permit.may("read", path));
  }

  /** The writer on behalf of the actor. */
  writer(): Promise<SourceWriter> {
    return this.#store.writer();
  }

  /** Refuses early, before anything is read: unless the store allows it at all, and the actor has a right to a path. */
  requireRight(path: SitePath, { enabled, right }: EarlyCheck): void {
    this.#permit.requireEnabled(enabled);
    this.#permit.require(right, path);
  }

  /** Requires the right to change something, and everything in it if `deep`: for a lock, which keeps others from doing so. */
  async requireChange(
    path: SitePath,
    { deep = false, signal }: { readonly deep?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<void> {
    this.requireRight(path, { enabled: "change", right: "change" });
    if (deep) await this.#permit.requireTree(path, signal);
  }

  /** Requires a right to what is kept about a path besides its content, and that no lock prevents changing it. */
  async requireNotes(path: SitePath, right: keyof StoreRights): Promise<void> {
    this.requireRight(path, { enabled: right, right });
    await this.#permit.requireUnlocked(path, "content");
  }

  /** Stores a new file, creating its parent directories. Errors of the content are passed on. */
  async create(
    path: SitePath,
    content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    { length = null, check = null, parents = true, modified, ...naming }: CreateOptions = {},
  ): Promise<Committed> {
    await this.requireFile(path, naming);
    this.checkSize(length ?? 0);
    const part = await this.begin(path, { parents });
    try {
      await this.checkRoom(part, length);
      await receive(content, new WriteBuffer(part, fileLimit(this.#store.options.maxBytes), check));
      check?.check();
      return await this.commit(part, path, naming, modified === undefined ? {} : { modified });
    } catch (error) {
      await part.discard();
      throw error;
    }
  }

  /** Replaces a file; with `expected`, only that version of it. Creates the file if there is none, unless it is expected. */
  async replace(
    path: SitePath,
    content: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
    options: Omit<CreateOptions, "onConflict"> = {},
  ): Promise<Committed> {
    return await this.create(path, content, { ...options, onConflict: "overwrite" });
  }

  /**
   * Appends a piece to a resumable upload, and stores the file with the last one. An interrupted piece can be resumed,
   * also by another process.
   *
   * @throws {AppendRefused} If the piece does not continue what has been received.
   */
  async append(upload: UploadKey, piece: UploadPiece): Promise<Appended> {
    return await this.#store.appends.append(upload, piece, this);
  }

  /** The progress of a resumable upload; null if there is none. */
  async progress(upload: UploadKey): Promise<UploadProgress | null> {
    this.#permit.require("create", upload.path);
    return await this.#store.appends.progress(upload);
  }

  /** Cancels a resumable upload. */
  async cancel(upload: UploadKey): Promise<void> {
    this.#permit.requireEnabled("create");
    this.#permit.require("create", upload.path);
    await this.#store.appends.cancel(upload, this);
  }

  /** Creates a directory; its parent must exist. */
  async makeDirectory(path: SitePath): Promise<void> {
    this.#permit.requireEnabled("create");
    this.#permit.require("create", path);
    await this.#permit.requireUnlocked(path, "entry");
    if (path.parent === null) throw new WriteRefused("taken");
    await (await this.#store.writer()).makeDirectory(path);
  }

  /** Deletes a file, a symlink (never its target) or a directory; a non-empty one only if `recursive`. */
  async remove(path: SitePath, options: ChangeOptions & { readonly recursive?: boolean } = {}): Promise<void> {
    this.#permit.requireEnabled("change");
    await this.#permit.requireTree(path, options.signal);
    await this.#permit.requireUnlocked(path, "tree");
    options.signal?.throwIfAborted();
    await (await this.#store.writer()).remove(path, options);
    await this.#store.options.locks?.removed?.(path);
    this.#store.options.followers?.removed(path);
  }

  /**
   * Moves a file, a symlink or a directory with everything in it, hidden files too. The parent of the new place must
   * exist; a directory never replaces anything.
   *
   * @param options.expected The version of the original.
   */
  async move(from: SitePath, to: SitePath, options: MoveOptions = {}): Promise<Committed> {
    const policy = this.#permit.concealing(to, options.onConflict ?? "fail");
    this.#permit.requireEnabled("change");
    const entries = await this.#permit.requireMove(from, options.signal);
    this.#permit.requireName(to, policy);
    await this.#permit.requireOriginal(to);
    await this.#permit.requireUnlocked(from, "tree");
    await this.#requireNameUnlocked(to, policy);
    const target = { paths: await this.#candidates(to, policy, entries), replace: policy === "overwrite" };
    const { expected, signal } = options;
    const change = { signal, ...(expected !== undefined && { expected }) };
    const moved = await (await this.#store.writer()).move(from, target, change);
    await this.#store.options.locks?.removed?.(from);
    this.#store.options.followers?.moved(from, moved.path);
    return moved;
  }

  /**
   * Copies a file, or a directory with everything in it that the actor can read: hidden files are skipped, symlinks to
   * files are copied as files, and symlinks to directories are skipped. The parent of the new path must exist; a
   * directory never replaces anything. Copies get default permissions, but never more than the original has.
   *
   * @throws {WriteRefused} `too many` for more entries than the store allows, or a tree that is too deep.
   * @throws {FileChanged} If a file changes during the copy.
   */
  async copy(from: SitePath, to: SitePath, options: CopyOptions = {}): Promise<Copied> {
    const { source = this.#store.source, shallow = false, onConflict = "fail", expected, signal } = options;
    const policy = this.#permit.concealing(to, onConflict);
    const isOwn = source === this.#store.source;
    this.#permit.requireEnabled("create", policy);
    if (isOwn) this.#permit.require("read", from);
    this.#permit.requireName(to, policy);
    await this.#permit.requireOriginal(to);
    await this.#requireNameUnlocked(to, policy);
    if (isOwn && isInItself(from, to, options)) throw new WriteRefused("inside itself");
    const canRead = (path: SitePath) => !isOwn || this.#permit.may("read", path);
    // Links in the original do not confer rights either.
    const readable = isOwn && !this.#permit.isUniform ? permitted(source, canRead) : source;
    const original = await originalOf(readable, from, { ...this.#store.options, canRead, shallow, signal });
    const paths = await this.#candidates(to, policy, pathsOf(original.entries));
    const target = { paths, replace: policy === "overwrite", signal, ...(expected !== undefined && { expected }) };
    const copy = original.stat.kind === "directory"
      ? this.#copyTree(original, target)
      : this.#copyFile(original, to, target);
    const copied = await copy;
    // Of entries that the actor may not read, nothing is copied.
    if (isOwn) {
      this.#store.options.followers?.copied(from, copied.path, { shallow: shallow || !this.#permit.isUniform });
    }
    return { ...copied, omitted: original.omitted };
  }

  async #copyFile(original: Original, to: SitePath, { signal, ...options }: Target): Promise<Committed> {
    const part = await (await this.#store.writer()).create(to, crypto.randomUUID(), { parents: false });
    try {
      await this.checkRoom(part, original.bytes);
      await receive(original.content(), new WriteBuffer(part, fileLimit(this.#store.options.maxBytes)));
      signal?.throwIfAborted();
      return await part.commit({ ...options, ...modeOf(original) });
    } catch (error) {
      await part.discard();
      throw error;
    }
  }

  async #copyTree(original: Original, options: Target): Promise<Committed> {
    const { entries, bytes } = original;
    return await (await this.#store.writer()).createTree(entries, { ...options, bytes, ...modeOf(original) });
  }

  /** Refuses a file because of rights, locks or existing entries before its content is read. */
  async requireFile(path: SitePath, { onConflict = "fail" }: Naming): Promise<void> {
    const policy = this.#permit.concealing(path, onConflict);
    this.#permit.requireEnabled("create", policy);
    await this.#permit.requireFile(path, policy);
    await this.#requireNameUnlocked(path, policy);
    // An actor who cannot read it, and can repeat this, must not learn that the name is taken, from the time neither.
    if (policy === "rename" && !this.#permit.may("read", path)) return;
    const there = await this.known("create").stat(path);
    if (there?.kind === "directory") throw new WriteRefused("directory");
    if (there && policy === "fail") throw new WriteRefused("taken");
  }

  /** Creates the part of a file for which `requireFile` has been called. */
  async begin(path: SitePath, options: { readonly parents?: boolean } = {}): Promise<PartFile> {
    return await (await this.#store.writer()).create(path, crypto.randomUUID(), options);
  }

  /** Gives a part its name. With notes, the result is recorded. */
  async commit(
    part: PartFile,
    path: SitePath,
    naming: Naming,
    more: Pick<CommitOptions, "notes" | "modified"> = {},
  ): Promise<Committed> {
    const { onConflict = "fail", expected } = naming;
    const policy = this.#permit.concealing(path, onConflict);
    await this.#requireNameUnlocked(path, policy);
    return await part.commit({
      paths: await this.#candidates(path, policy, []),
      replace: policy === "overwrite",
      ...(expected !== undefined && { expected }),
      ...more,
    });
  }

  /** Refuses a file of this size if it exceeds the limit. */
  checkSize(size: number): void {
    if (size > this.#store.options.maxBytes) throw tooLarge(this.#store.options.maxBytes);
  }

  /** Refuses this many more bytes if they do not fit on the disk; null means unknown. */
  async checkRoom(part: PartFile, more: number | null): Promise<void> {
    const free = more === null ? null : await part.free();
    if (more !== null && free !== null && more > free) throw new WriteRefused("no room", null, { bytes: free });
  }

  async #requireNameUnlocked(path: SitePath, policy: ConflictPolicy): Promise<void> {
    if (this.#store.options.locks === null) return;
    // An actor who cannot read the name must not learn that it is locked: if it is taken, another one is chosen.
    const isConcealed = policy === "rename" && !this.#permit.may("read", path);
    if (isConcealed && path.parent !== null) return await this.#permit.requireUnlocked(path.parent, "content");
    const isReplaced = policy === "overwrite" && await this.#store.source.stat(path) !== null;
    await this.#permit.requireUnlocked(path, isReplaced ? "content" : "entry");
  }

  /** The candidate paths, in order; the actor may create each of them with these entries. */
  async #candidates(path: SitePath, policy: ConflictPolicy, entries: Iterable<SitePath>): Promise<Iterable<SitePath>> {
    const isTaken = async (path: SitePath) => await this.#store.source.stat(path) !== null;
    const first = policy === "rename" && await isTaken(path) ? await firstFreeNumber(path, isTaken) : 1;
    return this.#permit.allowed(pathsFor(path, policy, first), entries);
  }
}

/** Where a copy is published. */
type Target = CommitOptions & Pick<CopyOptions, "signal">;

/** The paths of entries; can be iterated several times. */
function pathsOf(entries: Iterable<NewEntry>): Iterable<SitePath> {
  return {
    *[Symbol.iterator]() {
      for (const { path } of entries) yield path;
    },
  };
}

/** Whether a copy would end up in its original, or in its place; next to it, it may. */
function isInItself(from: SitePath, to: SitePath, { shallow = false, onConflict }: CopyOptions): boolean {
  if (from.text === to.text) return onConflict !== "rename";
  return !shallow && to.below(from) !== null;
}

function modeOf({ stat: { mode } }: Original): { readonly mode?: number } {
  return mode === null || mode === undefined ? {} : { mode };
}
