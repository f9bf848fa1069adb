/**
 * Which files clients can write: a page among them may be any client's, whichever handler sends it.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { FileSource } from "./types.ts";

/** What a source shows: a directory by its real path, or what is in another source, or in itself only. */
const shown = new WeakMap<FileSource, string | FileSource>();

const writtenSources = new WeakSet<FileSource>();
const writtenDirectories = new Set<string>();

/** Says that a source shows a directory on disk. */
export function showsDirectory(source: FileSource, name: string): void {
  shown.set(source, realPathOf(name));
}

/** Says that a source shows, all or in part, what another one has; gives it back. */
export function showsSome(source: FileSource, of: FileSource): FileSource {
  shown.set(source, of);
  return source;
}

/** Says that clients can write to a source. */
export function noteWritten(source: FileSource): void {
  const base = baseOf(source);
  if (typeof base === "string") writtenDirectories.add(base);
  else writtenSources.add(base);
}

/** Whether something in a source can have been written by a client of this process. */
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
    return name; // not to be looked at: then its name has to do
  }
}
