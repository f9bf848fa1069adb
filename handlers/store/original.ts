/**
 * Surveys the original of a copy: all of it is examined and counted before anything is written.
 *
 * @module
 */

import { Turns } from "../core/turns.ts";
import { SitePath } from "../http/target.ts";
import type { OpenFile } from "../sources/open_file.ts";
import { FileChanged, type FileEntry, type FileSource, type FileStat } from "../sources/types.ts";
import { type NewEntry, WriteRefused } from "../sources/writer.ts";
import { tooLarge } from "./write_buffer.ts";

/** Maximum depth of a copied directory: each level keeps a descriptor open. */
const MAX_COPY_DEPTH = 64;

const CHUNK_BYTES = 262_144;

/** Limits for surveying an original. */
export interface OriginalOptions {
  /** Maximum size of a file in bytes. */
  readonly maxBytes: number;
  /** Maximum number of entries. */
  readonly maxEntries: number;
  /** Whether a path can be read; other paths are skipped, as if they did not exist. */
  readonly canRead: (path: SitePath) => boolean;
  /** Whether to skip the entries of a directory. */
  readonly shallow: boolean;
  /** Stops the survey, and reading the content. */
  readonly signal?: AbortSignal | undefined;
}

/** A file or directory to be copied. */
export interface Original {
  readonly stat: FileStat;
  /** The total size of its files. */
  readonly bytes: number;
  /** What a directory contains, each directory before its entries; can be iterated several times. */
  readonly entries: Iterable<NewEntry>;
  /** How many entries are skipped because they cannot be copied. */
  readonly omitted: number;
  /** The content of a file. */
  content(): AsyncIterable<Uint8Array>;
}

/**
 * Surveys a file or directory.
 *
 * @throws {WriteRefused} `absent`, `elsewhere` (it cannot be copied), `too many` or `too large`.
 */
export async function originalOf(source: FileSource, path: SitePath, options: OriginalOptions): Promise<Original> {
  const { signal } = options;
  signal?.throwIfAborted();
  const stat = await source.stat(path);
  if (stat === null) throw new WriteRefused("absent");
  if (stat.kind === "other") throw new WriteRefused("elsewhere");
  const survey = new Survey(source, path, options);
  if (stat.kind === "directory") {
    if (!options.shallow) await survey.directory(SitePath.root, 1);
  } else survey.count(stat);
  const { bytes, omitted } = survey;
  return { stat, bytes, entries: survey, omitted, content: () => contentOf(source, path, stat, signal) };
}

/** The entries of one directory that are copied: two parallel lists, because there may be many. */
interface Surveyed {
  /** Its path, relative to the original. */
  readonly directory: SitePath;
  readonly names: string[];
  readonly stats: FileStat[];
}

/** Walks a directory, depth first. Holds names and metadata only; the entries are derived from them. */
class Survey implements Iterable<NewEntry> {
  readonly #directories: Surveyed[] = [];
  readonly #turns = new Turns();
  #count = 0;
  bytes = 0;
  omitted = 0;
  readonly #source: FileSource;
  readonly #top: SitePath;
  readonly #options: OriginalOptions;

  constructor(source: FileSource, top: SitePath, options: OriginalOptions) {
    this.#source = source;
    this.#top = top;
    this.#options = options;
  }

  /** Counts the size of a file. */
  count({ size }: FileStat): void {
    if (size > this.#options.maxBytes) throw tooLarge(this.#options.maxBytes);
    this.bytes += size;
  }

  async directory(relative: SitePath, depth: number): Promise<void> {
    if (depth > MAX_COPY_DEPTH) throw new WriteRefused("too many");
    const slices = await this.#source.list(this.#top.join(relative));
    if (slices === null) throw new FileChanged();
    const surveyed: Surveyed = { directory: relative, names: [], stats: [] };
    this.#directories.push(surveyed);
    for await (const slice of slices) {
      this.#options.signal?.throwIfAborted();
      for (const entry of slice) this.#add(surveyed, entry);
      if (this.#turns.due) await this.#turns.next();
    }
    for (const [index, { kind }] of surveyed.stats.entries()) {
      if (kind === "directory") await this.directory(relative.child(surveyed.names[index]!)!, depth + 1);
    }
  }

  *[Symbol.iterator](): Generator<NewEntry> {
    for (const { directory, names, stats } of this.#directories) {
      for (const [index, stat] of stats.entries()) yield this.#entry(directory.child(names[index]!)!, stat);
    }
  }

  #entry(path: SitePath, stat: FileStat): NewEntry {
    const mode = stat.mode ?? null;
    if (stat.kind === "directory") return { path, mode };
    return { path, mode, open: () => openWhole(this.#source, this.#top.join(path), stat) };
  }

  /** Adds an entry. */
  #add({ directory, names, stats }: Surveyed, { name, stat, link, problem }: FileEntry): void {
    const path = directory.child(name);
    const at = path && this.#top.join(path);
    if (at && !this.#options.canRead(at)) return;
    const isDirectory = stat?.kind === "directory";
    if (at === null || stat === null || problem !== null || stat.kind === "other" || (link && isDirectory)) {
      this.omitted += 1;
      return;
    }
    if (!isDirectory) this.count(stat);
    names.push(name);
    stats.push(stat);
    this.#count += 1;
    if (this.#count > this.#options.maxEntries) throw new WriteRefused("too many");
  }
}

async function* contentOf(
  source: FileSource,
  path: SitePath,
  stat: FileStat,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  using file = await openWhole(source, path, stat);
  const buffer = new Uint8Array(CHUNK_BYTES);
  let offset = 0;
  for (let count = await file.read(0, buffer); count > 0; count = await file.read(offset, buffer)) {
    signal?.throwIfAborted();
    yield buffer.subarray(0, count);
    offset += count;
  }
}

/** Opens a file to be read completely and in order; a change during that time is detected at the end. */
async function openWhole(source: FileSource, path: SitePath, seen: FileStat): Promise<OpenFile> {
  const file = await source.open(path, seen, { start: 0, end: seen.size });
  return {
    async read(offset, into) {
      const count = await file.read(offset, into);
      if (count === 0) await requireSame(source, path, { seen, size: offset });
      return count;
    },
    [Symbol.dispose]: () => file[Symbol.dispose](),
  };
}

interface Whole {
  readonly seen: FileStat;
  readonly size: number;
}

async function requireSame(source: FileSource, path: SitePath, { seen, size }: Whole): Promise<void> {
  const now = await source.stat(path);
  if (size !== seen.size || now?.version !== seen.version) throw new FileChanged();
}
