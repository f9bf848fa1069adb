/**
 * A directory on disk that is written to.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { Found } from "./contained.ts";
import { WriteRefused } from "./writer.ts";

/** How often, and with how many milliseconds in between, a lock is asked for that another process has. */
const LOCK_TURNS = 200;
const LOCK_WAIT_MS = 5;

/**
 * A directory that was proven to be the right one, and stays it: held where the system can, so that its path cannot be
 * exchanged for a link; elsewhere it is looked at before and after each step.
 */
export class Place implements Disposable {
  /** The directory. */
  readonly directory: Found;

  /** Takes what was found, and closes it when it is closed itself, or where that is no directory. */
  constructor(directory: Found) {
    if (!directory.info.isDirectory) {
      directory[Symbol.dispose]();
      throw new WriteRefused("not a directory");
    }
    this.directory = directory;
  }

  /** A path that means the directory. */
  get path(): string {
    return this.directory.path;
  }

  /** A path that means what has this name in the directory. */
  at(name: string): string {
    return this.directory.at(name);
  }

  /** Takes hold of what has a name in the directory, and of a link itself. */
  find(name: string): Found {
    return this.directory.child(name);
  }

  /** Throws {@linkcode FileChanged} where the path may lead elsewhere by now. */
  assertStill(): void {
    this.directory.assertStill();
  }

  /**
   * Does work on the names in the directory that no other process of ours interrupts, and syncs the directory, so that the
   * result survives a power failure. The work is synchronous, so nothing in this process interrupts it either.
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

/** Takes the lock of an open file or directory, until it is closed; false where no such locks are, as on some networks. */
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
    // There was no lock to be had.
  }
}

/**
 * Windows opens no directory this way, and writes its names down by itself. The dot at the end is for where the directory is
 * not held: of a FIFO in its place it makes an error, where opening the FIFO would wait.
 */
async function openDirectory({ path }: Place): Promise<Deno.FsFile | null> {
  return Deno.build.os === "windows" ? null : await Deno.open(`${path}${SEPARATOR}.`);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
