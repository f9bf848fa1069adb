/**
 * Files in memory.
 *
 * @module
 */

import { encodeSegment } from "../http/escape.ts";
import type { SitePath } from "../http/target.ts";
import { FileChanged, type FileEntry, type FileSource, type FileStat, type OpenFile } from "./types.ts";

/** Options of {@linkcode memory}. */
export interface MemoryOptions {
  /** Modification time of all files, in milliseconds since 1970; defaults to now. */
  readonly modified?: number;
}

/**
 * An in-memory source, for tests and for assets embedded in a program.
 *
 * Directories are implied by the paths of files; there are no symlinks. The files are fixed: later changes to the
 * record have no effect.
 *
 * @param files Content by path, without a leading slash: `{ "docs/a.txt": "a" }`. Text is encoded as UTF-8.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { memory, SitePath } from "@x/pyserve";
 *
 * const stat = await memory({ "docs/a.txt": "abc" }).stat(SitePath.root.child("docs")!.child("a.txt")!);
 * assert(stat?.kind === "file" && stat.size === 3);
 * ```
 *
 * @category Sources
 */
export function memory(files: Readonly<Record<string, string | Uint8Array>>, options: MemoryOptions = {}): FileSource {
  const modified = options.modified ?? Date.now();
  const root: Directory = new Map();
  for (const [path, content] of Object.entries(files)) {
    const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
    const names = path.split("/");
    let directory = root;
    for (const name of names.slice(0, -1)) directory = directoryIn(directory, name, path);
    directory.set(names.at(-1)!, bytes);
  }
  return new MemorySource(root, modified);
}

/**
 * Wraps bytes as an open file, for generated content.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { openBytes } from "@x/pyserve/sources";
 *
 * using file = openBytes(new Uint8Array([1, 2, 3]));
 * const into = new Uint8Array(2);
 * assert(await file.read(1, into) === 2 && into[0] === 2);
 * ```
 */
export function openBytes(bytes: Uint8Array): OpenFile {
  return {
    read(offset, into) {
      const part = bytes.subarray(offset, offset + into.length);
      into.set(part);
      return part.length;
    },
    [Symbol.dispose]() {},
  };
}

/** Entries per slice: about a millisecond. */
const ENTRIES_PER_SLICE = 1_000;

type Directory = Map<string, Directory | Uint8Array>;

function directoryIn(parent: Directory, name: string, path: string): Directory {
  const found = parent.get(name) ?? new Map();
  if (found instanceof Uint8Array) throw new TypeError(`Cannot add "${path}": "${name}" is a file`);
  parent.set(name, found);
  return found;
}

class MemorySource implements FileSource {
  readonly #root: Directory;
  readonly #modified: number;

  constructor(root: Directory, modified: number) {
    this.#root = root;
    this.#modified = modified;
  }

  stat(path: SitePath): FileStat | null {
    const found = this.#find(path);
    return found === null ? null : this.#describe(path.name, found);
  }

  list(path: SitePath): Iterable<FileEntry[]> | null {
    const found = this.#find(path);
    return found instanceof Map ? this.#slices(found) : null;
  }

  *#slices(directory: Directory): Iterable<FileEntry[]> {
    let slice: FileEntry[] = [];
    for (const [name, node] of directory) {
      slice.push({ name, stat: this.#describe(name, node), link: false, problem: null });
      if (slice.length < ENTRIES_PER_SLICE) continue;
      yield slice;
      slice = [];
    }
    yield slice;
  }

  open(path: SitePath, seen: FileStat): OpenFile {
    const bytes = this.#find(path);
    if (!(bytes instanceof Uint8Array) || this.#describe(path.name, bytes).version !== seen.version) {
      throw new FileChanged();
    }
    return openBytes(bytes);
  }

  #find(path: SitePath): Directory | Uint8Array | null {
    let node: Directory | Uint8Array | undefined = this.#root;
    for (const segment of path.segments) {
      node = node instanceof Map ? node.get(segment) : undefined;
    }
    return node ?? null;
  }

  #describe(name: string, node: Directory | Uint8Array): FileStat {
    const kind = node instanceof Map ? "directory" : "file";
    const size = node instanceof Map ? 0 : node.length;
    const version = `${encodeSegment(name)}-${size.toString(16)}-${this.#modified.toString(16)}`;
    return { kind, size, modified: this.#modified, version, stable: true };
  }
}
