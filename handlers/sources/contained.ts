/**
 * Containment: proves where a path really lies. Reading, listing, writing and running all rely on this one check.
 *
 * Checking a name is racy (TOCTOU): any directory on the path may be replaced by a symlink between two system calls
 * (CVE-2025-67124). So the path is opened first with `O_PATH` (which neither blocks on a FIFO nor has side effects on a
 * device), the kernel reports where the descriptor lies, that location is checked, and every later operation goes
 * through the descriptor: `/proc/self/fd/N` for the object itself, `/proc/self/fd/N/name` for its entries.
 *
 * This requires Linux and all permissions. Elsewhere (macOS, Windows, `--allow-read=DIR`) a path is identified by its
 * real path, and {@linkcode Found.assertStill} verifies before and after each operation that it still resolves to the
 * same inode. A path that is swapped and swapped back between two checks goes unnoticed; docs/security.md lists the
 * consequences. Hard links and bind mounts are indistinguishable from files and directories on every platform.
 *
 * The root is itself a name and is resolved each time, so that retargeting a symlinked root (`current`) switches what
 * is served; containment is checked against its current target.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { join } from "@std/path/join";
import { SitePath } from "../http/target.ts";
import { ABSENT, UNKNOWN } from "../system/path_descriptor.ts";
import type { DirectoryNames } from "../system/directory_names.ts";
import type { EntryInfo } from "../system/statx.ts";
import { DESCRIPTORS, type DiskCalls, NOW, pathOf, unblockedFs } from "./disk_calls.ts";
import { isPartName } from "./part_name.ts";
import { doNow, result, type Steps } from "./steps.ts";
import { FileChanged } from "./types.ts";
import { isPlainOnWindows } from "./windows.ts";

/** Retries for a path that changes during the lookup. */
const ATTEMPTS = 3;

/** A file or directory whose location has been verified. The caller disposes of it. */
export class Found implements Disposable {
  /** Its metadata; describes a symlink only if symlinks were not to be followed. */
  readonly info: EntryInfo;
  #real: string | null;
  #descriptor: number | null;

  /** Takes ownership of a descriptor, or a real path if there is none. */
  constructor(place: number | string, info: EntryInfo) {
    this.info = info;
    this.#descriptor = typeof place === "number" ? place : null;
    this.#real = typeof place === "number" ? null : place;
  }

  /**
   * The real path: the current one if it is held by a descriptor, else the one at lookup; for a deleted file, its last
   * path.
   */
  get real(): string {
    return this.#real ??= withoutMark(Deno.readLinkSync(this.path), this.path);
  }

  /** Whether it is pinned by a descriptor, so that its path refers to the same inode even if the name is replaced. */
  get isHeld(): boolean {
    return this.#descriptor !== null;
  }

  /** A path that refers to it until it is disposed of. */
  get path(): string {
    return this.#descriptor === null ? this.#real! : pathOf(this.#descriptor);
  }

  /** The path of an entry in this directory. */
  at(name: string): string {
    return below(this.path, name);
  }

  /** Whether the given metadata describes the same inode. */
  isSame({ ino, dev }: Pick<EntryInfo, "ino" | "dev">): boolean {
    return ino === this.info.ino && dev === this.info.dev;
  }

  /** The metadata of an entry; a symlink is not followed. */
  lookAt(name: string): EntryInfo {
    const info = this.#descriptor === null ? null : DESCRIPTORS!.lstatAt(this.#descriptor, name);
    return info ?? Deno.lstatSync(this.at(name));
  }

  /** The names in this directory, read through its descriptor; null if that is not possible. */
  names(): DirectoryNames | null {
    return this.#descriptor === null ? null : DESCRIPTORS!.names(this.#descriptor);
  }

  /**
   * Opens an entry; a symlink is not followed. The entry lies inside because its directory does, so no further check is
   * needed.
   */
  child(name: string): Found {
    return childOf(this, name);
  }

  /**
   * Changes the mode of this inode, never of a file that has replaced it. Not for symlinks; does nothing on Windows.
   */
  setMode(mode: number): void {
    if (Deno.build.os === "windows") return;
    if (this.isHeld) Deno.chmodSync(this.path, mode);
    else setModeUnheld(this, mode);
  }

  /** Throws {@linkcode FileChanged} if the path may resolve to something else by now. */
  assertStill(): void {
    if (this.isHeld) return;
    if (!this.isSame(Deno.lstatSync(this.real)) || Deno.realPathSync(this.real) !== this.real) throw new FileChanged();
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) DESCRIPTORS!.close(this.#descriptor);
    this.#descriptor = null;
  }
}

/** How {@linkcode DiskRoot} checks containment. */
export interface DiskRootOptions {
  /** Whether symlinks that leave the root are followed. */
  readonly followLinks: boolean;
  /** Whether to use descriptors where available; false lets tests exercise the fallback. */
  readonly holds?: boolean;
}

/** A root directory, identified by its name, and lookups below it. */
export class DiskRoot {
  /** The absolute path as given, not resolved. */
  readonly name: string;
  /** Whether paths are pinned by descriptors. */
  readonly holds: boolean;
  readonly #followLinks: boolean;
  /** What the name resolved to at the last check. */
  #real = "";

  /** Takes an absolute path. */
  constructor(name: string, { followLinks, holds = true }: DiskRootOptions) {
    this.name = name;
    this.holds = holds && DESCRIPTORS !== null;
    this.#followLinks = followLinks;
  }

