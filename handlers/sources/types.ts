/**
 * The file source interface: metadata first, content lazily.
 *
 * @module
 */

import type { ByteRange } from "../http/range.ts";
import type { SitePath } from "../http/target.ts";
import type { Awaitable } from "../core/types.ts";
import type { FileKind, FileStat } from "./file_stat.ts";
import type { OpenFile } from "./open_file.ts";
import type { SourceWriter } from "./writer.ts";

export type { FileKind, FileStat } from "./file_stat.ts";
export type { OpenFile } from "./open_file.ts";

/** Why a directory entry cannot be served. */
export type EntryProblem = "broken link" | "special file" | "name is not UTF-8" | "not readable";

/** One entry of a directory. */
export interface FileEntry {
  /** The name for display; bytes that are not UTF-8 are shown as U+FFFD. */
  readonly name: string;
  /** Its metadata, or null if it cannot be served. */
  readonly stat: FileStat | null;
  /** Whether the entry is a symbolic link. */
  readonly link: boolean;
  /** Why it cannot be served, or null. */
  readonly problem: EntryProblem | null;
}

/** An entry of which only the name and the kind are known so far. `link` is false, `stat` and `problem` are null. */
export interface UnreadEntry extends FileEntry {
  /** What the directory says that it is. */
  readonly kind: "file" | "directory";
  /** Reads its metadata; null if it has been deleted since, or replaced by a symlink. */
  read(): FileEntry | null;
}

/**
 * Whether the metadata of an entry has not been read yet.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, SitePath } from "@x/pyserve";
 * import { isUnread } from "@x/pyserve/sources";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/a.txt`, "a");
 * for await (const slice of (await disk(directory).list(SitePath.root))!) {
 *   for (const entry of slice) assert((isUnread(entry) ? entry.read() : entry)?.stat?.size === 1);
 * }
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export function isUnread(entry: FileEntry): entry is UnreadEntry {
  return "read" in entry;
}

/** The kind of an entry; null if it cannot be served. */
export function kindOf(entry: FileEntry): FileKind | null {
  return isUnread(entry) ? entry.kind : entry.stat?.kind ?? null;
}

/** The entries of a directory, in slices. */
export type FileSlices = Iterable<readonly FileEntry[]> | AsyncIterable<readonly FileEntry[]>;

/** Whether a path still refers to the same, unchanged file. Synchronous; returns false in doubt. */
export type FreshnessCheck = () => boolean;

/**
 * Where files come from: `disk(root)` by default, `memory()`, `filtered()`, or an implementation of your own.
 *
 * A source decides what exists: for anything it must not expose (outside its root, hidden) it returns null, as for a
 * missing file. It throws system errors (permission, I/O), which `settle` maps to a status.
 *
 * @category Sources
 */
export interface FileSource {
  /** The metadata for a path, or null if it does not exist. */
  stat(path: SitePath): Awaitable<FileStat | null>;
  /**
   * The entries of a directory, unordered, without `.` and `..`; null if there is no such directory.
   *
   * Each slice takes a millisecond or two, so that the caller can let other requests run in between, and can stop
   * early. For a small directory, `[entries]` is enough.
   *
   * @param until Given if some or all of the entries may be of the type {@linkcode UnreadEntry}, for a caller that
   * needs their names first. It is disposed of when their metadata is no longer needed: what is needed for that can be
   * added to it. A source may always ignore this.
   * @throws {FileChanged} Here or between slices, if the directory was replaced: discard the entries received so far.
   */
  list(path: SitePath, until?: DisposableStack): Awaitable<FileSlices | null>;
  /**
   * Opens the file described by `seen`.
   *
   * @param range The bytes that will be read, in order, so that a network source can fetch them with one request. The
   * caller may also read elsewhere, such as the beginning of the file, at the cost of another request. Without a range,
   * or with an empty one, it may read anywhere, or only check whether the file can be opened.
   * @throws {FileChanged} If the file is no longer the one described by `seen`: call `stat` again.
   */
  open(path: SitePath, seen: FileStat, range?: ByteRange): Awaitable<OpenFile>;
  /**
   * Optional: returns a check to be run before each response from a cache, or null if freshness cannot be guaranteed
   * yet. Files of a source without this method are not cached.
   */
  freshness?(path: SitePath, seen: FileStat): FreshnessCheck | null;
  /** Optional: the same for a path that does not exist. */
  absence?(path: SitePath): FreshnessCheck | null;
  /**
   * Optional: the real path on disk, for a program to run or open; null if it does not exist or must not be disclosed.
   * Only sources on disk have such paths. The file at that path may be replaced at any time.
   *
   * @param seen The expected file: returns null for any other. A decision based on the path then also holds for the
   * file that `open` opens.
   */
  locate?(path: SitePath, seen?: FileStat): Awaitable<string | null>;
  /**
   * Optional: the path in this source without symlinks, for decisions about rights; `outside` if it leads out of the
   * source, null if it is no longer the file described by `seen`. Without this method, paths contain no symlinks.
   */
  canonical?(path: SitePath, seen: FileStat): Awaitable<SitePath | "outside" | null>;
  /**
   * Optional: the writer, loaded on first use. Without it, the source is read-only.
   *
   * @param only The only directories that may be written to, for {@linkcode writableIn}. Because a path may resolve to
   * another directory by the time it is opened, the opened directory has to be checked: `WriteRefused` with `not here`.
   */
  openWriter?(only?: readonly SitePath[]): Promise<SourceWriter>;
  /**
   * Optional: watches a directory and everything below it, from this call until the signal is aborted. Yields the paths
   * that were created, changed or removed.
   *
   * A path may be yielded more than once for one change. A directory may stand for anything in it, if there are too
   * many changes to name. Changes to what the source does not expose are not reported. Treat it as a hint to check
   * again: the platform may miss a change, such as a directory immediately replaced by a symlink. `freshness` decides
   * whether something has changed.
   *
   * @param skip Directories that need not be watched; changes in them may be reported nevertheless.
   * @throws Deno.errors.NotFound and other system errors if there is no such directory. If the system refuses to watch,
   * it throws here, or later while the changes are read.
   */
  watch?(path: SitePath, signal: AbortSignal, skip?: (path: SitePath) => boolean): AsyncIterable<SitePath>;
}

/**
 * Thrown if a file is no longer the one that was looked up. Not a failure: look it up again.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { memory, SitePath } from "@x/pyserve";
 * import { FileChanged } from "@x/pyserve/sources";
 *
 * const source = memory({ "a.txt": "a" });
 * const path = SitePath.root.child("a.txt")!;
 * const seen = await source.stat(path);
 * let thrown: unknown;
 * try {
 *   source.open(path, { ...seen!, version: "another" });
 * } catch (error) {
 *   thrown = error;
 * }
 * assert(thrown instanceof FileChanged);
 * ```
 */
export class FileChanged extends Error {
  /** Always `"FileChanged"`. */
  override readonly name: string = "FileChanged";

  /** The message does not contain the path. */
  constructor() {
    super("The file changed before it was opened");
  }
}
