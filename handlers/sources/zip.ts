/**
 * Files in a ZIP archive.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { resolve } from "@std/path/resolve";
import { then } from "../core/awaitable.ts";
import type { Awaitable } from "../core/types.ts";
import type { ByteRange } from "../http/range.ts";
import { SitePath } from "../http/target.ts";
import { disk } from "./disk.ts";
import { recordDirectory } from "./shown.ts";
import {
  FileChanged,
  type FileEntry,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  type OpenFile,
} from "./types.ts";
import { DEFLATED, MAX_RANGED_BYTES, readZipTree, type ZipNode, type ZipTree } from "./zip_directory.ts";
import { openZipFile } from "./zip_file.ts";
import { ZipError } from "./zip_records.ts";

export { ZipError };

/** Options of {@linkcode zip}. */
export interface ZipOptions {
  /** The maximum number of files and directories; defaults to 500,000, which take about 100 MB of memory. */
  readonly maxEntries?: number;
}

/**
 * A source of the files in a ZIP archive on disk, read without extracting it. It is read-only.
 *
 * Content is stored or deflated, with ZIP64 if it is large. An encrypted file, one compressed with another method and one
 * whose records contradict each other are listed, but not served. Symlinks are not followed. Names that are absolute or have
 * `..`, a backslash or control characters are left out. Of several entries with the same name, the last one counts.
 *
 * A deflated file is inflated from its beginning whatever is read of it, so that it is sent without ranges if it is larger
 * than 16 MiB. A file is never sent with more bytes than its entry promises, and never with fewer without the
 * connection being aborted; the last bytes of a deflated one are only sent if its checksum is right.
 *
 * The archive can be replaced at any time, best by renaming: each access looks at it.
 *
 * @throws Deno.errors.NotFound and other system errors if the archive is inaccessible; TypeError if it is not a file. Its
 * content is read on the first access, which throws {@linkcode ZipError} if it is not a ZIP archive.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { archive, fileServer, memory, toFetch } from "@x/pyserve";
 * import { zip } from "@x/pyserve/sources";
 *
 * const made = await toFetch(archive(memory({ "docs/a.txt": "hello" })))(new Request("http://localhost/docs/?archive=zip"));
 * const path = await Deno.makeTempFile({ suffix: ".zip" });
 * await Deno.writeFile(path, await made.bytes());
 *
 * const fetch = toFetch(fileServer(zip(path), { log: false }));
 * assertEquals(await (await fetch(new Request("http://localhost/docs/a.txt"))).text(), "hello");
 * await Deno.remove(path);
 * ```
 *
 * @category Sources
 */
export function zip(archive: string, options: ZipOptions = {}): FileSource {
  if (!Deno.statSync(archive).isFile) throw new TypeError(`Cannot serve the archive "${archive}": it is not a file`);
  const source = new ZipSource(resolve(archive), options.maxEntries ?? MAX_ENTRIES);
  recordDirectory(source, resolve(archive));
  return source;
}

const MAX_ENTRIES = 500_000;

/** Entries per slice: about a millisecond. */
const ENTRIES_PER_SLICE = 1_000;

/** How often reading an archive is tried that is replaced meanwhile. */
const ATTEMPTS = 4;

/** The contents of an archive, and what it was when they were read. */
interface Contents {
  readonly seen: FileStat;
  readonly tree: ZipTree;
}

class ZipSource implements FileSource {
  readonly #directory: FileSource;
  readonly #archive: SitePath;
  readonly #maxEntries: number;
  #contents: Contents | null = null;
  #reading: { readonly seen: FileStat; readonly contents: Promise<Contents | null> } | null = null;

  constructor(archive: string, maxEntries: number) {
    this.#directory = disk(dirname(archive), { followLinks: true });
    this.#archive = SitePath.root.child(basename(archive))!;
    this.#maxEntries = maxEntries;
  }

