/**
 * Writing to where files come from: new files appear whole or not at all.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { FileStat } from "./types.ts";

/** Why a source refuses to write. */
export type WriteProblem =
  | "taken" // something has the name
  | "directory" // a directory is where a file was expected
  | "not a directory" // a file is where a directory was expected
  | "absent" // nothing is there
  | "no directory" // the directory that it would be in is not there
  | "changed" // it is not in the state that was expected
  | "not empty" // a directory has entries
  | "hidden" // the path is not one that this source shows
  | "not here" // only other directories of this source can be written to
  | "name" // the name cannot be given
  | "busy" // somebody else is writing it
  | "inside itself" // a directory would be moved below itself
  | "mount" // a file system is mounted on a directory, or below it
  | "elsewhere"; // it lies on another file system, and cannot be copied

/**
 * Says that a source does not write what it was asked to write.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { WriteRefused } from "@x/pyserve";
 *
 * assert(new WriteRefused("name", "it is no name").detail === "it is no name");
 * ```
 */
export class WriteRefused extends Error {
  /** Always `"WriteRefused"`. */
  override readonly name: string = "WriteRefused";
  /** Why. */
  readonly problem: WriteProblem;
  /** What is wrong with a name, in words; else null. */
  readonly detail: string | null;

  /** Makes the message; the path stays out of it. */
  constructor(problem: WriteProblem, detail: string | null = null) {
    super(`Cannot write: ${detail ?? problem}`);
    this.problem = problem;
    this.detail = detail;
  }
}

/** Where a finished file goes. */
export interface CommitOptions {
  /** Paths in the directory of the part; the first that is free is taken. */
  readonly paths: Iterable<SitePath>;
  /** Whether a file that has the first path is replaced, instead of looking for one that is free. */
  readonly replace: boolean;
  /** The version that must be replaced (`FileStat.version`): any other, or none, is refused as `changed`. */
  readonly expected?: string;
  /** Where given, what the part has become is recorded under its id, with these notes, for `recall`. */
  readonly notes?: string;
}

/** What is recorded of an upload: for the next request, whichever process takes it. */
export interface UploadRecord {
  /** What was noted of it; the source does not read it. */
  readonly notes: string;
  /** What it has become; null while it is not finished. It may have gone, or become something else, since. */
  readonly finished: {
    /** The path that it got. */
    readonly path: SitePath;
    /** Its version then (`FileStat.version`). */
    readonly version: string;
  } | null;
}

/** A file that has become visible. */
export interface Committed {
  /** Where it is. */
  readonly path: SitePath;
  /** What is known of it. */
  readonly stat: FileStat;
  /** Whether it replaced another. */
  readonly replaced: boolean;
}

/**
 * A file that is being written, and that nobody sees. Whoever has it ends it once: with `commit`, `discard` or `keep`; a
 * `commit` that fails does not end it.
 */
export interface PartFile {
  /** Bytes written so far. */
  readonly size: number;
  /** Appends bytes; the buffer must not change until that is done. */
  write(bytes: Uint8Array): Promise<void>;
  /** Reads bytes from an offset; 0 at the end. */
  read(offset: number, into: Uint8Array): Promise<number>;
  /** Forgets the bytes from an offset on. */
  truncate(size: number): Promise<void>;
  /** Bytes that the file system has room for; null where nobody knows. */
  free(): Promise<number | null>;
  /**
   * Gives the file its name: it is on the disk, whole, before anybody sees it.
   *
   * @throws {WriteRefused} `taken`, `changed` or `directory`.
   */
  commit(options: CommitOptions): Promise<Committed>;
  /** Records notes of an unfinished upload, in place of those before. */
  note(notes: string): Promise<void>;
  /** Whether another process waits for the part (`claim`). */
  isClaimed(): boolean;
  /** Ends it without a trace; directories made for it go as well, if nothing else is in them. */
  discard(): Promise<void>;
  /** Ends it for now; `resume` goes on. What was written is on the disk then. */
  keep(): Promise<void>;
}

/** What can be removed or moved. */
export interface ChangeOptions {
  /** The version that it must have (`FileStat.version`); any other is refused as `changed`. */
  readonly expected?: string;
}

/**
 * Writes to a source. What it writes appears whole or not at all, also after the power has failed, and never outside of
 * what the source shows: where links lead out, and below hidden names, it refuses.
 */
export interface SourceWriter {
  /**
   * Begins a file at a path, in a part that `id` and the path name; directories on the way are made. One that was there
   * under the same id begins anew.
   */
  create(path: SitePath, id: string): Promise<PartFile>;
  /** Goes on where a part ended, or null where there is none. */
  resume(path: SitePath, id: string): Promise<PartFile | null>;
  /** Bytes of a part, or null where there is none. Also while it is being written. */
  progress(path: SitePath, id: string): Promise<number | null>;
  /** What is recorded of an upload, unfinished or finished; null where nothing is. */
  recall(path: SitePath, id: string): Promise<UploadRecord | null>;
  /** Removes the record of an upload, not what it has become. Returns whether there was one. */
  forget(path: SitePath, id: string): Promise<boolean>;
  /** Asks whoever writes to a part, in this process or in another, to let go of it (`PartFile.isClaimed`). */
  claim(path: SitePath, id: string): Promise<void>;
  /** Makes one directory; its parent must be there. */
  makeDirectory(path: SitePath): Promise<void>;
  /** Removes a file, a link (never what it leads to) or a directory, with all in it only where `recursive`. */
  remove(path: SitePath, options?: ChangeOptions & { readonly recursive?: boolean }): Promise<void>;
  /**
   * Gives a file or directory the first of several paths in one directory that is free, or replaces a file. To another file
   * system it is copied; what was moved goes from its old path only when the copy has the new one.
   */
  move(from: SitePath, to: CommitOptions, options?: ChangeOptions): Promise<Committed>;
  /** Removes parts that have not been written to for so many milliseconds, and records as old. Returns how many. */
  sweep(olderThan: number): Promise<number>;
}
