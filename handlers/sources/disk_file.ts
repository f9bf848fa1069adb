/**
 * Open files on disk.
 *
 * @module
 */

import { findAnywhere, type Found } from "./contained.ts";
import { type DiskCalls, NOW, unblockedFs } from "./disk_calls.ts";
import { doNow, result, type Steps } from "./steps.ts";
import { FileChanged, type OpenFile } from "./types.ts";

/** Reads up to this size are done at once: from the page cache they take less time than a trip to another thread. */
const SYNC_READ_BYTES = 65_536;

/**
 * Opens for reading a regular file that was found, and never waits for the other end of a FIFO that has taken its name. Where
 * it is not held, what is open is looked at afterwards.
 *
 * @throws {FileChanged} Where it is something else by now.
 */
export function* openFound(calls: DiskCalls, found: Found): Steps<OpenFile> {
  if (!found.info.isFile) throw new FileChanged();
  if (found.isHeld) return new DiskFile(yield* result(calls.openFile(found.path, { read: true })));
  if (Deno.build.os !== "windows") return yield* openUnblocked(calls, found);
  const file = yield* result(calls.openFile(found.real, { read: true })); // Windows has no FIFOs among files
  if (found.isSame(file.statSync())) return new DiskFile(file);
  file.close();
  throw new FileChanged();
}

/**
 * The first bytes of a regular file at a path, wherever that leads; null where it is none. It never waits for the other end of
 * a FIFO.
 *
 * @throws Deno.errors.NotFound and others where it is not there or may not be read.
 */
export function readStart(path: string, length: number): Uint8Array | null {
  const into = new Uint8Array(length);
  try {
    using found = findAnywhere(path);
    using file = doNow(openFound(NOW, found));
    return into.subarray(0, file.read(0, into) as number); // so few are read at once
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

/** A file as Deno opens it, with a stream of the runtime. */
class DiskFile implements OpenFile {
  readonly #file: Deno.FsFile;
  #position = 0;
  #closed = false;

  constructor(file: Deno.FsFile) {
    this.#file = file;
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

  stream(offset: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#closed = true; // by the stream, at its end or when it is cancelled
    return this.#file.readable;
  }

  /** Closes the file once, however often it is asked: a reader that leaves and a read that fails may both ask. */
  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#file.close();
  }
}

/** A file that `node:fs` has opened: of a bare descriptor Deno makes no stream. */
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

  /** Closes it after the last read: a descriptor closed under a read might be another file's by the time of it. */
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
