/**
 * A directory on disk that is open for writing.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { Found } from "./contained.ts";
import { WriteRefused } from "./writer.ts";

/** How often, and at which interval in milliseconds, to try to acquire a lock that another process holds. */
const LOCK_TURNS = 200;
const LOCK_WAIT_MS = 5;

/**
 * A verified directory that cannot be swapped for a symlink: held by a descriptor if the platform allows; otherwise
 * verified before and after each step.
 */
export class Place implements Disposable {
  readonly directory: Found;

  /** Takes ownership of what was found; closes it and throws if it is not a directory. */
  constructor(directory: Found) {
    if (!directory.info.isDirectory) {
      directory[Symbol.dispose]();
      throw new WriteRefused("not a directory");
    }
    this.directory = directory;
  }

  /** A path that refers to the directory. */
  get path(): string {
    return this.directory.path;
  }

  /** A path that refers to an entry of the directory. */
  at(name: string): string {
    return this.directory.at(name);
  }

  /** Opens an entry of the directory; a symlink is not followed. */
  find(name: string): Found {
    return this.directory.child(name);
  }

  /** Throws {@linkcode FileChanged} if the path may resolve to something else by now. */
  assertStill(): void {
    this.directory.assertStill();
  }

  /**
   * Runs a critical section on the directory's entries: excludes other pyserve processes by a lock, and syncs the
   * directory so that the result survives a power failure. The work is synchronous, so nothing in this process
   * interleaves either.
   */
  async alone<T>(work: () => T): Promise<T> {
    const handle = await openDirectory(this);
    try {
      for (let turn = 0; turn < LOCK_TURNS && isLockedByOther(handle); turn++) await pause(LOCK_WAIT_MS);
      this.assertStill();
      const result = work();
      this.assertStill();
      unlock(handle);
      await handle?.sync();
      return result;
    } finally {
      handle?.close();
    }
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
  }
}

/**
 * Tries to lock an open file or directory until it is closed. Returns false if the file system does not support locks,
 * as some network file systems do not.
 */
export function isLockedByOther(handle: Deno.FsFile | null): boolean {
  try {
    return handle !== null && !handle.tryLockSync(true);
  } catch {
    return false;
  }
}

function unlock(handle: Deno.FsFile | null): void {
  try {
    handle?.unlockSync();
  } catch {
    // Locks are not supported here.
  }
}

/**
 * Windows cannot open directories this way, and persists directory entries itself. The trailing dot protects
 * directories that are not held by a descriptor: if a FIFO has replaced one, open(2) fails instead of blocking.
 */
async function openDirectory({ path }: Place): Promise<Deno.FsFile | null> {
  return Deno.build.os === "windows" ? null : await Deno.open(`${path}${SEPARATOR}.`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
