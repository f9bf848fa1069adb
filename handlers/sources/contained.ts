/**
 * Where something on disk really lies: the one proof that reading, listing, writing and running go by.
 *
 * A name proves nothing, because a directory on the way may be exchanged for a link between any two calls
 * (CVE-2025-67124). So a place is opened first (`O_PATH`: no FIFO blocks, no device notices), then the kernel is asked where
 * the descriptor lies, then that is judged, and from there on everything is done with the descriptor: `/proc/self/fd/N`
 * for the thing itself, `/proc/self/fd/N/name` for what is in it.
 *
 * That takes Linux and all permissions. Elsewhere (macOS, Windows, `--allow-read=DIR`) what is found is its real path, and
 * {@linkcode Found.assertStill} looks before and after whether that still means the same. An exchange there and back between
 * two looks is not noticed; what may come of it, docs/security.md says. Hard links and bind mounts cannot be told from files
 * and directories anywhere.
 *
 * The root is a name as well. What it leads to is asked each time, so that a link (`current`) which is switched to another
 * directory switches what is served, and what is inside is judged by where it leads now.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { join } from "@std/path/join";
import type { SitePath } from "../http/target.ts";
import { ABSENT, type EntryInfo, UNKNOWN } from "../system/path_descriptor.ts";
import { DESCRIPTORS, type DiskCalls, NOW, unblockedFs } from "./disk_calls.ts";
import { isPartName } from "./part_name.ts";
import { doNow, result, type Steps } from "./steps.ts";
import { FileChanged } from "./types.ts";
import { isPlainOnWindows } from "./windows.ts";

/** How often a path is looked up that changes while it is. */
const ATTEMPTS = 3;

/** Something on disk that was proven to be where it is. Whoever finds it closes it. */
export class Found implements Disposable {
  /** What it is: a link only where links were not to be followed. */
  readonly info: Deno.FileInfo;
  #real: string | null;
  #descriptor: number | null;

  /** Takes a descriptor that it closes, or the real path where there is none. */
  constructor(place: number | string, info: Deno.FileInfo) {
    this.info = info;
    this.#descriptor = typeof place === "number" ? place : null;
    this.#real = typeof place === "number" ? null : place;
  }

  /** The real path it was found under; where it is held, as it is now. Of what has been deleted, the path that it had. */
  get real(): string {
    return this.#real ??= withoutMark(Deno.readLinkSync(this.path), this.path);
  }

  /** Whether its path means this, whatever happens to its name. */
  get isHeld(): boolean {
    return this.#descriptor !== null;
  }

  /** A path that means it until it is closed. */
  get path(): string {
    return this.#descriptor === null ? this.#real! : pathOf(this.#descriptor);
  }

  /** A path that means what has this name in it. */
  at(name: string): string {
    return below(this.path, name);
  }

  /** Whether something has the same inode. */
  isSame({ ino, dev }: Deno.FileInfo): boolean {
    return ino === this.info.ino && dev === this.info.dev;
  }

  /** What has a name in it, and of a link itself. */
  lookAt(name: string): EntryInfo {
    const info = this.#descriptor === null ? null : DESCRIPTORS!.lstatAt(this.#descriptor, name);
    return info ?? Deno.lstatSync(this.at(name));
  }

  /** Takes hold of what has a name in it, and of a link itself. It lies where this lies, so nothing has to be judged. */
  child(name: string): Found {
    return childOf(this, name);
  }

  /** Sets its permissions, and those of nothing that has taken its name. Not of a link; Windows has none. */
  setMode(mode: number): void {
    if (Deno.build.os === "windows") return;
    if (this.isHeld) Deno.chmodSync(this.path, mode);
    else setModeUnheld(this, mode);
  }

  /** Throws {@linkcode FileChanged} where the path may lead elsewhere by now. */
  assertStill(): void {
    if (this.isHeld) return;
    if (!this.isSame(Deno.lstatSync(this.real)) || Deno.realPathSync(this.real) !== this.real) throw new FileChanged();
  }

