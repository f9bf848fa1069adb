/**
 * What a source is made of: decorators and unions are transparent to decisions about the files that they expose.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { MountTree } from "./mount_tree.ts";
import type { FileSource } from "./types.ts";

/** What a source exposes: a directory or an archive, by its real path; the sources of a union; another source; or only itself. */
const shown = new WeakMap<FileSource, string | MountTree | FileSource>();

/** Records that a source exposes a directory on disk, or an archive: its files are written by whoever can write it. */
export function recordDirectory(source: FileSource, name: string): void {
  shown.set(source, realPathOf(name));
}

/**
 * Records that a source exposes all or part of another one, at the same paths; returns the former. Symlinks lead where they
 * lead in the other: a decorator without `canonical` would let them confer rights.
 */
export function recordView(source: FileSource, of: FileSource): FileSource {
  if (!source.canonical && of.canonical) {
    const canonical: FileSource["canonical"] = (path, seen) => of.canonical!(path, seen);
    Object.assign(source, { canonical });
  }
  shown.set(source, of);
  return source;
}

/** Records that a source exposes several, at their mount points; returns the source. */
export function recordMounts(source: FileSource, tree: MountTree): FileSource {
  shown.set(source, tree);
  return source;
}

/** What all decorators expose in the end: a directory, by its real path; the sources of a union; or another source. */
export function baseOf(source: FileSource): string | MountTree | FileSource {
  const base = shown.get(source) ?? source;
  return typeof base === "string" || base instanceof MountTree || base === source ? base : baseOf(base);
}

/** The same for one path, and therefore never a union; null if no source is mounted there. */
export function baseAt(source: FileSource, path: SitePath): string | FileSource | null {
  const base = baseOf(source);
  if (!(base instanceof MountTree)) return base;
  const { mount, path: below } = base.find(path);
  return mount && baseAt(mount.source, below);
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

/** Whether a file at a path has a real path: then `locate` returns null only for a file that does not exist any more. */
export function isLocatable(source: FileSource, path: SitePath): boolean {
  return leafAt(source, path)?.locate !== undefined;
}

/** The source of a path that is neither a decorator nor a union. */
function leafAt(source: FileSource, path: SitePath): FileSource | null {
  const base = shown.get(source);
  if (base === undefined || typeof base === "string") return source;
  if (!(base instanceof MountTree)) return leafAt(base, path);
  const { mount, path: below } = base.find(path);
  return mount && leafAt(mount.source, below);
}

function realPathOf(name: string): string {
  try {
    return Deno.realPathSync(name);
  } catch {
    return name; // inaccessible: fall back to the name
  }
}