  stat(path: SitePath): Awaitable<FileStat | null> {
    return then(this.#current(), (contents) => {
      const node = contents && find(contents, path);
      return node && (node.kind === "other" && node.isLink ? null : describe(contents!, node));
    });
  }

  list(path: SitePath): Awaitable<Iterable<FileEntry[]> | null> {
    return then(this.#current(), (contents) => {
      const node = contents && find(contents, path);
      return node?.kind === "directory" ? slices(contents!, node.children) : null;
    });
  }

  async open(path: SitePath, seen: FileStat, range?: ByteRange): Promise<OpenFile> {
    const contents = this.#contents;
    const entry = contents && find(contents, path);
    if (contents === null || entry?.kind !== "file") throw new FileChanged();
    if (describe(contents, entry).version !== seen.version) throw new FileChanged();
    const { contentStart: streamsFrom } = entry;
    const within = streamsFrom === null || !range ? undefined : shifted(range, streamsFrom);
    const archive = await this.#directory.open(this.#archive, contents.seen, within);
    const name = path.segments.join("/");
    return await openZipFile({
      archive,
      end: contents.tree.end,
      name,
      entry,
      streamsFrom: within ? streamsFrom : null,
    });
  }

  freshness(path: SitePath, seen: FileStat): FreshnessCheck | null {
    const node = this.#contents && find(this.#contents, path);
    if (!node || describe(this.#contents!, node).version !== seen.version) return null;
    return this.#directory.freshness!(this.#archive, this.#contents!.seen);
  }

  absence(path: SitePath): FreshnessCheck | null {
    if (this.#contents === null || find(this.#contents, path) !== null) return null;
    return this.#directory.freshness!(this.#archive, this.#contents.seen);
  }

  /** Any change of the archive may have changed any file in it. */
  watch(path: SitePath, signal: AbortSignal): AsyncIterable<SitePath> {
    const isElsewhere = ({ name }: SitePath) => name !== this.#archive.name;
    return this.#changes(this.#directory.watch!(SitePath.root, signal, isElsewhere), path);
  }

  async *#changes(changes: AsyncIterable<SitePath>, path: SitePath): AsyncGenerator<SitePath> {
    for await (const changed of changes) {
      if (this.#archive.below(changed) !== null) yield path; // the archive, or what stands for it
    }
  }

  /** The contents of the archive as it is now; null if there is none. */
  #current(): Awaitable<Contents | null> {
    return then(this.#directory.stat(this.#archive), (seen) => {
      if (seen?.kind !== "file") return null;
      return isCurrent(this.#contents?.seen, seen) ? this.#contents : this.#read(seen);
    });
  }

  /** Reads it once for all who wait for it. An archive that cannot be read is not read again before it changes. */
  #read(seen: FileStat): Promise<Contents | null> {
    if (isCurrent(this.#reading?.seen, seen)) return this.#reading!.contents;
    const contents = this.#readNow(seen);
    const reading = this.#reading = { seen, contents };
    contents.catch((error) => {
      if (this.#reading === reading && !(error instanceof ZipError)) this.#reading = null;
    });
    return contents;
  }

  async #readNow(first: FileStat): Promise<Contents | null> {
    let seen: FileStat | null = first;
    for (let attempt = 1; seen?.kind === "file"; attempt++) {
      try {
        using file = await this.#directory.open(this.#archive, seen);
        const tree = await readZipTree(file, seen.size, this.#maxEntries);
        tree.root.modified = seen.modified;
        return this.#contents = { seen, tree };
      } catch (error) {
        if (!(error instanceof FileChanged) || attempt === ATTEMPTS) throw error;
      }
      seen = await this.#directory.stat(this.#archive);
    }
    return null;
  }
}

/** Whether what was read can still be used; what was read just after a change only until another one would show. */
function isCurrent(read: FileStat | undefined, seen: FileStat): boolean {
  return read?.version === seen.version && (read.stable || !seen.stable);
}

function shifted({ start, end }: ByteRange, by: number): ByteRange {
  return { start: start + by, end: end + by };
}

function find({ tree }: Contents, path: SitePath): ZipNode | null {
  let node: ZipNode | undefined = tree.root;
  for (const segment of path.segments) {
    node = node?.kind === "directory" ? node.children.get(segment) : undefined;
  }
  return node ?? null;
}

/** Any change of the archive may have changed any file in it. */
function describe({ seen: { version, stable } }: Contents, node: ZipNode): FileStat {
  if (node.kind === "other") return { kind: "other", size: 0, modified: null, version, stable };
  const mode = node.mode === null ? null : node.mode & 0o777;
  const { modified } = node;
  if (node.kind === "directory") return { kind: "directory", size: 0, modified, version, stable, mode };
  const { size, method, start } = node;
  const isSequential = method === DEFLATED && size > MAX_RANGED_BYTES;
  return {
    kind: "file",
    size,
    modified,
    version: `${version}-${start.toString(16)}`,
    stable,
    mode,
    ...(isSequential && { isSequential }),
  };
}

function* slices(contents: Contents, children: ReadonlyMap<string, ZipNode>): Iterable<FileEntry[]> {
  let slice: FileEntry[] = [];
  for (const [name, node] of children) {
    slice.push(entryOf(contents, name, node));
    if (slice.length < ENTRIES_PER_SLICE) continue;
    yield slice;
    slice = [];
  }
  yield slice;
}

function entryOf(contents: Contents, name: string, node: ZipNode): FileEntry {
  if (node.kind === "other") return { name, stat: null, link: node.isLink, problem: node.problem };
  const isReadable = node.kind === "directory" || node.refusal === null;
  const stat = isReadable ? describe(contents, node) : null;
  return { name, stat, link: false, problem: isReadable ? null : "not readable" };
}
