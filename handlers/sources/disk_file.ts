/**
 * Open files on disk.
 *
 * @module
 */

import { NOT_CACHED, readCached, READS_CACHED } from "../system/cached_read.ts";
import { hasNode } from "../system/node.ts";
import { BUSY } from "../system/path_descriptor.ts";
import { findAnywhere, type Found } from "./contained.ts";
import { DESCRIPTORS, type DiskCalls, NOW, pathOf, unblockedFs } from "./disk_calls.ts";
import { doNow, result, type Steps } from "./steps.ts";
import { describe } from "./disk_stat.ts";
import { FileChanged, type FileStat, type OpenFile } from "./types.ts";

/**
 * Reads up to this size are synchronous, where it is not known whether they have to wait: from the page cache they are
 * faster than a round trip to another thread.
 */
const SYNC_READ_BYTES = 65_536;

/** The most read from the page cache at once: some 0.1 ms. */
const CACHED_READ_BYTES = 262_144;

/**
 * Opens a found regular file for reading, and never blocks on a FIFO that has replaced it. If the file is not held by a
 * descriptor, the opened file is verified afterwards.
 *
 * @param start The offset at which its stream begins.
 * @throws {FileChanged} If it has been replaced.
 */
export function* openFound(calls: DiskCalls, found: Found, start = 0): Steps<OpenFile> {
  if (!found.info.isFile) throw new FileChanged();
  if (found.isHeld) return (calls === NOW ? openCached(found, start) : null) ?? (yield* openHeld(calls, found, start));
  if (Deno.build.os !== "windows" && hasNode()) return yield* openUnblocked(calls, found);
  // Windows has no FIFOs in the file system. Without /proc, one that has appeared just now blocks.
  const file = yield* result(calls.openFile(found.real, { read: true }));
  if (found.isSame(file.statSync())) return new DiskFile(file, start);
  file.close();
  throw new FileChanged();
}

/** Opens a file for reading what is in the page cache, without Deno; null if that is not possible. */
function openCached(found: Found, start: number): OpenFile | null {
  const descriptor = READS_CACHED ? DESCRIPTORS!.openAtOnce(found.path) : -1;
  if (descriptor === BUSY) throw new FileChanged();
  return descriptor < 0 ? null : new CachedFile(descriptor, start);
}

function* openHeld(calls: DiskCalls, found: Found, start: number): Steps<DiskFile> {
  return new DiskFile(yield* result(calls.openFile(found.path, { read: true })), start);
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
    if (!found.info.isFile) return null;
    using file = doNow(found.isHeld ? openHeld(NOW, found, 0) : openFound(NOW, found));
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

/**
 * A file opened by a bare descriptor: bytes in the page cache are read at once. All others are left to a file opened by
 * Deno, and so are streams.
 */
class CachedFile implements OpenFile {
  readonly #start: number;
  #descriptor: number | null;
  #file: DiskFile | null = null;

  constructor(descriptor: number, start: number) {
    this.#descriptor = descriptor;
    this.#start = start;
  }

  get descriptor(): number {
    return this.#descriptor!;
  }

  read(offset: number, into: Uint8Array): number | Promise<number> {
    if (this.#descriptor === null) throw new Deno.errors.BadResource("The file is closed");
    const count = readCached(this.#descriptor, offset, into.subarray(0, CACHED_READ_BYTES));
    if (count >= 0) return count;
    const file = this.#byDeno(this.#descriptor);
    return count === NOT_CACHED ? file.readLater(offset, into) : file.read(offset, into);
  }

  stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const stream = this.#byDeno(this.#descriptor!).stream();
    this.#close();
    return stream;
  }

  stat(): FileStat {
    return describe(doNow(result(NOW.statOpen(this.#descriptor!))));
  }

  /** Neither waits nor fails with a lease: while the descriptor is open, none can be taken on the file. */
  #byDeno(descriptor: number): DiskFile {
    return this.#file ??= new DiskFile(Deno.openSync(pathOf(descriptor)), this.#start);
  }

  [Symbol.dispose](): void {
    this.#close();
    this.#file?.[Symbol.dispose]();
  }

  #close(): void {
    if (this.#descriptor !== null) DESCRIPTORS!.close(this.#descriptor);
    this.#descriptor = null;
  }
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
    if (into.length > SYNC_READ_BYTES) return this.readLater(offset, into);
    this.#seek(offset);
    return this.#advance(this.#file.readSync(into));
  }

  async readLater(offset: number, into: Uint8Array): Promise<number> {
    this.#seek(offset);
    return this.#advance(await this.#file.read(into));
  }

  #seek(offset: number): void {
    if (offset !== this.#position) this.#file.seekSync(offset, Deno.SeekMode.Start);
    this.#position = offset;
  }

  #advance(count: number | null): number {
    this.#position += count ?? 0;
    return count ?? 0;
  }

  async stat(): Promise<FileStat> {
    return describe(await this.#file.stat());
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
