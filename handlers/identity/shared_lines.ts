/**
 * A file of lines to which several processes append, and of which each reads only what it has not read.
 *
 * @module
 */

import { requireOwnFile } from "../system/ownership.ts";
import { appendTo, lockedFile, replaceFile } from "./locked_file.ts";

/** Lines that were appended. */
export interface NewLines {
  readonly lines: readonly string[];
  /** Whether the file was replaced or removed: then these are all of its lines. */
  readonly isReplaced: boolean;
}

/** A file of lines; those that a full disk has cut off are passed on as they are, and never joined with the next one. */
export class SharedLines {
  readonly #path: string;
  /** Which file has been read, how many bytes and lines of it. */
  #read = { file: "", bytes: 0, lines: 0 };

  /** Nothing is read or created yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** The number of lines read. */
  get count(): number {
    return this.#read.lines;
  }

  /** The number of bytes read. */
  get bytes(): number {
    return this.#read.bytes;
  }

  /**
   * Locks the file until the result is closed, and creates it if needed.
   *
   * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
   */
  lock(): Deno.FsFile {
    return lockedFile(this.#path);
  }

  /** What has been appended since the last call; null for nothing. */
  news(): NewLines | null {
    const info = ownFile(this.#path);
    if (info === null) return this.#gone();
    if (fileOf(info) === this.#read.file && info.size === this.#read.bytes) return null;
    using file = Deno.openSync(this.#path);
    const opened = file.statSync();
    const isReplaced = fileOf(opened) !== this.#read.file || opened.size < this.#read.bytes;
    if (isReplaced) this.#read = { file: fileOf(opened), bytes: 0, lines: 0 };
    const added = readFrom(file, this.#read.bytes, opened.size);
    const end = added.lastIndexOf(0x0A) + 1;
    const lines = new TextDecoder().decode(added.subarray(0, end)).split("\n").filter((line) => line !== "");
    this.#read.bytes += end;
    this.#read.lines += lines.length;
    return { lines, isReplaced };
  }

  /** Appends lines, each with its end; the caller holds the lock, and has read what is new. */
  append(file: Deno.FsFile, lines: string, options: { readonly sync?: boolean } = {}): void {
    const isCutOff = file.statSync().size > this.#read.bytes;
    appendTo(file, (isCutOff ? "\n" : "") + lines, options);
  }

  /** Replaces the whole file; the caller holds the lock. */
  replace(lines: string): void {
    replaceFile(this.#path, lines);
  }

  #gone(): NewLines | null {
    if (this.#read.file === "") return null;
    this.#read = { file: "", bytes: 0, lines: 0 };
    return { lines: [], isReplaced: true };
  }
}

function ownFile(path: string): Deno.FileInfo | null {
  try {
    const info = Deno.lstatSync(path);
    requireOwnFile(path, info);
    return info;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** The number of a file can be used again after its removal. */
function fileOf({ dev, ino, birthtime }: Deno.FileInfo): string {
  return `${dev} ${ino} ${birthtime?.getTime()}`;
}

function readFrom(file: Deno.FsFile, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(end - start);
  file.seekSync(start, Deno.SeekMode.Start);
  let length = 0;
  while (length < bytes.length) {
    const count = file.readSync(bytes.subarray(length));
    if (count === null) break;
    length += count;
  }
  return bytes.subarray(0, length);
}
