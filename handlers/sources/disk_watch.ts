/**
 * Watching directories on disk.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { join } from "@std/path/join";
import type { SitePath } from "../http/target.ts";
import type { DiskRoot } from "./contained.ts";
import { isPartName } from "./part_name.ts";

/** Watchers at the same time: each new directory gets one of its own, until one for all replaces them. */
const MAX_WATCHERS = 8;

/** Attempts to watch a tree in which directories come and go. */
const ATTEMPTS = 5;

/**
 * Yields the paths of what changes in a directory of a root; see `FileSource.watch`.
 *
 * With `skip`, directories are watched one by one on Linux, where each costs a watch of a limited number anyway; symlinks are
 * not followed then. Otherwise, symlinks to directories are followed by the platform, but a change is only reported if its directory lies inside the
 * root. If the root is a symlink, its target at the time of the call is watched.
 */
export function watchDisk(
  root: DiskRoot,
  path: SitePath,
  signal: AbortSignal,
  skip?: (path: SitePath) => boolean,
): AsyncIterable<SitePath> {
  using directory = root.findNow(path);
  if (!directory?.info.isDirectory) throw new Deno.errors.NotFound();
  const real = directory.real;
  const watcher = skip && Deno.build.os === "linux"
    ? new TreeWatch(real, (name) => isSkipped(pathOf(name, { path, real }), skip))
    : Deno.watchFs(real);
  const close = () => watcher.close();
  if (signal.aborted) close();
  signal.addEventListener("abort", close, { once: true });
  return changesOf(root, watcher, { path, real });
}

/** A directory, and where it was when the watch began. */
interface Watched {
  readonly path: SitePath;
  readonly real: string;
}

function isSkipped(path: SitePath | null, skip: (path: SitePath) => boolean): boolean {
  return path === null || skip(path);
}

async function* changesOf(
  root: DiskRoot,
  watcher: AsyncIterable<Deno.FsEvent>,
  watched: Watched,
): AsyncGenerator<SitePath> {
  for await (const { kind, flag, paths } of watcher) {
    if (kind === "access") continue;
    if (flag === "rescan") yield watched.path; // the system has dropped events
    for (const name of paths) {
      const path = pathOf(name, watched);
      if (path !== null && isExposed(root, path)) yield path;
    }
  }
}

/** The path of a file name; null for partial files and for anything else. A name that cannot be a path is its directory. */
function pathOf(name: string, { path, real }: Watched): SitePath | null {
  const top = real.endsWith(SEPARATOR) ? real : real + SEPARATOR;
  if (name === real) return path;
  if (!name.startsWith(top)) return null;
  let at = path;
  for (const segment of name.slice(top.length).split(SEPARATOR)) {
    if (isPartName(segment)) return null;
    const child = at.child(segment);
    if (child === null) return at;
    at = child;
  }
  return at;
}

/**
 * Whether the directory of a path lies in the root. A watched directory that is moved away keeps its name for the system,
 * and Deno does not promise to check where it is.
 */
function isExposed(root: DiskRoot, { parent }: SitePath): boolean {
  if (parent === null) return true;
  try {
    using directory = root.findNow(parent);
    return directory !== null;
  } catch {
    return false; // removed, or inaccessible
  }
}

/** The changes in a directory and all below it, except for skipped ones. Symlinks are not followed. */
class TreeWatch implements AsyncIterable<Deno.FsEvent> {
  readonly #top: string;
  readonly #isSkipped: (name: string) => boolean;
  readonly #events: Deno.FsEvent[] = [];
  #watchers: Deno.FsWatcher[] = [];
  #failure: { readonly reason: unknown } | null = null;
  #isClosed = false;
  #wake = () => {};

  /** Throws if the system refuses to watch. */
  constructor(top: string, isSkipped: (name: string) => boolean) {
    this.#top = top;
    this.#isSkipped = isSkipped;
    this.#watchAll();
  }

  /** Ends the watch, and the loops over its changes. */
  close(): void {
    this.#isClosed = true;
    for (const watcher of this.#watchers.splice(0)) watcher.close();
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Deno.FsEvent> {
    while (!this.#isClosed) {
      yield* this.#events.splice(0);
      if (this.#failure) throw this.#failure.reason;
      if (this.#events.length > 0 || this.#isClosed) continue;
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** One watcher for everything. */
  #watchAll(): void {
    const old = this.#watchers;
    for (let attempt = 1;; attempt++) {
      try {
        this.#watchers = [Deno.watchFs([...directoriesBelow(this.#top, this.#isSkipped)], { recursive: false })];
        break;
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound) || attempt === ATTEMPTS) throw error;
      }
    }
    this.#read(this.#watchers[0]!);
    for (const watcher of old) watcher.close();
  }

  async #read(watcher: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watcher) this.#take(event);
    } catch (reason) {
      this.#fail(reason);
    }
  }

  #take(event: Deno.FsEvent): void {
    this.#events.push(event);
    this.#wake();
    if (event.kind !== "create" && event.kind !== "rename" && event.kind !== "any") return;
    try {
      for (const name of event.paths) if (isDirectory(name) && !this.#isSkipped(name)) this.#adopt(name);
    } catch (reason) {
      if (!(reason instanceof Deno.errors.NotFound)) this.#fail(reason);
    }
  }

  /** Watches a new directory, and reports what was created in it before that. */
  #adopt(name: string): void {
    if (this.#watchers.length >= MAX_WATCHERS) {
      this.#watchAll();
    } else {
      const watcher = Deno.watchFs([...directoriesBelow(name, this.#isSkipped)], { recursive: false });
      this.#watchers.push(watcher);
      this.#read(watcher);
    }
    for (const directory of directoriesBelow(name, this.#isSkipped)) {
      const paths = entriesOf(directory).map((entry) => join(directory, entry.name));
      if (paths.length > 0) this.#events.push({ kind: "create", paths });
    }
  }

  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#wake();
  }
}

function isDirectory(name: string): boolean {
  try {
    return Deno.lstatSync(name).isDirectory;
  } catch {
    return false; // it is gone
  }
}

/** A directory and all below it; those that cannot be read cannot be watched either. */
function* directoriesBelow(top: string, isSkipped: (name: string) => boolean): Generator<string> {
  const found = [top];
  for (let directory = found.pop(); directory !== undefined; directory = found.pop()) {
    yield directory;
    for (const entry of entriesOf(directory)) {
      const name = join(directory, entry.name);
      if (entry.isDirectory && !isSkipped(name) && isReadable(name)) found.push(name);
    }
  }
}

function isReadable(name: string): boolean {
  try {
    Deno.readDirSync(name)[Symbol.iterator]().next();
    return true;
  } catch {
    return false;
  }
}

function entriesOf(directory: string): readonly Deno.DirEntry[] {
  try {
    return [...Deno.readDirSync(directory)];
  } catch {
    return [];
  }
}
