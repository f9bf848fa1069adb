/**
 * `O_PATH` descriptors, which refer to a location in the file system and not to its content.
 *
 * Opening one never blocks and has no side effects: a FIFO gets no reader, a device is not touched. `/proc/self/fd/N`
 * then refers to exactly that inode, even if its name is replaced, and readlink(2) on it returns the kernel's view of
 * where the inode lies, rather than one assembled from names.
 *
 * Calls the C library; `node:fs`, which takes 20 ms to load, is the fallback if it is not found under any of its names.
 *
 * @module
 */

import { errno, FILE_CALLS, type FileCalls } from "./file_calls.ts";
import {
  EAGAIN,
  ENOENT,
  ENOTDIR,
  O_CLOEXEC,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  PATH_MAX,
  pinned,
  SYS_OPENAT2,
  SYS_STATX,
} from "./libc.ts";
import { type DirectoryNames, openNames } from "./directory_names.ts";
import { hasNode, nodeFs } from "./node.ts";
import { mayReadProc } from "./proc.ts";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  type EntryInfo,
  entryInfo,
  STATX_BASIC_STATS,
  STATX_WORDS,
} from "./statx.ts";

/** In place of a descriptor: the path does not exist. */
export const ABSENT = -1;
/** In place of a descriptor: undecided, use another method. */
export const UNKNOWN = -2;
/** In place of a descriptor: opening would have to wait. */
export const BUSY = -3;

/** The system calls. Tests replace them to swap a path immediately before a call. */
export interface PathDescriptors {
  /** Opens a path; unless `follow` is set, a symlink as the last component is opened itself. */
  open(path: string, follow: boolean): number;
  /** Asynchronous `open`, run on the runtime's thread pool, for slow file systems. */
  openLater(path: string, follow: boolean): Promise<number>;
  /**
   * Opens a path below a directory, with containment enforced by the kernel (openat2(2), `RESOLVE_BENEATH`). Returns
   * {@linkcode ABSENT} if the path does not exist; {@linkcode UNKNOWN} if a symlink is absolute or climbs out of the
   * directory (it may lead back inside), or if the kernel does not support the call.
   *
   * Takes 3.3 µs including stat. Opening and then resolving both the descriptor and the root takes 5.3 µs; `realpath`
   * and `stat`, which prove nothing, 2.7 µs.
   */
  openBeneath(directory: string, path: string): number;
  /** Asynchronous `openBeneath`. */
  openBeneathLater(directory: string, path: string): Promise<number>;
  /** The metadata of what is open. Null on failure: Deno's own call then gives the reason. */
  stat(descriptor: number): EntryInfo | null;
  /**
   * The metadata of an entry of an open directory, not following a symlink. Null on failure: Deno's own call then gives
   * the reason. Takes a quarter of the time of Deno's call.
   */
  lstatAt(descriptor: number, name: string): EntryInfo | null;
  /**
   * The names in an open directory, some thousand at a time. Null if they cannot be read like this: Deno's own call
   * then reads them, or gives the reason.
   */
  names(descriptor: number): DirectoryNames | null;
  /**
   * Opens a path for reading, without waiting. Returns {@linkcode BUSY} if another process holds a lease on the file
   * (fcntl(2), `F_SETLEASE`), for which open(2) waits up to 45 s; {@linkcode UNKNOWN} on any other failure.
   */
  openAtOnce(path: string): number;
  close(descriptor: number): void;
}

/** Retries if open fails although stat succeeds. */
const ATTEMPTS = 3;

let made: PathDescriptors | null | undefined;

/**
 * The system calls, or null if unavailable: on platforms other than Linux, without /proc, and unless all permissions
 * are granted (Deno requires that for /proc/self; an exception such as `--deny-read=...` counts as not all).
 */
export function pathDescriptors(): PathDescriptors | null {
  return made === undefined ? made = make() : made;
}

function make(): PathDescriptors | null {
  if (!mayReadProc()) return null;
  const calls = FILE_CALLS ? new LibcDescriptors(FILE_CALLS) : hasNode() ? throughNode() : null;
  try {
    if (calls === null) return null;
    const descriptor = calls.open("/", true);
    const real = Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
    calls.close(descriptor);
    return real === "/" ? calls : null;
  } catch {
    return null; // no /proc
  }
}

/** `sizeof(struct open_how)`. */
const HOW_BYTES = 24;

/** Implied by `RESOLVE_BENEATH` in all kernels so far, but openat2(2) recommends setting it explicitly. */
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;

class LibcDescriptors implements PathDescriptors {
  readonly #libc: FileCalls;
  readonly #encoder = new TextEncoder();
  /** Buffer for the path of the next call. */
  readonly #path = pinned(new Uint8Array(PATH_MAX));
  readonly #how = pinned(openHow());
  readonly #statx = pinned(new Uint32Array(STATX_WORDS));

  constructor(libc: FileCalls) {
    this.#libc = libc;
  }

