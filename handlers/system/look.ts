/**
 * Looks at one name again and again: whether it still leads to the same, unchanged file.
 *
 * @module
 */

import { FILE_CALLS, type FileCalls } from "./file_calls.ts";
import { AT_FDCWD, type Pinned, pinned, SYS_STATX } from "./libc.ts";
import {
  AT_SYMLINK_NOFOLLOW,
  type EntryInfo,
  entryInfo,
  STATE_WORDS,
  STATX_BASIC_STATS,
  STATX_WORDS,
} from "./statx.ts";

/** A name that was looked at. */
export interface Look {
  /** The metadata at that time. */
  readonly info: EntryInfo;
  /** Looks again. Returns whether inode, size and timestamps are the same; false on any failure. */
  isSame(): boolean;
}

/**
 * Looks at a name; null if it does not exist or is inaccessible. Calls statx(2) if possible, which takes a third of the
 * time of Deno's call and compares nanoseconds, of which Deno gives milliseconds, and for ctime seconds.
 *
 * @param follow Whether to follow a symlink as the last component.
 */
export function lookAt(name: string, follow: boolean): Look | null {
  return (STATX && lookByStatx(STATX, name, follow)) ?? lookByDeno(name, follow);
}

/** The call, and a buffer for its results. */
interface Statx {
  readonly calls: FileCalls;
  readonly result: Pinned<Uint32Array<ArrayBuffer>>;
}

const STATX: Statx | null = FILE_CALLS && { calls: FILE_CALLS, result: pinned(new Uint32Array(STATX_WORDS)) };

function lookByStatx({ calls, result }: Statx, name: string, follow: boolean): Look | null {
  const path = pinned(new TextEncoder().encode(`${name}\0`));
  const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  const look = () => calls.statx(SYS_STATX, AT_FDCWD, path.at, flags, STATX_BASIC_STATS, result.at) === 0;
  const info = look() ? entryInfo(result.bytes) : null;
  if (info === null) return null;
  const state = Uint32Array.from(STATE_WORDS, (at) => result.bytes[at]!);
  return { info, isSame: () => look() && hasState(result.bytes, state) };
}

/** Compares what the kernel gives, without decoding it. */
function hasState(words: Uint32Array, state: Uint32Array): boolean {
  for (let i = 0; i < STATE_WORDS.length; i++) {
    if (words[STATE_WORDS[i]!] !== state[i]) return false;
  }
  return true;
}

function lookByDeno(name: string, follow: boolean): Look | null {
  const stat = follow ? Deno.statSync : Deno.lstatSync;
  const info = infoOrNull(stat, name);
  if (info === null) return null;
  const isSame = sameAs(info);
  return {
    info,
    isSame() {
      const now = infoOrNull(stat, name);
      return now !== null && isSame(now);
    },
  };
}

function infoOrNull(stat: (name: string) => Deno.FileInfo, name: string): Deno.FileInfo | null {
  try {
    return stat(name);
  } catch {
    return null;
  }
}

/** Compares later metadata with earlier: inode, size and timestamps. */
export function sameAs({ dev, ino, size, mtime, ctime }: EntryInfo): (now: EntryInfo) => boolean {
  const [modified, changed] = [mtime?.getTime(), ctime?.getTime()];
  return (now) =>
    now.ino === ino && now.size === size && now.mtime?.getTime() === modified && now.ctime?.getTime() === changed &&
    now.dev === dev;
}
