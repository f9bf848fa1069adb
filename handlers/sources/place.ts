/**
 * A directory on disk that is written to.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { type HeldDirectory, holdDirectory } from "./held_directory.ts";
import { FileChanged } from "./types.ts";
import { WriteRefused } from "./writer.ts";

/** How often, and with how many milliseconds in between, a lock is asked for that another process has. */
const LOCK_TURNS = 200;
const LOCK_WAIT_MS = 5;

/**
 * A directory that was proven to be the right one, and stays it: held open where the system can, so that its path cannot
 * be exchanged for a link; elsewhere it is looked at before and after each step.
 */
export class Place implements Disposable {
  /** The real path it was found under. */
  readonly real: string;
  readonly #held: HeldDirectory | null;
  readonly #info: Deno.FileInfo;

  private constructor(real: string, held: HeldDirectory | null, info: Deno.FileInfo) {
    this.real = real;
    this.#held = held;
    this.#info = info;
  }

  /** Takes hold of a directory by its real path. */
  static async of(real: string): Promise<Place> {
    const info = await Deno.lstat(real);
    if (info.isSymlink) throw new FileChanged();
    if (!info.isDirectory) throw new WriteRefused("not a directory");
    return new Place(real, await holdDirectory(real), info);
  }

  /** A path that means the directory. */
  get path(): string {
    return this.#held?.path ?? this.real;
  }

  /** A path that means what has this name in the directory. */
  at(name: string): string {
    return (this.path.endsWith(SEPARATOR) ? this.path : this.path + SEPARATOR) + name;
  }

  /** The real path of what has this name. */
  realAt(name: string): string {
    return (this.real.endsWith(SEPARATOR) ? this.real : this.real + SEPARATOR) + name;
  }

  /** Throws {@linkcode FileChanged} where the path may lead elsewhere by now. */
  assertStill(): void {
    if (this.#held !== null) return;
    const { ino, dev } = Deno.lstatSync(this.real);
    if (Deno.realPathSync(this.real) !== this.real || ino !== this.#info.ino || dev !== this.#info.dev) {
      throw new FileChanged();
    }
  }

  /**
   * Does work on the names in the directory that no other process of ours interrupts, and sees to it that its result is
   * still there after the power has failed. The work is synchronous, so nobody in this process interrupts it either.
   */
  async alone<T>(work: () => T): Promise<T> {
    const handle = await openDirectory(this.path);
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
    this.#held?.[Symbol.dispose]();
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

/** Windows opens no directory this way, and writes its names down by itself. */
async function openDirectory(path: string): Promise<Deno.FsFile | null> {
  return Deno.build.os === "windows" ? null : await Deno.open(path);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
