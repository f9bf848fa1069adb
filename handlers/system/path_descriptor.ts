/**
 * Descriptors that stand for a place in the file system (`O_PATH`) and not for its content.
 *
 * Opening one never blocks and has no effect on what is opened: a FIFO has no reader by it and a device is not touched.
 * `/proc/self/fd/N` then means exactly that inode, whatever happens to its name, and reading that link tells where the
 * inode lies: the kernel's answer, not one put together from names.
 *
 * libc is called through FFI, which takes 1 ms to load; `node:fs` takes 20, so it is only asked where libc is not found under
 * any of its names.
 *
 * @module
 */

/** What the system says of something, as far as it is of use here. */
export type EntryInfo = Pick<
  Deno.FileInfo,
  "isFile" | "isDirectory" | "isSymlink" | "size" | "mtime" | "ctime" | "ino" | "dev" | "mode"
>;

/** Instead of a descriptor: nothing is there. */
export const ABSENT = -1;
/** Instead of a descriptor: find it another way. */
export const UNKNOWN = -2;

/** The calls. Tests replace them to exchange a path just before one. */
export interface PathDescriptors {
  /** Opens a path; with `follow` false a link at its end is opened itself. */
  open(path: string, follow: boolean): number;
  /** The same in a thread of the runtime, for file systems that are slow. */
  openLater(path: string, follow: boolean): Promise<number>;
  /**
   * Opens a path that does not leave a directory on the way, which the kernel sees to (openat2(2), `RESOLVE_BENEATH`):
   * {@linkcode ABSENT} where nothing is there; {@linkcode UNKNOWN} where a link is absolute or climbs out and may come back,
   * and where the kernel cannot tell.
   *
   * With a stat it takes 3.3 us. To open it, read where it lies and where the root lies takes 5.3; `realpath` and `stat`,
   * which prove nothing, 2.7.
   */
  openBeneath(directory: string, path: string): number;
  /** The same in a thread of the runtime. */
  openBeneathLater(directory: string, path: string): Promise<number>;
  /**
   * What has a name in a directory that is open, a link itself; null for what Deno's own call is to be asked, which says why
   * not. It takes half of its time.
   */
  lstatAt(descriptor: number, name: string): EntryInfo | null;
  /** Closes a descriptor. */
  close(descriptor: number): void;
}

const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
const O_NOFOLLOW = Deno.build.arch === "aarch64" ? 0o100000 : 0o400000;

/** What Deno asks for before it lets a program look into /proc/self. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

/** How often a name is opened that is there when it is looked at. */
const ATTEMPTS = 3;

/** glibc, then musl. */
const LIBC = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`, "libc.so"];

let made: PathDescriptors | null | undefined;

/**
 * The calls, or null where a place cannot be held: anywhere but on Linux, without /proc, and in a process that does not have
 * all permissions (Deno grants /proc/self to no other; one with an exception, `--deny-read=...`, counts as not having all).
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

/** The number of the system call, the same on x86-64 and aarch64. */
const OPENAT2 = 437;

/** The size of its `struct open_how`. */
const HOW_BYTES = 24;

/** `RESOLVE_BENEATH` implies it in all kernels so far; openat2(2) wants it to be asked for. */
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_BENEATH = 0x08;

const ENOENT = 2;
const ENOTDIR = 20;

/** What statx(2) is asked for: `STATX_BASIC_STATS`, of a link itself. */
const STATX_BASIC_STATS = 0x7ff;
const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BYTES = 256;

/** Bytes of the longest path that Linux takes. */
const PATH_MAX = 4096;

function throughLibc(): PathDescriptors | null {
  const library = loaded();
  return library && new LibcDescriptors(library.symbols);
}

class LibcDescriptors implements PathDescriptors {
  readonly #libc: Libc;
  readonly #encoder = new TextEncoder();
  /** The path of the next call. Pointers are made once: each costs more than the call. */
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
    const errno = this.#errno[0]!; // before anything else is called, which may set it
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
    return descriptor < 0 ? UNKNOWN : descriptor; // errno is another thread's
  }

  lstatAt(descriptor: number, name: string): EntryInfo | null {
    const flags = [AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS] as const;
    if (!this.#write(name) || this.#libc.statx(descriptor, this.#path.at, ...flags, this.#statx.at) < 0) return null;
    return entryInfo(this.#words);
  }

  close(descriptor: number): void {
    this.#libc.close(descriptor);
  }

  #open(path: string, follow: boolean): number {
    return this.#write(path) ? this.#libc.open(this.#path.at, flagsFor(follow)) : -1;
  }

  /** Makes a path that of the next call; false where it is too long for any. */
  #write(path: string): boolean {
    const { read, written } = this.#encoder.encodeInto(path, this.#path.bytes.subarray(0, PATH_MAX));
    this.#path.bytes[written] = 0;
    return read === path.length;
  }

  #terminated(path: string): Uint8Array<ArrayBuffer> {
    return this.#encoder.encode(path + "\0");
  }

  /** What could be looked at and not be opened comes and goes; unless nothing can be opened, for want of descriptors. */
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
 * Reads a `struct statx`, by words of 32 bits. Times are what Deno makes of them, so that both give a file the same version:
 * milliseconds, and whole seconds of the last change of its state. Null for times before 1970.
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

/** Bytes and where they are: outside of the heap, so they do not move for as long as they are held. */
function pinned(bytes: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; at: Deno.PointerValue } {
  return { bytes, at: Deno.UnsafePointer.of(bytes) };
}

function loaded() {
  for (const name of LIBC) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      // Not under this name.
    }
  }
  return null;
}

function flagsFor(follow: boolean): number {
  return O_PATH | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
}

/**
 * errno is not asked for, since the runtime may have made calls of its own by then. Deno's own call on the same name says
 * the same, and as one of Deno's errors.
 */
function throwWhatStatThrows(path: string, follow: boolean): void {
  if (follow) Deno.statSync(path);
  else Deno.lstatSync(path);
}

function throughNode(): PathDescriptors {
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
    close: (descriptor) => fs.closeSync(descriptor),
  };
}

/** Loads `node:fs` at once: an `import()` could only be awaited, and opening a file does not wait. */
export function nodeFs(): typeof import("node:fs") {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:fs"): typeof import("node:fs") };
  };
  return process.getBuiltinModule("node:fs");
}
