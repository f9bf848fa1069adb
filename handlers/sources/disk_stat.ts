/**
 * Metadata of files on disk.
 *
 * @module
 */

import { type EntryInfo, StatxInfo } from "../system/statx.ts";
import { clock } from "./clock.ts";
import type { FileKind, FileStat } from "./types.ts";

/** A file changed within this time may change again without any change of its timestamps. */
const CLOCK_GRAIN_MS = 2_000;

/** Converts the system's metadata. */
export function describe(info: EntryInfo): FileStat {
  return new DiskStat(info);
}

/** Computes the version lazily: listings never need it. */
class DiskStat implements FileStat {
  readonly kind: FileKind;
  readonly size: number;
  readonly modified: number | null;
  readonly stable: boolean;
  readonly mode: number | null;
  // Keeps only the fields needed: the full metadata of 100,000 entries would take 40 MB.
  readonly #length: number;
  readonly #changed: number;
  readonly #inode: number;
  readonly #device: number;

  constructor(info: EntryInfo) {
    this.kind = info.isFile ? "file" : info.isDirectory ? "directory" : "other";
    this.size = info.isFile ? info.size : 0;
    const { modified, changed } = info instanceof StatxInfo ? info : timesOf(info);
    this.modified = modified;
    this.mode = info.mode === null ? null : info.mode & 0o777;
    this.#length = info.size;
    this.#changed = changed;
    this.#inode = info.ino ?? 0;
    this.#device = info.dev;
    const now = clock.now();
    const known = modified !== null && modified <= now ? modified : 0;
    this.stable = now - Math.max(known, changed) >= CLOCK_GRAIN_MS;
  }

  get version(): string {
    return [this.#length, this.modified ?? 0, this.#changed / 1000, this.#inode, this.#device].map(hex).join("-");
  }
}

/** Deno 2.9 gives ctime in whole seconds, so it is not sufficient on its own. */
function timesOf({ mtime, ctime }: EntryInfo): { modified: number | null; changed: number } {
  return { modified: mtime?.getTime() ?? null, changed: ctime?.getTime() ?? 0 };
}

/** Whether a name is unused; a dangling symlink counts as used. */
export function isFree(name: string): boolean {
  try {
    Deno.lstatSync(name);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}

/** Stats a name, following symlinks; null on failure. */
export function statOrNull(name: string): Deno.FileInfo | null {
  try {
    return Deno.statSync(name);
  } catch {
    return null;
  }
}

function hex(value: number): string {
  return Math.trunc(value).toString(16).replace("-", "n");
}