  open(path: string, follow: boolean): number {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const descriptor = this.#open(path, follow);
      if (descriptor >= 0) return descriptor;
      throwWhatStatThrows(path, follow);
    }
    throw this.#whyNotOpened();
  }

  async openLater(path: string, follow: boolean): Promise<number> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const descriptor = await this.#libc.openLater(this.#terminated(path), flagsFor(follow));
      if (descriptor >= 0) return descriptor;
      await (follow ? Deno.stat(path) : Deno.lstat(path));
    }
    throw this.#whyNotOpened();
  }

  openBeneath(directory: string, path: string): number {
    const above = this.#open(directory, true);
    if (above < 0) return UNKNOWN;
    const isWritten = this.#write(path);
    const descriptor = isWritten ? this.#openat2(above) : UNKNOWN;
    const problem = errno();
    this.#libc.close(above);
    if (descriptor >= 0) return descriptor;
    return isWritten && (problem === ENOENT || problem === ENOTDIR) ? ABSENT : UNKNOWN;
  }

  async openBeneathLater(directory: string, path: string): Promise<number> {
    const above = await this.#libc.openLater(this.#terminated(directory), flagsFor(true));
    if (above < 0) return UNKNOWN;
    const words = [this.#terminated(path), this.#how.at, HOW_BYTES] as const;
    const descriptor = await this.#libc.openat2Later(SYS_OPENAT2, above, ...words);
    this.#libc.close(above);
    return descriptor < 0 ? UNKNOWN : descriptor; // errno is thread-local, and the call ran on another thread
  }

  stat(descriptor: number): EntryInfo | null {
    return this.#write("") ? this.#info(descriptor, AT_EMPTY_PATH) : null;
  }

  lstatAt(descriptor: number, name: string): EntryInfo | null {
    return this.#write(name) ? this.#info(descriptor, AT_SYMLINK_NOFOLLOW) : null;
  }

  names(descriptor: number): DirectoryNames | null {
    return this.#write(`/proc/self/fd/${descriptor}`) ? openNames(this.#libc, this.#path.at) : null;
  }

  openAtOnce(path: string): number {
    const descriptor = this.#write(path) ? this.#libc.open(this.#path.at, O_NONBLOCK | O_CLOEXEC) : UNKNOWN;
    if (descriptor >= 0) return descriptor;
    return errno() === EAGAIN ? BUSY : UNKNOWN;
  }

  close(descriptor: number): void {
    this.#libc.close(descriptor);
  }

  #open(path: string, follow: boolean): number {
    return this.#write(path) ? this.#libc.open(this.#path.at, flagsFor(follow)) : -1;
  }

  #openat2(directory: number): number {
    return this.#libc.openat2(SYS_OPENAT2, directory, this.#path.at, this.#how.at, HOW_BYTES);
  }

  #info(descriptor: number, flags: number): EntryInfo | null {
    const result = this.#libc.statx(SYS_STATX, descriptor, this.#path.at, flags, STATX_BASIC_STATS, this.#statx.at);
    return result < 0 ? null : entryInfo(this.#statx.bytes);
  }

  /** Writes a path into the buffer; false if it is too long. Encodes ASCII itself: for short paths, a call takes longer. */
  #write(path: string): boolean {
    const { bytes } = this.#path;
    if (path.length >= PATH_MAX) return false;
    for (let i = 0; i < path.length; i++) {
      const code = path.charCodeAt(i);
      if (code > 0x7f) return this.#encode(path);
      bytes[i] = code;
    }
    bytes[path.length] = 0;
    return true;
  }

  #encode(path: string): boolean {
    const { read, written } = this.#encoder.encodeInto(path, this.#path.bytes.subarray(0, PATH_MAX - 1));
    this.#path.bytes[written] = 0;
    return read === path.length;
  }

  #terminated(path: string): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(path + "\0");
  }

  /** Stat succeeds but open fails: either the path keeps changing, or the process is out of descriptors. */
  #whyNotOpened(): Error {
    const descriptor = this.#open("/", true);
    if (descriptor < 0) return Object.assign(new Error("Too many open files"), { code: "EMFILE" });
    this.#libc.close(descriptor);
    return new Deno.errors.NotFound();
  }
}

/** `struct open_how`: flags, mode, resolve. */
function openHow(): Uint8Array<ArrayBuffer> {
  const words = [flagsFor(true), 0, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS];
  return new Uint8Array(new BigUint64Array(words.map(BigInt)).buffer);
}

function flagsFor(follow: boolean): number {
  return O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
}

/**
 * Does not use errno, which the runtime may have overwritten by now: repeating the lookup with Deno's own call yields
 * the same failure as a Deno error.
 */
function throwWhatStatThrows(path: string, follow: boolean): void {
  if (follow) Deno.statSync(path);
  else Deno.lstatSync(path);
}

/** The same calls by `node:fs`, without those that it does not have. */
export function throughNode(): PathDescriptors {
  const fs = nodeFs();
  return {
    open(path, follow) {
      try {
        return fs.openSync(path, flagsFor(follow));
      } catch (error) {
        throwWhatStatThrows(path, follow);
        throw error;
      }
    },
    async openLater(path, follow) {
      const { promise, resolve } = Promise.withResolvers<number | Error>();
      fs.open(path, flagsFor(follow), (error, descriptor) => resolve(error ?? descriptor));
      const opened = await promise;
      if (typeof opened === "number") return opened;
      await (follow ? Deno.stat(path) : Deno.lstat(path));
      throw opened;
    },
    openBeneath: () => UNKNOWN,
    openBeneathLater: () => Promise.resolve(UNKNOWN),
    stat: () => null,
    lstatAt: () => null,
    names: () => null,
    openAtOnce(path) {
      try {
        return fs.openSync(path, O_NONBLOCK | O_CLOEXEC);
      } catch (error) {
        return (error as { code?: string }).code === "EAGAIN" ? BUSY : UNKNOWN;
      }
    },
    close: (descriptor) => fs.closeSync(descriptor),
  };
}
