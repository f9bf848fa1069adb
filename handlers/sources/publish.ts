/**
 * Giving what is finished its name: at once, and never over something that was not to be replaced.
 *
 * All of it is synchronous and done while the directory is locked, so that what is checked still holds when it is done.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { Found } from "./contained.ts";
import { describe, isFree, statOrNull } from "./disk_stat.ts";
import { randomPartName } from "./part_name.ts";
import type { Place } from "./place.ts";
import { type CommitOptions, WriteRefused } from "./writer.ts";

/** What is given a name. */
export interface Nameless {
  /** The path it has. */
  readonly path: string;
  /** The same, held. */
  readonly found: Found;
  /** Whether it was written by an upload: then its permissions are still to be given. */
  readonly isNew: boolean;
}

/** What was given a name. */
export interface Published {
  readonly path: SitePath;
  readonly replaced: boolean;
}

/** Gives a file, or a link, one of the names in a directory. */
export function publishFile(place: Place, file: Nameless, options: CommitOptions): Published {
  if (options.replace) return replaceFile(place, file, options);
  if (file.isNew) file.found.setMode(newFileMode(place));
  for (const path of options.paths) {
    if (takeName(file.path, place.at(path.name))) return { path, replaced: false };
  }
  throw new WriteRefused("taken");
}

function replaceFile(place: Place, file: Nameless, { paths, expected }: CommitOptions): Published {
  const path = firstOf(paths);
  const to = place.at(path.name);
  const there = statOrNull(to);
  checkVersion(there, expected);
  if (there?.isDirectory) throw new WriteRefused("directory");
  const mode = modeInPlaceOf(there, file, place);
  if (mode !== null) file.found.setMode(mode);
  const replaced = there !== null || !isFree(to);
  renameSync(file.path, to);
  return { path, replaced };
}

/**
 * A private file stays one; a program does not, because what came in its place is not what was trusted. What is moved never
 * gets more permissions than it had.
 */
function modeInPlaceOf(there: Deno.FileInfo | null, { found, isNew }: Nameless, place: Place): number | null {
  if (!found.info.isFile || found.info.mode === null) return null;
  if (!there?.isFile || there.mode === null) return isNew ? newFileMode(place) : null;
  return there.mode & (isNew ? 0o666 : found.info.mode & 0o666);
}

/** The permissions that a new file gets in a directory, by the umask or the directory's default ACL: tried with an empty one. */
function newFileMode(place: Place): number {
  const name = place.at(randomPartName());
  using file = Deno.openSync(name, { createNew: true, write: true });
  Deno.removeSync(name);
  return (file.statSync().mode ?? 0o644) & 0o666;
}

/** Gives a directory one of the names in a directory; it never replaces anything. */
export function publishDirectory(place: Place, from: Nameless, options: CommitOptions): Published {
  const { paths, replace, expected } = options;
  if (replace) {
    const there = statOrNull(place.at(firstOf(paths).name));
    checkVersion(there, expected);
    if (there) throw new WriteRefused(there.isDirectory ? "directory" : "not a directory");
  }
  for (const path of paths) {
    if (takeDirectoryName(from.path, place.at(path.name))) return { path, replaced: false };
  }
  throw new WriteRefused("taken");
}

/** Throws where something does not have the version that was expected. */
export function checkVersion(info: Deno.FileInfo | null, expected: string | undefined): void {
  if (expected === undefined) return;
  if (info === null || describe(info).version !== expected) throw new WriteRefused("changed");
}

/** A second name and then one name less: link(2) is the only way that never replaces and never shows half of it. */
function takeName(from: string, to: string): boolean {
  try {
    Deno.linkSync(from, to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    if (error instanceof Deno.errors.NotFound) throw error;
    return takeReservedName(from, to);
  }
  Deno.removeSync(from);
  return true;
}

/** Where there are no hard links, an empty file keeps the name until the other has replaced it. */
function takeReservedName(from: string, to: string): boolean {
  try {
    Deno.openSync(to, { createNew: true, write: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  return renameToReserved(from, to);
}

/** An empty directory keeps the name: rename(2) replaces that one, and nothing else, by a directory. */
function takeDirectoryName(from: string, to: string): boolean {
  if (Deno.build.os === "windows") {
    if (!isFree(to)) return false;
    renameSync(from, to);
    return true;
  }
  try {
    Deno.mkdirSync(to);
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  return renameToReserved(from, to);
}

function renameToReserved(from: string, to: string): true {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    Deno.removeSync(to);
    throw error;
  }
}

function renameSync(from: string, to: string): void {
  try {
    Deno.renameSync(from, to);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code === "EXDEV") throw new WriteRefused("elsewhere");
    if (code === "EINVAL") throw new WriteRefused("inside itself");
    throw error;
  }
}

function firstOf(paths: Iterable<SitePath>): SitePath {
  for (const path of paths) return path;
  throw new WriteRefused("taken");
}
