import { join } from "node:path";

/** An entry that {@linkcode walk} found. */
export interface WalkEntry extends Deno.DirEntry {
  /** The path of the entry, including the given root. */
  path: string;
}

/** Options of {@linkcode walk}, limited to those pyserve uses. */
export interface WalkOptions {
  /** Whether files are yielded; defaults to true. */
  includeFiles?: boolean;
  /** Whether directories are yielded; defaults to true. */
  includeDirs?: boolean;
  /** Whether symbolic links are yielded; defaults to true. */
  includeSymlinks?: boolean;
}

/** Walks a directory tree, the root first; does not follow links. */
export async function* walk(root: string | URL, options: WalkOptions = {}): AsyncIterableIterator<WalkEntry> {
  const { includeFiles = true, includeDirs = true, includeSymlinks = true } = options;
  const path = root instanceof URL ? decodeURIComponent(root.pathname) : root;
  if (includeDirs) yield { path, name: path.split("/").at(-1)!, isFile: false, isDirectory: true, isSymlink: false };
  for await (const entry of Deno.readDir(path)) {
    const found = { ...entry, path: join(path, entry.name) };
    if (entry.isDirectory) yield* walk(found.path, options);
    else if (entry.isSymlink ? includeSymlinks : includeFiles) yield found;
  }
}
