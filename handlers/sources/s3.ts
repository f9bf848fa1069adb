/**
 * Files in an S3-compatible object store.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import type { Awaitable } from "../core/types.ts";
import { withNode } from "../system/node.ts";
import type { ByteRange } from "../http/range.ts";
import type { SitePath } from "../http/target.ts";
import { requireEndpoint, type S3Credentials, type S3Options } from "./s3/options.ts";
import type { OpenBucket } from "./s3/open.ts";
import type { FileSlices, FileSource, FileStat, OpenFile } from "./types.ts";
import type { SourceWriter } from "./writer.ts";

export type { S3Credentials, S3Options };

/**
 * A source of the files in a bucket of an S3-compatible object store.
 *
 * Slashes in keys separate directories, which exist while there is a key below them. A key that no URL can name is not
 * exposed: one with an empty segment (`a//b`, `/a`), a segment `.` or `..`, or NUL. If there is a file and a directory of
 * the same name, the directory is not listed. Names are compared exactly; keys have at most 1,024 bytes.
 *
 * Each response is of one version: the store is asked for the metadata, and content is requested on the condition that it
 * is still that version, also if it has to be requested again because it was cut off. Requests are repeated up to three
 * times if the store fails or is overloaded; then the error is 502, 503 or 504, and its cause is logged.
 *
 * It can be written: a file appears once complete, or not at all; large ones, and what is needed to resume an upload, are
 * stored below `.pyserve/uploads/` until then, which is never served. Moving or deleting a directory is not atomic.
 *
 * Nothing is loaded or requested before the first access. It needs the permission to connect to the store, and to read
 * those of the variables and files that are used.
 *
 * @throws {TypeError} If an option is invalid.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, toFetch } from "@x/pyserve";
 * import { s3 } from "@x/pyserve/sources";
 *
 * const source = s3({
 *   bucket: "photos",
 *   endpoint: "http://127.0.0.1:9",
 *   credentials: { accessKeyId: "id", secretAccessKey: "secret" },
 * });
 * const fetch = toFetch(fileServer(source, { log: false }));
 * const response = await fetch(new Request("http://localhost/a.jpg"));
 * assert(response.status === 502 && (await response.text()).includes("cannot be reached"));
 * ```
 *
 * @category Sources
 */
export function s3(options: S3Options): FileSource {
  const { bucket, prefix = "", endpoint } = options;
  if (!/^[A-Za-z0-9][\w.-]{0,254}$/.test(bucket)) {
    throw new TypeError(`Cannot use the bucket "${bucket}": it is not a name`);
  }
  if (endpoint !== undefined) requireEndpoint(endpoint);
  return new LazyS3(options, directoryPrefix(prefix));
}

const opening = onDemand(() => withNode(() => import("./s3/open.ts")));

/** Loads everything on first access. */
class LazyS3 implements FileSource {
  readonly #options: S3Options;
  readonly #prefix: string;
  #open: OpenBucket | null = null;

  constructor(options: S3Options, prefix: string) {
    this.#options = options;
    this.#prefix = prefix;
  }

  async stat(path: SitePath): Promise<FileStat | null> {
    return await (await this.#opened()).source.stat(path);
  }

  async list(path: SitePath): Promise<FileSlices | null> {
    return await (await this.#opened()).source.list(path);
  }

  async open(path: SitePath, seen: FileStat, range?: ByteRange): Promise<OpenFile> {
    return await (await this.#opened()).source.open(path, seen, range);
  }

  async openWriter(): Promise<SourceWriter> {
    return await (await this.#opened()).openWriter();
  }

  #opened(): Awaitable<OpenBucket> {
    return this.#open ?? opening().then(({ openBucket }) => this.#open ??= openBucket(this.#options, this.#prefix));
  }
}

/** The prefix as the beginning of keys: empty, or ending with a slash. */
function directoryPrefix(prefix: string): string {
  if (prefix === "") return "";
  const names = (prefix.endsWith("/") ? prefix.slice(0, -1) : prefix).split("/");
  if (names.some((name) => ["", ".", ".."].includes(name) || name.includes("\0"))) {
    throw new TypeError(`Cannot use the prefix "${prefix}": it is not a path of names separated by slashes`);
  }
  return `${names.join("/")}/`;
}
