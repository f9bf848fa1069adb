/**
 * `O_PATH` descriptors, which refer to a location in the file system and not to its content.
 *
 * Opening one never blocks and has no side effects: a FIFO gets no reader, a device is not touched. `/proc/self/fd/N`
 * then refers to exactly that inode, even if its name is replaced, and readlink(2) on it returns the kernel's view of
 * where the inode lies, rather than one assembled from names.
 *
 * Calls libc through FFI, which takes 1 ms to load; `node:fs` takes 20 ms and is the fallback if libc is not found
 * under any of its names.
 *
 * @module
 */

import { openLibc } from "./libc.ts";

/** The metadata used here. */
export type EntryInfo = Pick<
  Deno.FileInfo,
  "isFile" | "isDirectory" | "isSymlink" | "size" | "mtime" | "ctime" | "ino" | "dev" | "mode"
>;

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
  /**
   * The metadata of an entry of an open directory, not following a symlink. Null on failure: Deno's own call then gives
   * the reason. Takes half as long as Deno's call.
   */
  lstatAt(descriptor: number, name: string): EntryInfo | null;
  /**
   * Opens a path for reading, without waiting. Returns {@linkcode BUSY} if another process holds a lease on the file
   * (fcntl(2), `F_SETLEASE`), for which open(2) waits up to 45 s; {@linkcode UNKNOWN} on any other failure.
   */
  openAtOnce(path: string): number;
  close(descriptor: number): void;
}

const O_NONBLOCK = 0o4000;
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

/** The permissions that Deno requires for access to /proc/self. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

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
  if (Deno.build.os !== "linux" || !ALL.every(isGranted)) return null;
  const calls = throughLibc() ?? throughNode();
  try {
    const descriptor = calls.open("/", true);
    const real = Deno.readLinkSync(`/proc/self/fd/${descriptor}`);
    calls.close(descriptor);
    return real === "/" ? calls : null;
  } catch {
    return null; // no /proc
  }
}

function isGranted(name: (typeof ALL)[number]): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && !partial;
}

const SYMBOLS = {
  open: { parameters: ["pointer", "i32"], result: "i32" },
  openLater: { name: "open", parameters: ["buffer", "i32"], result: "i32", nonblocking: true },
  openat2: { name: "syscall", parameters: ["i32", "i32", "pointer", "pointer", "u32"], result: "i32" },
  openat2Later: {
    name: "syscall",
    parameters: ["i32", "i32", "buffer", "pointer", "u32"],
    result: "i32",
    nonblocking: true,
  },
  statx: { parameters: ["i32", "pointer", "i32", "u32", "pointer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  __errno_location: { parameters: [], result: "pointer" },
} as const;

type Libc = Deno.StaticForeignLibraryInterface<typeof SYMBOLS>;

/** The system call number, the same on x86-64 and aarch64. */
const OPENAT2 = 437;

/** `sizeof(struct open_how)`. */
const HOW_BYTES = 24;

/** Implied by `RESOLVE_BENEATH` in all kernels so far, but openat2(2) recommends setting it explicitly. */
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;

const ENOENT = 2;
const EAGAIN = 11;
const ENOTDIR = 20;

/** The fields requested of statx(2), without following a symlink. */
const STATX_BASIC_STATS = 0x7ff;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BYTES = 256;

/** The longest path that Linux accepts, in bytes. */
const PATH_MAX = 4096;

function throughLibc(): PathDescriptors | null {
  const library = openLibc(SYMBOLS);
  return library && new LibcDescriptors(library.symbols);
}

