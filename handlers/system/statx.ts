/**
 * The result of statx(2), `struct statx`, as 32-bit words. Its layout is the same on all architectures.
 *
 * @module
 */

/** The metadata used here. */
export type EntryInfo = Pick<
  Deno.FileInfo,
  "isFile" | "isDirectory" | "isSymlink" | "size" | "mtime" | "ctime" | "ino" | "dev" | "mode"
>;

/** The size of the structure in words. */
export const STATX_WORDS = 64;

/** The fields to be requested. */
export const STATX_BASIC_STATS = 0x7ff;

/** The flag for not following a symlink. */
export const AT_SYMLINK_NOFOLLOW = 0x100;

const S_IFMT = 0o170000;
const S_IFDIR = 0o040000;
const S_IFREG = 0o100000;
const S_IFLNK = 0o120000;

/**
 * Decodes the structure. Timestamps are rounded as Deno does, so that both yield the same version: milliseconds for
 * mtime, whole seconds for ctime. Null for times before 1970.
 */
export function entryInfo(words: Uint32Array): EntryInfo | null {
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
