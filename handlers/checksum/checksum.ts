/**
 * Checksums of files.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { type Algorithm, ALGORITHMS, Digests } from "./digests.ts";
import { sendContent } from "../serving/content.ts";
import { HttpError } from "../core/errors.ts";
import { clientOf } from "../http/client.ts";
import type { SitePath } from "../http/target.ts";
import { readable } from "../serving/rights.ts";
import { requireSource } from "../sources/require_source.ts";
import { FileChanged, type FileSource, type FileStat, type OpenFile } from "../sources/types.ts";
import { openBytes } from "../sources/memory.ts";
import type { Context, Handler } from "../core/types.ts";

/** A checksum as JSON. Fields may be added; removing one or changing its meaning increments the version. */
export interface Checksum {
  /** The version of this schema. */
  readonly version: 1;
  /** Name of the file. */
  readonly name: string;
  /** Size of the file in bytes. */
  readonly size: number;
  /** The hash algorithm. */
  readonly algorithm: "sha256" | "sha512" | "sha1" | "md5";
  /** The checksum, in lower-case hexadecimal. */
  readonly checksum: string;
}

/** Maximum number of attempts at a file that changes during the read. */
const ATTEMPTS = 3;

/**
 * Responds to GET and HEAD of a file with `?sha256`, `?sha512`, `?sha1` or `?md5` with its checksum. Declines all other
 * requests, including those where the parameter has a value, which sites use in links of their own.
 *
 * The response starts immediately and ends when the file has been read; if the file changes in the meantime, the
 * connection is aborted. The format is a line that `sha256sum -c` and the like can check, or JSON ({@linkcode
 * Checksum}), selected by Accept or `&format=text` or `json`. At most four files are read concurrently, two per client;
 * further requests wait. Results are cached until the file changes. SHA-1 and MD5 are for comparison with old lists and
 * do not protect against an attacker.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { checksum, memory, toFetch } from "@x/pyserve";
 * import type { Checksum } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(checksum(memory({ "a.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/a.txt?sha256&format=json"));
 * const { checksum: sum }: Checksum = await response.json();
 * assert(sum.startsWith("2cf24dba"));
 * ```
 *
 * @category Handlers
 */
export function checksum(source: FileSource): Handler {
  requireSource(source, "the source of checksum");
  const digests = new Digests(source);
  return (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    if (context.target.slash || context.target.query === "") return null;
    const query = new URLSearchParams(context.target.query);
    const algorithm = ALGORITHMS.find((name) => query.get(name) === "");
    return algorithm === undefined
      ? null
      : answer(request, context, { source: readable(source, context), digests, algorithm, query });
  };
}

interface ChecksumRequest {
  readonly source: FileSource;
  readonly digests: Digests;
  readonly algorithm: Algorithm;
  readonly query: URLSearchParams;
}

async function answer(
  request: Request,
  { target, remoteAddress }: Context,
  wanted: ChecksumRequest,
): Promise<Response | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stat = await wanted.source.stat(target.path);
    if (stat?.kind !== "file") return null;
    try {
      return await send(request, target.path, stat, { ...wanted, client: clientOf(remoteAddress, request.headers) });
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
    }
  }
  throw new HttpError(503, "The file keeps changing", { headers: { "retry-after": "1" } });
}

async function send(
  request: Request,
  path: SitePath,
  stat: FileStat,
  wanted: ChecksumRequest & { readonly client: string },
): Promise<Response> {
  const { digests, algorithm, client } = wanted;
  const json = formatOf(request, wanted.query) === "json";
  const write = (sum: string) => {
    const data: Checksum = { version: 1, name: path.name, size: stat.size, algorithm, checksum: sum };
    return new TextEncoder().encode(json ? `${JSON.stringify(data)}\n` : sumLine(sum, path.name));
  };
  // All sums of an algorithm are equally long, so a conditional request gets its 304 without reading the file.
  const size = write("0".repeat(digests.lengthOf(algorithm))).length;
  return await sendContent(request, {
    type: json ? "application/json" : "text/plain; charset=utf-8",
    size,
    modified: null,
    etag: stat.stable ? `"${algorithm}-${json ? "json" : "text"}-${stat.version}"` : null,
    headers: { "cache-control": "no-cache", vary: "accept" },
    ranges: false,
    slow: true,
    async open() {
      using _readable = await wanted.source.open(path, stat); // a permission error must show before the headers are sent
      return openLater(async (signal) => write(await digests.digest({ path, stat, algorithm, client }, signal)));
    },
  });
}

/** A file whose content is computed when it is read; closing it aborts the computation. */
function openLater(make: (signal: AbortSignal) => Promise<Uint8Array>): OpenFile {
  const stop = new AbortController();
  let made: Promise<Uint8Array> | undefined;
  return {
    async read(offset, into) {
      made ??= make(stop.signal);
      return await openBytes(await made).read(offset, into);
    },
    [Symbol.dispose]: () => stop.abort(),
  };
}

/**
 * A line in the format of `sha256sum` and the like: a leading backslash marks a name with escapes. Other control
 * characters are kept, as those tools do: the line is meant for programs.
 */
function sumLine(sum: string, name: string): string {
  const escaped = name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `${escaped === name ? "" : "\\"}${sum}  ${escaped}\n`;
}

function formatOf(request: Request, query: URLSearchParams): "text" | "json" {
  const explicit = query.get("format");
  if (explicit === "text" || explicit === "json") return explicit;
  if (explicit !== null) throw new HttpError(400, 'The parameter "format" is not one of text, json');
  return accepts(request, "text/plain", "application/json") === "application/json" ? "json" : "text";
}
