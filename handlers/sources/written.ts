/**
 * Tracks which files clients can write: such a page may be untrusted, whichever handler serves it.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { FileSource } from "./types.ts";

/** What a source exposes: a directory, by its real path; another source; or only itself. */
const shown = new WeakMap<FileSource, string | FileSource>();

const writtenSources = new WeakSet<FileSource>();
const writtenDirectories = new Set<string>();

/** Records that a source exposes a directory on disk. */
export function showsDirectory(source: FileSource, name: string): void {
  shown.set(source, realPathOf(name));
}

/** Records that a source exposes all or part of another one; returns the former. */
export function showsSome(source: FileSource, of: FileSource): FileSource {
  shown.set(source, of);
  return source;
}

/** Records that clients can write to a source. */
export function noteWritten(source: FileSource): void {
  const base = baseOf(source);
  if (typeof base === "string") writtenDirectories.add(base);
  else writtenSources.add(base);
}

/** Whether files of a source may have been written by a client of this process. */
export function isWritten(source: FileSource): boolean {
  const base = baseOf(source);
  if (typeof base !== "string") return writtenSources.has(base);
  for (const written of writtenDirectories) {
    if (isAtOrIn(written, base) || isAtOrIn(base, written)) return true;
  }
  return false;
}

function baseOf(source: FileSource): string | FileSource {
  const base = shown.get(source) ?? source;
  return typeof base === "string" || base === source ? base : baseOf(base);
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
