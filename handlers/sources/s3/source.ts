/**
 * The files of a bucket.
 *
 * @module
 */

import type { ByteRange } from "../../http/range.ts";
import type { SitePath } from "../../http/target.ts";
import { openBytes } from "../memory.ts";
import type { OpenFile } from "../open_file.ts";
import { openRanges } from "../ranges.ts";
import { FileChanged, type FileEntry, type FileSource, type FileStat } from "../types.ts";
import { BodyCache } from "./cache.ts";
import type { StoreClient } from "./client.ts";
import { readRange } from "./content.ts";
import { isState, keyOf, prefixOf, STATE_NAME } from "./keys.ts";
import { type KeyPage, type ListedObject, pagesOf } from "./pages.ts";

/** A bucket, or the keys in it with a prefix. */
export interface Bucket {
  readonly client: StoreClient;
  /** Empty, or ending with a slash. */
  readonly prefix: string;
  /** Maximum number of keys of a page; defaults to 1,000. */
  readonly pageKeys?: number;
}

/** Nothing tells when the names in a directory change: it has no version, and is not stable. */
export const DIRECTORY: FileStat = { kind: "directory", size: 0, modified: null, version: "directory", stable: false };

/** The files of a bucket. A file takes precedence over a directory of the same name. */
export class S3Source implements FileSource {
  readonly #bucket: Bucket;
  readonly #cache: BodyCache;

  constructor(bucket: Bucket, cacheBytes: number) {
    this.#bucket = bucket;
    this.#cache = new BodyCache(cacheBytes);
  }

  async stat(path: SitePath): Promise<FileStat | null> {
    if (path.parent === null) return DIRECTORY;
    const { client, prefix } = this.#bucket;
    const key = isState(path) ? null : keyOf(prefix, path);
    if (key === null) return null;
    return await statOf(client, key) ?? (await this.#isDirectory(path) ? DIRECTORY : null);
  }

  async list(path: SitePath): Promise<AsyncIterable<FileEntry[]> | null> {
    const prefix = isState(path) ? null : prefixOf(this.#bucket.prefix, path);
    if (prefix === null) return null;
    const { client, pageKeys } = this.#bucket;
    const pages = pagesOf(client, { prefix, isFlat: true, ...(pageKeys !== undefined && { most: pageKeys }) });
    const first = await firstWithKeys(pages);
    if (first === null && path.parent !== null) return null;
    return entriesOf(path, prefix, first, pages);
  }

  async open(path: SitePath, seen: FileStat, range?: ByteRange): Promise<OpenFile> {
    const key = isState(path) ? null : keyOf(this.#bucket.prefix, path);
    if (key === null || seen.kind !== "file") throw new FileChanged();
    const { version, size } = seen;
    const kept = this.#cache.get(key, version);
    if (kept) return openBytes(kept);
    const etag = seen.stable ? `"${version}"` : null;
    const fetchRange = (range: ByteRange) => readRange(this.#bucket.client, { key, etag, size }, range);
    const isWhole = range?.start === 0 && range.end === size && size > 0;
    if (!isWhole || etag === null || !this.#cache.hasRoomFor(size)) {
      return await openRanges(fetchRange, { size, range });
    }
    const bytes = await new Response(await fetchRange(range)).bytes();
    this.#cache.keep(key, { version, bytes });
    return openBytes(bytes);
  }

  async #isDirectory(path: SitePath): Promise<boolean> {
    const prefix = prefixOf(this.#bucket.prefix, path);
    if (prefix === null) return false;
    const pages = pagesOf(this.#bucket.client, { prefix, isFlat: false, most: 1 });
    return await firstWithKeys(pages) !== null;
  }
}

/** The metadata of an object; null if there is none. */
export async function statOf(client: StoreClient, key: string): Promise<FileStat | null> {
  const { status, headers } = await client.send({ method: "HEAD", key, expects: [404] });
  if (status === 404) return null;
  const modified = Date.parse(headers.get("last-modified") ?? "");
  return describe({
    size: Number(headers.get("content-length")),
    modified: Number.isNaN(modified) ? null : modified,
    etag: headers.get("etag"),
  });
}

/** The same, whether it comes from a list or from the object itself: dates have seconds there, and milliseconds here. */
function describe({ size, modified, etag }: Omit<ListedObject, "key">): FileStat {
  const seconds = modified === null ? null : Math.floor(modified / 1000) * 1000;
  const [, tag] = /^"?([\x21\x23-\x7e]+)"?$/.exec(etag ?? "") ?? [];
  if (tag !== undefined && !tag.startsWith("W/")) {
    return { kind: "file", size, modified: seconds, version: tag, stable: true };
  }
  const version = `${size.toString(16)}-${(seconds ?? 0).toString(16)}`;
  return { kind: "file", size, modified: seconds, version, stable: false };
}

/** The first page that is not empty; null if there is none. */
async function firstWithKeys(pages: AsyncGenerator<KeyPage>): Promise<KeyPage | null> {
  for (;;) {
    const { done, value } = await pages.next();
    if (done) return null;
    if (value.objects.length > 0 || value.prefixes.length > 0) return value;
  }
}

/** The entries of a directory, a page at a time. */
async function* entriesOf(
  directory: SitePath,
  prefix: string,
  first: KeyPage | null,
  pages: AsyncGenerator<KeyPage>,
): AsyncGenerator<FileEntry[]> {
  const names = new FileNames();
  let page = first;
  while (page !== null) {
    const files = page.objects.map((object) => ({ name: object.key.slice(prefix.length), object }));
    for (const { name } of files) names.add(name);
    const directories = page.prefixes.map((key) => key.slice(prefix.length, -1));
    const isShown = (name: string) =>
      directory.child(name) !== null && !(directory.parent === null && name === STATE_NAME);
    yield [
      ...files.filter(({ name }) => isShown(name)).map(({ name, object }) => entryOf(name, describe(object))),
      ...directories.filter((name) => isShown(name) && !names.has(name)).map((name) => entryOf(name, DIRECTORY)),
    ];
    names.endPage([files.at(-1)?.name, directories.at(-1)]);
    const next = await pages.next();
    page = next.done ? null : next.value;
  }
}

function entryOf(name: string, stat: FileStat): FileEntry {
  return { name, stat, link: false, problem: null };
}

/**
 * The names of files that may still be followed by a directory of the same name: in the order of keys, everything between
 * `a` and `a/` begins with `a`.
 */
class FileNames {
  #names = new Set<string>();

  add(name: string): void {
    this.#names.add(name);
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  /** Forgets names that can no longer be followed by a directory, given the last names of a page. */
  endPage(last: readonly (string | undefined)[]): void {
    const names = [...this.#names].filter((name) => last.some((last) => last?.startsWith(name)));
    this.#names = new Set(names);
  }
}
