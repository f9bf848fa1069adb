/**
 * The writer interface: new files appear atomically.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { Awaitable, Right } from "../core/types.ts";
import type { FileStat } from "./file_stat.ts";
import type { OpenFile } from "./open_file.ts";

/** Why a source refuses a write. */
export type WriteProblem =
  | "taken" // the name is in use
  | "directory" // a directory is in the place of a file
  | "not a directory" // a file is in the place of a directory
  | "absent" // it does not exist
  | "no directory" // the parent directory does not exist
  | "changed" // the version is not the expected one
  | "not empty" // the directory is not empty
  | "hidden" // the source hides this path
  | "not here" // only other directories of this source are writable
  | "name" // the name is invalid
  | "busy" // another request is writing to it
  | "inside itself" // a directory cannot be moved into itself
  | "mount" // it is, or contains, a mount point
  | "elsewhere" // on another file system, and cannot be copied; or in another source of a union
  | "disabled" // the operation is not enabled for this store
  | "forbidden" // the actor has no right to this path
  | "locked" // another actor holds a lock
  | "too large" // the file is larger than the limit
  | "no room" // the disk has not enough free space
  | "too many"; // the directory has too many entries, or is too deep

/** Details of a refusal. */
export interface RefusedWrite {
  /** The path; if absent, the one that the operation was called with. */
  readonly path?: SitePath;
  /** The missing right, for `disabled` and `forbidden`. */
  readonly right?: Right;
  /** The limit in bytes, for `too large`; the free space, for `no room`. */
  readonly bytes?: number;
}

/**
 * Thrown if a source refuses a write.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { WriteRefused } from "@x/pyserve/sources";
 *
 * assert(new WriteRefused("name", "it is no name").detail === "it is no name");
 * ```
 */
export class WriteRefused extends Error {
  /** Always `"WriteRefused"`. */
  override readonly name: string = "WriteRefused";
  /** The reason. */
  readonly problem: WriteProblem;
  /** Why the name is invalid, for `name`; otherwise null. */
  readonly detail: string | null;

  /** The path, right or limit concerned. */
  readonly about: RefusedWrite;

  /** The message does not contain the path. */
  constructor(problem: WriteProblem, detail: string | null = null, about: RefusedWrite = {}) {
    super(`Cannot write: ${detail ?? problem}`);
    this.problem = problem;
    this.detail = detail;
    this.about = about;
  }
}

/** Where a complete file is published. */
export interface CommitOptions {
  /** Candidate paths in the directory of the part; the first free one is used. */
  readonly paths: Iterable<SitePath>;
  /** Whether to replace a file at the first path instead of looking for a free one. */
  readonly replace: boolean;
  /** The version to be replaced (`FileStat.version`); any other version, or a missing file, is refused as `changed`. */
  readonly expected?: string;
  /** If given, the result is recorded under the upload id with these notes, for `recall`. */
  readonly notes?: string;
  /** The maximum permissions of the file, for a copy: it never gains any. */
  readonly mode?: number;
  /** The modification time of a file that was written, in milliseconds since 1970; defaults to when it was. */
  readonly modified?: number;
}

/** One entry of a new directory; a directory precedes its entries. */
export interface NewEntry {
  /** Its path, relative to the new directory. */
  readonly path: SitePath;
  /** Its maximum permissions; null for the default ones. */
  readonly mode: number | null;
  /** Opens the content of a file; absent for a directory. */
  readonly open?: () => Awaitable<OpenFile>;
}

/** Where a new directory is published. */
export interface TreeOptions extends CommitOptions {
  /** The size of all its files: if they do not fit on the disk, refused as `no room` before anything is written. */
  readonly bytes: number;
  /** Stops the operation until the directory is published: what has been created is removed. */
  readonly signal?: AbortSignal | undefined;
}

/** The record of an upload, available to later requests in any process. */
export interface UploadRecord {
  /** Notes of the caller; opaque to the source. */
  readonly notes: string;
  /** The result; null while the upload is unfinished. The file may have been removed or changed since. */
  readonly finished: {
    /** The final path. */
    readonly path: SitePath;
    /** Its version at that time (`FileStat.version`). */
    readonly version: string;
  } | null;
}

/** A published file. */
export interface Committed {
  /** Its path. */
  readonly path: SitePath;
  /** Its metadata. */
  readonly stat: FileStat;
  /** Whether it replaced another file. */
  readonly replaced: boolean;
}

