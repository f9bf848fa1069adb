/**
 * Tracks which files clients can write: such a page may be untrusted, whichever handler serves it.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { SitePath } from "../http/target.ts";
import { MountTree } from "./mount_tree.ts";
import type { FileSource } from "./types.ts";

/** What a source exposes: a directory, by its real path; the sources of a union; another source; or only itself. */
const shown = new WeakMap<FileSource, string | MountTree | FileSource>();

const writtenSources = new WeakSet<FileSource>();
const writtenDirectories = new Set<string>();

/** Records that a source exposes a directory on disk. */
export function showsDirectory(source: FileSource, name: string): void {
  shown.set(source, realPathOf(name));
}

/** Records that a source exposes all or part of another one, at the same paths; returns the former. */
export function showsSome(source: FileSource, of: FileSource): FileSource {
  shown.set(source, of);
  return source;
}

/** Records that a source exposes several, at their mount points; returns the source. */
export function showsMounts(source: FileSource, tree: MountTree): FileSource {
  shown.set(source, tree);
  return source;
}

/** Records that clients can write to a source; for a union, to its sources that have a writer. */
export function noteWritten(source: FileSource): void {
  const base = baseOf(source);
  if (base instanceof MountTree) base.mounts.forEach(({ source }) => source.openWriter && noteWritten(source));
  else if (typeof base === "string") writtenDirectories.add(base);
  else writtenSources.add(base);
}

/** Whether the file at a path of a source may have been written by a client of this process. */
export function isWritten(source: FileSource, path: SitePath): boolean {
  const base = baseOf(source);
  if (base instanceof MountTree) {
    const { mount, path: below } = base.find(path);
    return mount !== null && isWritten(mount.source, below);
  }
  if (typeof base !== "string") return writtenSources.has(base);
  for (const written of writtenDirectories) {
    if (isAtOrIn(written, base) || isAtOrIn(base, written)) return true;
  }
  return false;
}

/** Whether a source is a union or exposes one. */
export function hasMounts(source: FileSource): boolean {
  return baseOf(source) instanceof MountTree;
}

/** Whether a source is writable at a path; for a union, the source mounted there. */
export function isWritable(source: FileSource, path: SitePath): boolean {
  if (!source.openWriter) return false;
  const base = shown.get(source);
  if (base === undefined || typeof base === "string") return true;
  if (!(base instanceof MountTree)) return isWritable(base, path);
  const { mount, path: below } = base.find(path);
  return mount !== null && isWritable(mount.source, below);
}

function baseOf(source: FileSource): string | MountTree | FileSource {
  const base = shown.get(source) ?? source;
  return typeof base === "string" || base instanceof MountTree || base === source ? base : baseOf(base);
}

function isAtOrIn(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith(SEPARATOR) ? directory : directory + SEPARATOR);
}

function realPathOf(name: string): string {
  try {
    return Deno.realPathSync(name);
  } catch {
    return name; // inaccessible: fall back to the name
  }
}