class LibcDescriptors implements PathDescriptors {
  readonly #libc: Libc;
  readonly #encoder = new TextEncoder();
  /** Buffer for the path of the next call. Pointers are created once: creating one costs more than the call. */
  readonly #path = pinned(new Uint8Array(PATH_MAX + 1));
  readonly #how = pinned(
    new Uint8Array(
      new BigUint64Array([BigInt(flagsFor(true)), 0n, BigInt(RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)]).buffer,
    ),
  );

  readonly #statx = pinned(new Uint8Array(STATX_BYTES));
  readonly #words = new Uint32Array(this.#statx.bytes.buffer);
  readonly #errno: Int32Array;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(libc.__errno_location()!, 4));
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
    const descriptor = isWritten ? this.#libc.openat2(OPENAT2, above, this.#path.at, this.#how.at, HOW_BYTES) : UNKNOWN;
    const errno = this.#errno[0]!; // read before any other call can change it
    this.#libc.close(above);
    if (descriptor >= 0) return descriptor;
    return isWritten && (errno === ENOENT || errno === ENOTDIR) ? ABSENT : UNKNOWN;
  }

  async openBeneathLater(directory: string, path: string): Promise<number> {
    const above = await this.#libc.openLater(this.#terminated(directory), flagsFor(true));
    if (above < 0) return UNKNOWN;
    const words = [this.#terminated(path), this.#how.at, HOW_BYTES] as const;
    const descriptor = await this.#libc.openat2Later(OPENAT2, above, ...words);
    this.#libc.close(above);
    return descriptor < 0 ? UNKNOWN : descriptor; // errno is thread-local, and the call ran on another thread
  }

  lstatAt(descriptor: number, name: string): EntryInfo | null {
    const flags = [AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS] as const;
    if (!this.#write(name) || this.#libc.statx(descriptor, this.#path.at, ...flags, this.#statx.at) < 0) return null;
    return entryInfo(this.#words);
  }

  openAtOnce(path: string): number {
    const descriptor = this.#write(path) ? this.#libc.open(this.#path.at, O_NONBLOCK | O_CLOEXEC) : UNKNOWN;
    if (descriptor >= 0) return descriptor;
    return this.#errno[0] === EAGAIN ? BUSY : UNKNOWN;
  }

  close(descriptor: number): void {
    this.#libc.close(descriptor);
  }

  #open(path: string, follow: boolean): number {
    return this.#write(path) ? this.#libc.open(this.#path.at, flagsFor(follow)) : -1;
  }

  /** Writes a path into the buffer; false if it is too long. */
  #write(path: string): boolean {
    const { read, written } = this.#encoder.encodeInto(path, this.#path.bytes.subarray(0, PATH_MAX));
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

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/**
 * Decodes a `struct statx` from 32-bit words. Timestamps are rounded as Deno does, so that both yield the same version:
 * milliseconds for mtime, whole seconds for ctime. Null for times before 1970.
 */
function entryInfo(words: Uint32Array): EntryInfo | null {
  const mode = words[7]! & 0xffff;
  const type = mode & S_IFMT;
  const [changed, modified] = [long(words, 24), long(words, 28)];
  if (words[25]! > 0x7fff_ffff || words[29]! > 0x7fff_ffff) return null;
  return {
    isFile: type === S_IFREG,
    isDirectory: type === S_IFDIR,
    isSymlink: type === S_IFLNK,
    size: long(words, 10),
    mtime: new Date(modified * 1000 + Math.trunc(words[30]! / 1e6)),
    ctime: new Date(changed * 1000),
    ino: long(words, 8),
    dev: deviceOf(words[34]!, words[35]!),
    mode,
  };
}

function long(words: Uint32Array, at: number): number {
  return words[at + 1]! * 2 ** 32 + words[at]!;
}

/** makedev(3). */
function deviceOf(major: number, minor: number): number {
  const low = ((major & 0xfff) << 8) | (minor & 0xff);
  return low + (minor & ~0xff) * 2 ** 12 + (major & ~0xfff) * 2 ** 32;
}

/** A buffer and its address: allocated outside V8's heap, so it does not move while referenced. */
function pinned(bytes: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; at: Deno.PointerValue } {
  return { bytes, at: Deno.UnsafePointer.of(bytes) };
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
  const open = (path: string, follow: boolean) => {
    try {
      return fs.openSync(path, flagsFor(follow));
    } catch (error) {
      throwWhatStatThrows(path, follow);
      throw error;
    }
  };
  return {
    open,
    openLater: (path, follow) => Promise.try(open, path, follow),
    openBeneath: () => UNKNOWN,
    openBeneathLater: () => Promise.resolve(UNKNOWN),
    lstatAt: () => null,
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

/** Loads `node:fs` synchronously; `import()` would have to be awaited. */
export function nodeFs(): typeof import("node:fs") {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:fs"): typeof import("node:fs") };
  };
  return process.getBuiltinModule("node:fs");
}
