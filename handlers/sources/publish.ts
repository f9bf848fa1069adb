/**
 * Publishing: giving a complete file its final name, atomically, and without ever replacing anything by accident.
 *
 * Everything here is synchronous and runs under the directory's lock, so that what was checked still holds.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { Found } from "./contained.ts";
import { describe, isFree, statOrNull } from "./disk_stat.ts";
import { randomPartName } from "./part_name.ts";
import type { Place } from "./place.ts";
import { type CommitOptions, WriteRefused } from "./writer.ts";

/** A file or directory to be published. */
export interface Nameless {
  /** Its current path. */
  readonly path: string;
  /** The same file, open. */
  readonly found: Found;
  /** Whether it was uploaded, so that its permissions have yet to be set. */
  readonly isNew: boolean;
}

/** The result of publishing. */
export interface Published {
  readonly path: SitePath;
  readonly replaced: boolean;
}

/** Publishes a file or symlink under the first free of several names. */
export function publishFile(place: Place, file: Nameless, options: CommitOptions): Published {
  if (options.replace) return replaceFile(place, file, options);
  if (file.isNew) file.found.setMode(newFileMode(place) & atMost(options));
  for (const path of options.paths) {
    if (takeName(file.path, place.at(path.name))) return { path, replaced: false };
  }
  throw new WriteRefused("taken");
}

function replaceFile(place: Place, file: Nameless, options: CommitOptions): Published {
  const { paths, expected } = options;
  const path = firstOf(paths);
  const to = place.at(path.name);
  const there = statOrNull(to);
  checkVersion(there, expected);
  if (there?.isDirectory) throw new WriteRefused("directory");
  const mode = modeInPlaceOf(there, file, place);
  if (mode !== null) file.found.setMode(mode & atMost(options));
  const replaced = there !== null || !isFree(to);
  renameSync(file.path, to);
  return { path, replaced };
}

/**
 * A private file stays private when it is replaced; the executable bits are dropped, because the new content is not
 * what was trusted. A moved file never gains permissions.
 */
function modeInPlaceOf(there: Deno.FileInfo | null, { found, isNew }: Nameless, place: Place): number | null {
  if (!found.info.isFile || found.info.mode === null) return null;
  if (!there?.isFile || there.mode === null) return isNew ? newFileMode(place) : null;
  return there.mode & (isNew ? 0o666 : found.info.mode & 0o666);
}

/**
 * The mode of a new file in this directory, as determined by the umask or a default ACL; determined by creating an
 * empty file.
 */
export function newFileMode(place: Place): number {
  const name = place.at(randomPartName());
  using file = Deno.openSync(name, { createNew: true, write: true });
  Deno.removeSync(name);
  return (file.statSync().mode ?? 0o644) & 0o666;
}

/** The same for a new directory. */
export function newDirectoryMode(place: Place): number {
  const name = place.at(randomPartName());
  Deno.mkdirSync(name);
  try {
    return (Deno.lstatSync(name).mode ?? 0o755) & 0o777;
  } finally {
    Deno.removeSync(name);
  }
}

function atMost({ mode = 0o777 }: CommitOptions): number {
  return mode;
}

/** Publishes a directory under the first free of several names; never replaces anything. */
export function publishDirectory(place: Place, from: Nameless, options: CommitOptions): Published {
  const { paths, replace, expected } = options;
  if (replace) {
    const there = statOrNull(place.at(firstOf(paths).name));
    checkVersion(there, expected);
    if (there) throw new WriteRefused(there.isDirectory ? "directory" : "taken");
  }
  for (const path of paths) {
    if (takeDirectoryName(from.path, place.at(path.name))) return { path, replaced: false };
  }
  throw new WriteRefused("taken");
}

/** Throws if the version is not the expected one. */
export function checkVersion(info: Deno.FileInfo | null, expected: string | undefined): void {
  if (expected === undefined) return;
  if (info === null || describe(info).version !== expected) throw new WriteRefused("changed");
}

/** Hard link, then unlink: link(2) is the only call that neither replaces a file nor exposes an incomplete one. */
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

/** Without hard links, an empty file reserves the name until it is replaced by rename(2). */
function takeReservedName(from: string, to: string): boolean {
  try {
    Deno.openSync(to, { createNew: true, write: true }).close();
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  return renameToReserved(from, to);
}

/** An empty directory reserves the name: rename(2) replaces an empty directory, and nothing else, by a directory. */
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