/**
 * A partial file, invisible to clients. Its owner ends it exactly once, by `commit`, `discard` or `keep`; a failed
 * `commit` does not end it.
 */
export interface PartFile {
  /** Bytes written so far. */
  readonly size: number;
  /** Appends bytes; do not modify the buffer until the promise resolves. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads from an offset; returns 0 at the end. */
  read(offset: number, into: Uint8Array): Promise<number>;
  /** Truncates the file to a size. */
  truncate(size: number): Promise<void>;
  /** Free space on the file system in bytes; null if unknown. */
  free(): Promise<number | null>;
  /**
   * Publishes the file: it is complete and synced to disk before it becomes visible.
   *
   * @throws {WriteRefused} `taken`, `changed` or `directory`.
   */
  commit(options: CommitOptions): Promise<Committed>;
  /** Records notes for an unfinished upload, replacing earlier ones. */
  note(notes: string): Promise<void>;
  /** Whether another process has claimed the part (`claim`). */
  isClaimed(): boolean;
  /** Deletes the part, and the directories created for it if they are empty. */
  discard(): Promise<void>;
  /** Syncs and closes the part; `resume` continues it. */
  keep(): Promise<void>;
}

/** Options for removing and moving. */
export interface ChangeOptions {
  /** The required version (`FileStat.version`); any other is refused as `changed`. */
  readonly expected?: string;
  /**
   * Stops a copy to another file system until it is published: what has been copied is removed. Once started, a rename
   * or a removal is completed.
   */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Whether a directory may be written to, given the path requested and the one without symlinks; `outside` if that leads out
 * of the source. Called with the directory that is open, so that exchanging a symlink changes nothing.
 */
export type DirectoryCheck = (requested: SitePath, canonical: SitePath | "outside") => boolean;

/**
 * Writes to a source. Writes are atomic and durable across power failures, and never leave what the source exposes:
 * symlinks that lead out and hidden names are refused.
 */
export interface SourceWriter {
  /**
   * Creates the part for a path and an upload id, and missing parent directories unless `parents` is false. An existing
   * part with that id is truncated.
   */
  create(path: SitePath, id: string, options?: { readonly parents?: boolean }): Promise<PartFile>;
  /** Reopens a part to continue writing; null if there is none. */
  resume(path: SitePath, id: string): Promise<PartFile | null>;
  /** The size of a part, also while it is being written; null if there is none. */
  progress(path: SitePath, id: string): Promise<number | null>;
  /** The record of an upload, finished or not; null if there is none. */
  recall(path: SitePath, id: string): Promise<UploadRecord | null>;
  /** Removes the record of an upload, but not the resulting file. Returns whether there was one. */
  forget(path: SitePath, id: string): Promise<boolean>;
  /** Requests the release of a part by its current writer, in this or another process (`PartFile.isClaimed`). */
  claim(path: SitePath, id: string): Promise<void>;
  /** Creates one directory; its parent must exist. */
  makeDirectory(path: SitePath): Promise<void>;
  /** Removes a file, a symlink (never its target) or a directory; a non-empty one only if `recursive`. */
  remove(path: SitePath, options?: ChangeOptions & { readonly recursive?: boolean }): Promise<void>;
  /**
   * Moves a file or directory to the first free of several paths in one directory, or replaces a file. Across file
   * systems it is copied, and the original is deleted only after the copy is published.
   */
  move(from: SitePath, to: CommitOptions, options?: ChangeOptions): Promise<Committed>;
  /**
   * Creates a directory with all its entries, which appears once complete and synced, or not at all. Never replaces
   * anything. Files never gain permissions. `entries` may be iterated several times.
   */
  createTree(entries: Iterable<NewEntry>, to: TreeOptions): Promise<Committed>;
  /**
   * The paths of everything in a directory, at any depth, including what the source hides, but no parts; symlinks are not
   * followed. Empty for anything else.
   */
  below(path: SitePath): AsyncIterable<SitePath>;
  /**
   * Optional: the same writer for a client with limited rights, which refuses directories (`not here`) that a check rejects.
   * Without it, paths contain no symlinks.
   */
  judged?(allows: DirectoryCheck): SourceWriter;
  /** Optional: false if processes that create the same name at the same time may overwrite each other's file. */
  readonly isExclusive?: boolean;
  /** Removes parts and records not modified for this many milliseconds. Returns the number removed. */
  sweep(olderThan: number): Promise<number>;
}