  /**
   * Looks up a site path. Returns null if it does not exist, leaves the root, names a partial file, or is a name that
   * the platform would interpret differently.
   *
   * @throws Deno.errors.NotFound and other system errors. Of the errors that mean "does not exist" (`isNotThere`) most
   * become null instead, because throwing takes three times as long as the lookup.
   */
  *find(calls: DiskCalls, path: SitePath): Steps<Found | null> {
    const found = isNameable(path) ? yield* this.#findBelow(calls, this.name, path.segments.join("/")) : null;
    return found === "absent" ? null : found;
  }

  /** Like `find`, but throws the system's error if the path does not exist, for callers that need the reason. */
  *findOrThrow(calls: DiskCalls, path: SitePath): Steps<Found | null> {
    const found = isNameable(path) ? yield* this.#findBelow(calls, this.name, path.segments.join("/")) : null;
    if (found !== "absent") return found;
    yield* result(calls.stat(this.nameOf(path)));
    throw new Deno.errors.NotFound(); // created in the meantime
  }

  /**
   * Looks up a name in an open directory, even if that directory has been renamed since. Returns null as `find` does.
   */
  *findIn(calls: DiskCalls, directory: Found, name: string): Steps<Found | null> {
    const found = yield* this.#findBelow(calls, directory.path, name);
    return found === "absent" ? null : found;
  }

  /** Synchronous {@linkcode find}. */
  findNow(path: SitePath): Found | null {
    return doNow(this.find(NOW, path));
  }

  /** The path on disk of a site path: only a name, which proves nothing about its location. */
  nameOf(path: SitePath): string {
    return join(this.name, ...path.segments);
  }

  /** The site path of an object that was found, without symlinks; null if it has none. */
  sitePathOf(found: Found): SitePath | "outside" | null {
    const prefix = below(Deno.realPathSync(this.name), "");
    if (!below(found.real, "").startsWith(prefix)) return "outside";
    const names = found.real.slice(prefix.length).split(SEPARATOR).filter((name) => name !== "");
    return names.reduce<SitePath | null>((path, name) => path?.child(name) ?? null, SitePath.root);
  }

  *#findBelow(calls: DiskCalls, directory: string, path: string): Steps<Found | null | "absent"> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const found = this.holds
        ? yield* this.#held(calls, directory, path)
        : yield* this.#named(calls, join(directory, path));
      if (found !== "changed") return found;
    }
    throw new Deno.errors.NotFound();
  }

  *#held(calls: DiskCalls, directory: string, path: string): Steps<Found | null | "absent" | "changed"> {
    const beneath = this.#followLinks ? UNKNOWN : yield* result(calls.openBeneath(directory, path || "."));
    if (beneath === ABSENT) return "absent";
    const descriptor = beneath === UNKNOWN ? yield* result(calls.openPlace(join(directory, path))) : beneath;
    let found: Found | null = null;
    try {
      if (beneath === UNKNOWN) {
        const verdict = yield* this.#judge(calls, yield* result(calls.readLink(pathOf(descriptor))));
        if (verdict !== "inside") return verdict;
      }
      return found = new Found(descriptor, yield* result(calls.statOpen(descriptor)));
    } finally {
      if (found === null) DESCRIPTORS!.close(descriptor);
    }
  }

  *#named(calls: DiskCalls, name: string): Steps<Found | null | "changed"> {
    const real = yield* result(calls.realPath(name));
    const verdict = yield* this.#judge(calls, real);
    if (verdict !== "inside") return verdict;
    const info = yield* result(calls.lstat(real));
    return real === (yield* result(calls.realPath(real))) ? new Found(real, info) : "changed";
  }

  *#judge(calls: DiskCalls, real: string): Steps<"inside" | null | "changed"> {
    if (this.#followLinks) return "inside";
    // Resolved after opening, so that a root switched in between makes the check fail rather than pass.
    const root = yield* result(calls.realPath(this.name));
    const isSwitched = root !== this.#real;
    this.#real = root;
    if (real === root || real.startsWith(below(root, ""))) return "inside";
    return isSwitched ? "changed" : null;
  }
}

/** Whether a path may be looked up: no partial files, and no names with a special meaning on Windows. */
function isNameable({ segments }: SitePath): boolean {
  if (segments.some(isPartName)) return false;
  return Deno.build.os !== "windows" || segments.every(isPlainOnWindows);
}

/** The suffix with which the kernel marks the path of an unlinked file. */
const DELETED = " (deleted)";

function withoutMark(real: string, path: string): string {
  const isMarked = real.endsWith(DELETED) && Deno.statSync(path).nlink === 0;
  return isMarked ? real.slice(0, -DELETED.length) : real;
}

/** Opens a path without a containment check: only for names that clients cannot influence. */
export function findAnywhere(name: string): Found {
  if (DESCRIPTORS !== null) return foundBy(DESCRIPTORS.open(name, true));
  const real = Deno.realPathSync(name);
  return new Found(real, Deno.lstatSync(real));
}

function childOf(directory: Found, name: string): Found {
  const path = directory.at(name);
  if (directory.isHeld) return foundBy(DESCRIPTORS!.open(path, false));
  const info = Deno.lstatSync(path);
  directory.assertStill();
  return new Found(path, info);
}

function foundBy(descriptor: number): Found {
  try {
    return new Found(descriptor, doNow(result(NOW.statOpen(descriptor))));
  } catch (error) {
    DESCRIPTORS!.close(descriptor);
    throw error;
  }
}

function setModeUnheld(found: Found, mode: number): void {
  const fs = unblockedFs();
  const descriptor = doNow(result(NOW.openUnblocked(found.real)));
  try {
    const { ino, dev } = fs.fstatSync(descriptor);
    if (ino !== found.info.ino || dev !== found.info.dev) throw new FileChanged();
    fs.fchmodSync(descriptor, mode);
  } finally {
    fs.closeSync(descriptor);
  }
}

function below(directory: string, name: string): string {
  return (directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR) + name;
}
