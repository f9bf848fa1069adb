/**
 * Open files on disk.
 *
 * @module
 */

import { hasNode } from "../system/node.ts";
import { findAnywhere, type Found } from "./contained.ts";
import { type DiskCalls, NOW, unblockedFs } from "./disk_calls.ts";
import { doNow, result, type Steps } from "./steps.ts";
import { FileChanged, type OpenFile } from "./types.ts";

/** Reads up to this size are synchronous: from the page cache they are faster than a round trip to another thread. */
const SYNC_READ_BYTES = 65_536;

/**
 * Opens a found regular file for reading, and never blocks on a FIFO that has replaced it. If the file is not held by a
 * descriptor, the opened file is verified afterwards.
 *
 * @param start The offset at which its stream begins.
 * @throws {FileChanged} If it has been replaced.
 */
export function* openFound(calls: DiskCalls, found: Found, start = 0): Steps<OpenFile> {
  if (!found.info.isFile) throw new FileChanged();
  if (found.isHeld) return new DiskFile(yield* result(calls.openFile(found.path, { read: true })), start);
  if (Deno.build.os !== "windows" && hasNode()) return yield* openUnblocked(calls, found);
  // Windows has no FIFOs in the file system. Without /proc, one that has appeared just now blocks.
  const file = yield* result(calls.openFile(found.real, { read: true }));
  if (found.isSame(file.statSync())) return new DiskFile(file, start);
  file.close();
  throw new FileChanged();
}

/**
 * Returns the first bytes of the regular file at a path, without a containment check; null if it is not a regular file.
 * Never blocks on a FIFO.
 *
 * @throws Deno.errors.NotFound and other system errors if the file does not exist or is not readable.
 */
export function readStart(path: string, length: number): Uint8Array | null {
  const into = new Uint8Array(length);
  try {
    using found = findAnywhere(path);
    using file = doNow(openFound(NOW, found));
    return into.subarray(0, file.read(0, into) as number); // small reads are synchronous
  } catch (error) {
    if (error instanceof FileChanged) return null;
    throw error;
  }
}

function* openUnblocked(calls: DiskCalls, found: Found): Steps<OpenFile> {
  const file = new UnblockedFile(yield* result(calls.openUnblocked(found.real)));
  if (file.isRegular(found)) return file;
  file[Symbol.dispose]();
  throw new FileChanged();
}

/** A file opened by Deno; streams natively. */
class DiskFile implements OpenFile {
  readonly #file: Deno.FsFile;
  readonly #start: number;
  #position = 0;
  #closed = false;

  constructor(file: Deno.FsFile, start: number) {
    this.#file = file;
    this.#start = start;
  }

  read(offset: number, into: Uint8Array): number | Promise<number> {
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = offset;
    if (into.length <= SYNC_READ_BYTES) return this.#advance(this.#file.readSync(into));
    return this.#file.read(into).then((count) => this.#advance(count));
  }

  #advance(count: number | null): number {
    this.#position += count ?? 0;
    return count ?? 0;
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#file.seekSync(this.#start, Deno.SeekMode.Start);
    this.#closed = true; // by the stream, at its end or when cancelled
    return this.#file.readable;
  }

  /** Idempotent: both a disconnect and a failed read may close the file. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}

/** A file opened by `node:fs`; Deno cannot make a native stream from a bare descriptor. */
class UnblockedFile implements OpenFile {
  #descriptor: number | null;
  #reads = 0;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  isRegular(found: Found): boolean {
    const info = unblockedFs().fstatSync(this.#descriptor!);
    return info.isFile() && info.ino === found.info.ino && info.dev === found.info.dev;
  }

  read(offset: number, into: Uint8Array): number | Promise<number> {
    const descriptor = this.#descriptor;
    if (descriptor === null) throw new Deno.errors.BadResource("The file is closed");
    if (into.length <= SYNC_READ_BYTES) return unblockedFs().readSync(descriptor, into, 0, into.length, offset);
    this.#reads += 1;
    return new Promise((resolve, reject) => {
      unblockedFs().read(descriptor, into, 0, into.length, offset, (error, count) => {
        this.#reads -= 1;
        if (this.#isDisposed) this.#close();
        if (error) reject(error);
        else resolve(count);
      });
    });
  }

  #isDisposed = false;

  /** Defers closing until pending reads have finished: a descriptor closed earlier could be reused for another file. */
  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#close();
  }

  #close(): void {
    if (this.#reads > 0 || this.#descriptor === null) return;
    unblockedFs().closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}