  [Symbol.dispose](): void {
    if (this.#descriptor !== null) DESCRIPTORS!.close(this.#descriptor);
    this.#descriptor = null;
  }
}

/** How {@linkcode DiskRoot} judges. */
export interface DiskRootOptions {
  /** Whether links that lead out of the root are followed. */
  readonly followLinks: boolean;
  /** Whether places are held where they can be; for tests of what is done elsewhere. */
  readonly holds?: boolean;
}

/** A directory by its name, and what lies in it. */
export class DiskRoot {
  /** The absolute name that was given. */
  readonly name: string;
  /** Whether places are held. */
  readonly holds: boolean;
  readonly #followLinks: boolean;
  /** Where the name led when it was last asked. */
  #real = "";

  /** Makes one for an absolute path. */
  constructor(name: string, { followLinks, holds = true }: DiskRootOptions) {
    this.name = name;
    this.holds = holds && DESCRIPTORS !== null;
    this.#followLinks = followLinks;
  }

  /**
   * Finds what a site path names; null where nothing is there, where it leads out of the root, is a part, or is a name that
   * this system would take for something else.
   *
   * @throws Deno.errors.NotFound and others of the system where it cannot be looked at: of those that say that nothing is
   * there (`isNotThere`), most are told as null, because throwing takes three times as long as looking.
   */
  *find(calls: DiskCalls, path: SitePath): Steps<Found | null> {
    const found = isNameable(path) ? yield* this.#findBelow(calls, this.name, path.segments.join("/")) : null;
    return found === "absent" ? null : found;
  }

  /** The same, but that nothing is there is thrown: where it matters why. */
  *findOrThrow(calls: DiskCalls, path: SitePath): Steps<Found | null> {
    const found = isNameable(path) ? yield* this.#findBelow(calls, this.name, path.segments.join("/")) : null;
    if (found !== "absent") return found;
    yield* result(calls.stat(this.nameOf(path)));
    throw new Deno.errors.NotFound(); // it has just come
  }

  /** Finds what a name in a directory leads to, wherever that directory's own name leads by now; null as for `find`. */
  *findIn(calls: DiskCalls, directory: Found, name: string): Steps<Found | null> {
    const found = yield* this.#findBelow(calls, directory.path, name);
    return found === "absent" ? null : found;
  }

  /** {@linkcode find}, at once. */
  findNow(path: SitePath): Found | null {
    return doNow(this.find(NOW, path));
  }

  /** What a site path is called on disk: a name, which proves nothing. */
  nameOf(path: SitePath): string {
    return join(this.name, ...path.segments);
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
      return found = new Found(descriptor, yield* result(calls.stat(pathOf(descriptor))));
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
    // Asked after the place was opened, so that a root which is switched meanwhile makes this fail and not succeed.
    const root = yield* result(calls.realPath(this.name));
    const isSwitched = root !== this.#real;
    this.#real = root;
    if (real === root || real.startsWith(below(root, ""))) return "inside";
    return isSwitched ? "changed" : null;
  }
}

/** Whether a path names something that may be looked at: no part, and nothing that means something else on Windows. */
function isNameable({ segments }: SitePath): boolean {
  if (segments.some(isPartName)) return false;
  return Deno.build.os !== "windows" || segments.every(isPlainOnWindows);
}

/** The kernel marks the path of what has no name left. */
const DELETED = " (deleted)";

function withoutMark(real: string, path: string): string {
  const isMarked = real.endsWith(DELETED) && Deno.statSync(path).nlink === 0;
  return isMarked ? real.slice(0, -DELETED.length) : real;
}

function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** What a name leads to, wherever that is: for names that no client has a say in. */
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
    return new Found(descriptor, Deno.statSync(pathOf(descriptor)));
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
