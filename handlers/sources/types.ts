/**
 * Where files come from: metadata first, bytes lazily.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { Awaitable } from "../types.ts";
import type { SourceWriter } from "./writer.ts";

/** What something is: only a `file` has bytes and only a `directory` has entries; `other` is a FIFO, socket or device. */
export type FileKind = "file" | "directory" | "other";

/** What is known of a file or directory without opening it. Links are followed: it is of what they lead to. */
export interface FileStat {
  /** What it is. */
  readonly kind: FileKind;
  /** Bytes of a file; 0 for all else. */
  readonly size: number;
  /** The last change of the content, in milliseconds since 1970; null where the source does not know. */
  readonly modified: number | null;
  /** Text that changes whenever the bytes may have changed, of characters that an entity tag may hold. */
  readonly version: string;
  /** False while another change could still leave `version` as it is, because the clock has not moved on. */
  readonly settled: boolean;
  /** The permissions as Unix has them, `0o644`; null or absent where the source does not know. */
  readonly mode?: number | null;
}

/** Why an entry of a directory cannot be fetched. */
export type EntryProblem = "broken link" | "special file" | "name is not UTF-8" | "not readable";

/** One entry of a directory. */
export interface FileEntry {
  /** The name as it is to be shown; where it is not UTF-8, with U+FFFD for what cannot be shown. */
  readonly name: string;
  /** What the entry is, or null where it cannot be fetched. */
  readonly stat: FileStat | null;
  /** Whether the entry is a symbolic link. */
  readonly link: boolean;
  /** Why it cannot be fetched, or null. */
  readonly problem: EntryProblem | null;
}

/** Entries of a directory, some at a time. */
export type FileSlices = Iterable<readonly FileEntry[]> | AsyncIterable<readonly FileEntry[]>;

/** An open file. Whoever opens it closes it. */
export interface OpenFile extends Disposable {
  /**
   * Reads bytes from an offset into a buffer; may read fewer than it holds.
   *
   * @returns How many were read; 0 at the end of the file.
   */
  read(offset: number, into: Uint8Array): Awaitable<number>;
  /**
   * All bytes from an offset on as a stream of the system, faster than one made of `read`; it closes the file at its end.
   * Optional.
   */
  stream?(offset: number): ReadableStream<Uint8Array<ArrayBuffer>>;
}

/** Whether a path still names the file that was seen, unchanged: at once, and no in doubt. */
export type FreshnessCheck = () => boolean;

/**
 * Where files come from. The default is `disk(root)`; `memory()` and `filtered()` come with it, and yours can be next.
 *
 * A source decides what exists: what it must not give away (outside its root, hidden) it says null to, as to what is not
 * there. It throws what the system refuses (permission, I/O), and the table of errors gives that its status.
 */
export interface FileSource {
  /** What is at a path, or null where nothing is. */
  stat(path: SitePath): Awaitable<FileStat | null>;
  /**
   * The entries of a directory, in no order, without `.` and `..`; null where there is no such directory.
   *
   * They come in slices, each of which takes a millisecond or two: whoever asks lets others have their turn in between,
   * and may stop. Where there are few, `[entries]` will do.
   *
   * @throws {FileChanged} Here or between slices, where the directory was exchanged: what came so far counts for nothing.
   */
  list(path: SitePath): Awaitable<FileSlices | null>;
  /**
   * Opens the file that `seen` describes.
   *
   * @throws {FileChanged} Where what is there now is not what was seen: ask `stat` again.
   */
  open(path: SitePath, seen: FileStat): Awaitable<OpenFile>;
  /**
   * Makes the check that comes before every answer out of a cache, or null where nothing can be promised yet. Optional:
   * files of a source without it are not cached.
   */
  freshness?(path: SitePath, seen: FileStat): FreshnessCheck | null;
  /** The same for a path at which nothing is. Optional. */
  absence?(path: SitePath): FreshnessCheck | null;
  /**
   * The real path on disk of what is at a path, for a program that is to run or open it; null where nothing is, or where
   * it must not be given away. Optional: only a source on disk has such paths. What it names may be exchanged at any time.
   *
   * @param seen What it is to be the path of: of anything else it is null. Then what is decided by the path holds for the
   * file that `open` opens.
   */
  locate?(path: SitePath, seen?: FileStat): Awaitable<string | null>;
  /**
   * What writes to it, loaded when it is first asked for. Optional: without it, nothing can be written.
   *
   * @param only Directories that alone may be written to, as {@linkcode writableIn} wants it. Where a path may lead elsewhere
   * by the time it is opened, what is open has to be judged: `WriteRefused` with `not here`.
   */
  openWriter?(only?: readonly SitePath[]): Promise<SourceWriter>;
}

/**
 * Says that a file is no longer the one that was looked at; not an error of anybody, look again.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { FileChanged, memory, SitePath } from "@x/pyserve";
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

  /** Makes the message; the path stays out of it. */
  constructor() {
    super("The file changed between looking at it and opening it");
  }
}
