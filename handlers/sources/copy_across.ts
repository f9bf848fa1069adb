/**
 * Copying across file systems, for MOVE: RFC 4918 section 9.9 defines MOVE as COPY followed by DELETE.
 *
 * Memory use is constant; each directory level holds a few descriptors open. Preserves permissions and timestamps, but
 * not owners, extended attributes or hard links (they become separate files). Skips partial uploads.
 *
 * @module
 */

import type { EntryInfo } from "../system/statx.ts";
import { Turns } from "../core/turns.ts";
import type { Found } from "./contained.ts";
import { isPartName } from "./part_name.ts";
import { isLockedByOther, Place } from "./place.ts";
import { FileChanged } from "./types.ts";
import { WriteRefused } from "./writer.ts";

const CHUNK_BYTES = 262_144;

/** The coarsest timestamp resolution of a common file system, in milliseconds: FAT stores even seconds. */
const COARSE_MS = 2_000;

/** Where a copy goes. */
export interface CopyTarget {
  /** Its directory. */
  readonly to: Place;
  /** Its name. */
  readonly name: string;
  /** Stops the copy; what has been copied stays. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Copies a file, symlink or directory tree into another directory under a given name, and syncs it to disk.
 *
 * @param path The path of the original, below a held directory.
 * @throws The reason of the signal when it aborts.
 * @throws {WriteRefused} `elsewhere` if the tree contains something that cannot be copied: a FIFO, a socket or a
 * device.
 * @throws {FileChanged} if a file changes during the copy.
 */
export async function copyAcross(from: Found, path: string, target: CopyTarget): Promise<void> {
  target.signal?.throwIfAborted();
  const { isFile, isDirectory, isSymlink } = from.info;
  if (isFile) await copyFile(from, target);
  else if (isDirectory) await copyDirectory(from, target);
  else if (isSymlink) copyLink(path, target); // a symlink cannot be read through its descriptor
  else throw new WriteRefused("elsewhere");
}

async function copyFile(from: Found, { to, name, signal }: CopyTarget): Promise<void> {
  using source = await Deno.open(from.path, { read: true });
  using target = await Deno.open(to.at(name), { createNew: true, write: true, mode: 0o600 });
  const before = source.statSync();
  if (!from.isSame(before)) throw new FileChanged();
  await copyBytes(source, target, signal);
  if (!isUnchanged(before, source.statSync())) throw new FileChanged();
  using made = to.find(name);
  if (!made.isSame(target.statSync())) throw new FileChanged();
  made.setMode((before.mode ?? 0o644) & 0o777);
  await target.utime(before.atime ?? new Date(), before.mtime ?? new Date());
  await target.sync();
}

async function copyBytes(source: Deno.FsFile, target: Deno.FsFile, signal: AbortSignal | undefined): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count = await source.read(buffer); count !== null; count = await source.read(buffer)) {
    signal?.throwIfAborted();
    for (let at = 0; at < count;) at += await target.write(buffer.subarray(at, count));
  }
}

function isUnchanged(before: Deno.FileInfo, after: Deno.FileInfo): boolean {
  return before.size === after.size && before.mtime?.getTime() === after.mtime?.getTime();
}

/** Locked while being filled, so that the sweep does not treat it as abandoned. */
async function copyDirectory(from: Found, { to, name, signal }: CopyTarget): Promise<void> {
  Deno.mkdirSync(to.at(name), { mode: 0o700 });
  using target = new Place(to.find(name));
  using lock = await Deno.open(target.path, { read: true });
  isLockedByOther(lock);
  const turns = new Turns();
  for await (const entry of Deno.readDir(from.path)) {
    if (turns.due) await turns.next();
    if (isPartName(entry.name)) continue;
    using child = from.child(entry.name);
    await copyAcross(child, from.at(entry.name), { to: target, name: entry.name, signal });
  }
  target.directory.setMode((from.info.mode ?? 0o755) & 0o777);
  // By name, this could set the times of a directory that has replaced it.
  if (target.directory.isHeld) await Deno.utime(target.path, from.info.atime ?? 0, from.info.mtime ?? 0);
  await lock.sync();
}

function copyLink(path: string, { to, name }: CopyTarget): void {
  Deno.symlinkSync(targetOf(path), to.at(name));
}

function targetOf(path: string): string {
  try {
    return Deno.readLinkSync(path);
  } catch (error) {
    throw (error as { code?: string }).code === "EINVAL" ? new FileChanged() : error; // no longer a symlink
  }
}

/**
 * Deletes the original after a copy.
 *
 * @throws {WriteRefused} `changed` if something in it was modified since; modified files and their directories are
 * kept.
 */
export async function removeCopied(source: Place, from: Found, path: string, copy: Found): Promise<void> {
  if (from.info.isDirectory) await removeTwins(from, copy);
  await source.alone(() => removeTwin(from, path, copy));
}

async function removeTwins(from: Found, copy: Found): Promise<void> {
  for await (const { name } of Deno.readDir(from.path)) {
    const path = from.at(name);
    if (isPartName(name)) {
      await Deno.remove(path, { recursive: true });
      continue;
    }
    using child = from.child(name);
    using twin = copy.child(name);
    if (child.info.isDirectory) await removeTwins(child, twin);
    removeTwin(child, path, twin);
  }
}

function removeTwin(from: Found, path: string, copy: Found): void {
  const now = Deno.lstatSync(path);
  if (!from.isSame(now) || !isTwin(now, copy.info)) throw new WriteRefused("changed");
  try {
    Deno.removeSync(path);
  } catch (error) {
    throw (error as { code?: string }).code === "ENOTEMPTY" ? new WriteRefused("changed") : error;
  }
}

function isTwin(now: EntryInfo, copy: EntryInfo): boolean {
  if (!now.isFile) return now.isDirectory === copy.isDirectory && now.isSymlink === copy.isSymlink;
  const [modified, copied] = [now.mtime?.getTime() ?? 0, copy.mtime?.getTime() ?? 0];
  const isSameTime = modified === copied || (copied % 1000 === 0 && Math.abs(modified - copied) <= COARSE_MS);
  return copy.isFile && now.size === copy.size && isSameTime;
}
