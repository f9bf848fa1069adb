/**
 * The result of statx(2), `struct statx`, as 32-bit words. Its layout is the same on all architectures.
 *
 * @module
 */

/** The metadata used here. */
export type EntryInfo = Pick<
  Deno.FileInfo,
  "isFile" | "isDirectory" | "isSymlink" | "size" | "atime" | "mtime" | "ctime" | "ino" | "dev" | "mode"
>;

/** The size of the structure in words. */
export const STATX_WORDS = 64;

/** The fields to be requested. */
export const STATX_BASIC_STATS = 0x7ff;

/** The words of inode, size, ctime, mtime and device: what changes if the file is replaced or modified. */
export const STATE_WORDS = [8, 9, 10, 11, 24, 25, 26, 28, 29, 30, 34, 35] as const;

/** The flag for not following a symlink. */
export const AT_SYMLINK_NOFOLLOW = 0x100;

/** The flag for the metadata of the descriptor itself, if the path is empty. */
export const AT_EMPTY_PATH = 0x1000;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/** Decodes the structure. Null for times before 1970. */
export function entryInfo(words: Uint32Array): StatxInfo | null {
  return words[25]! > 0x7fff_ffff || words[29]! > 0x7fff_ffff ? null : new StatxInfo(words);
}

/**
 * The metadata, with timestamps as numbers: as dates, they would take as long as the system call. They are rounded as Deno
 * does, so that both yield the same version: milliseconds for mtime, whole seconds for ctime.
 */
export class StatxInfo implements EntryInfo {
  readonly mode: number;
  readonly size: number;
  readonly ino: number;
  readonly dev: number;
  /** mtime in milliseconds since 1970. */
  readonly modified: number;
  /** ctime in milliseconds since 1970. */
  readonly changed: number;
  readonly #accessed: number;

  constructor(words: Uint32Array) {
    this.mode = words[7]! & 0xffff;
    this.size = long(words, 10);
    this.ino = long(words, 8);
    this.dev = deviceOf(words[34]!, words[35]!);
    this.modified = milliseconds(words, 28);
    this.changed = long(words, 24) * 1000;
    this.#accessed = milliseconds(words, 16);
  }

  get isFile(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  get isDirectory(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isSymlink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  get mtime(): Date {
    return new Date(this.modified);
  }

  get ctime(): Date {
    return new Date(this.changed);
  }

  get atime(): Date {
    return new Date(this.#accessed);
  }
}

function milliseconds(words: Uint32Array, at: number): number {
  return long(words, at) * 1000 + Math.trunc(words[at + 2]! / 1e6);
}

function long(words: Uint32Array, at: number): number {
  return words[at + 1]! * 2 ** 32 + words[at]!;
}

/** makedev(3). */
function deviceOf(major: number, minor: number): number {
  const low = ((major & 0xfff) << 8) | (minor & 0xff);
  return low + (minor & ~0xff) * 2 ** 12 + (major & ~0xfff) * 2 ** 32;
}
