/**
 * Directories that take uploads, in which no program is run: a client with upload rights must not be able to run code.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { SitePath } from "../http/target.ts";
import type { FileSource } from "../sources/types.ts";

/**
 * The directories of a source that take uploads. Files are matched by path and by real path, ignoring case, because the
 * file system may be case-insensitive.
 */
export class UploadPlaces {
  readonly #source: FileSource;
  readonly #paths: readonly SitePath[];

  constructor(source: FileSource, paths: readonly SitePath[]) {
    this.#source = source;
    this.#paths = paths;
  }

  /** Whether there are none. */
  get isEmpty(): boolean {
    return this.#paths.length === 0;
  }

  /** Whether a file or directory is one of them or inside one. */
  async hold(path: SitePath, real: string | null): Promise<boolean> {
    if (this.isEmpty) return false;
    if (this.#paths.some((place) => isAtOrIn(path.text, place.text, "/"))) return true;
    return real !== null && (await this.#realPaths()).some((place) => isAtOrIn(real, place, SEPARATOR));
  }

  /** Whether PATH_INFO, resolved below the document root, leads into one of them, or cannot be resolved. */
  async leadInto(pathInfo: string): Promise<boolean> {
    if (this.isEmpty || pathInfo === "") return false;
    let path: SitePath | null = SitePath.root;
    // It is decoded, and may contain slashes and dot segments that a target cannot.
    const names = pathInfo.split(SEPARATOR === "/" ? "/" : /[/\\]/).filter((name) => name !== "" && name !== ".");
    for (const name of names) path = path?.child(name) ?? null;
    return path === null || await this.hold(path, await this.#nearest(path));
  }

  /** Whether a directory on disk contains, or is inside, one of them. */
  async overlap(directory: string): Promise<boolean> {
    if (this.isEmpty) return false;
    return (await this.#realPaths()).some((place) => overlap(place, directory));
  }

  async #nearest(path: SitePath): Promise<string | null> {
    for (let at: SitePath | null = path; at !== null; at = at.parent) {
      const real = await this.#source.locate?.(at) ?? null;
      if (real !== null) return real;
    }
    return null;
  }

  async #realPaths(): Promise<readonly string[]> {
    const found = await Promise.all(this.#paths.map((place) => this.#source.locate?.(place) ?? null));
    return found.filter((real) => real !== null);
  }
}

function isAtOrIn(path: string, directory: string, separator: string): boolean {
  const [inner, outer] = [path.toLowerCase(), directory.toLowerCase()];
  return inner === outer || inner.startsWith(outer.endsWith(separator) ? outer : outer + separator);
}

/** Whether either of two directories on disk contains the other. */
export function overlap(one: string, other: string): boolean {
  const [a, b] = [realPathOf(one), realPathOf(other)];
  return isAtOrIn(a, b, SEPARATOR) || isAtOrIn(b, a, SEPARATOR);
}

function realPathOf(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch {
    return path; // a missing directory contains nothing yet
  }
}

/**
 * Describes a conflict between upload directories and programs, or returns null: neither may contain the other.
 *
 * @param programs Directories of programs, and prefixes of mounted programs.
 */
export function sharedWithPrograms(uploads: readonly SitePath[], programs: readonly SitePath[]): string | null {
  for (const place of uploads) {
    const program = programs.find((path) => path.below(place) !== null || place.below(path) !== null);
    if (program) return `Cannot take uploads in "${place.text}": there are programs in "${program.text}"`;
  }
  return null;
}
