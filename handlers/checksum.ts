/**
 * Checksums of files.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { type Algorithm, ALGORITHMS, Digests } from "./checksum/digests.ts";
import { sendContent } from "./content.ts";
import { HttpError } from "./errors.ts";
import { clientOf } from "./http/client.ts";
import type { SitePath } from "./http/target.ts";
import { readable } from "./rights.ts";
import { FileChanged, type FileSource, type FileStat, type OpenFile } from "./sources/types.ts";
import { openBytes } from "./sources/memory.ts";
import type { Context, Handler } from "./types.ts";

/** What a checksum is as JSON. A field may be added; one that changes its meaning or goes makes a new version. */
export interface Checksum {
  /** The version of this schema. */
  readonly version: 1;
  /** The name of the file. */
  readonly name: string;
  /** Bytes of the file. */
  readonly size: number;
  /** How the checksum is made. */
  readonly algorithm: "sha256" | "sha512" | "sha1" | "md5";
  /** The checksum, in lower-case hexadecimal. */
  readonly checksum: string;
}

/** Looks at a file that changes under its hands at most so often. */
const ATTEMPTS = 3;

/**
 * Answers GET and HEAD of a file with `?sha256`, `?sha512`, `?sha1` or `?md5` with its checksum; declines all else, also
 * where the parameter has a value: sites put such into links of their own.
 *
 * The answer begins at once and ends when the file has been read; where it changes meanwhile, the connection is broken
 * off. As a line that `sha256sum -c` and its relatives read, or as JSON ({@linkcode Checksum}): by Accept, or by
 * `&format=text` or `json`. Two files are read at a time, others wait; a result is kept as long as the file is unchanged.
 * SHA-1 and MD5 are there to compare with old lists, and prove nothing against an attacker.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Checksum, checksum, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(checksum(memory({ "a.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/a.txt?sha256&format=json"));
 * const { checksum: sum }: Checksum = await response.json();
 * assert(sum.startsWith("2cf24dba"));
 * ```
 */
export function checksum(source: FileSource): Handler {
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

interface Asked {
  readonly source: FileSource;
  readonly digests: Digests;
  readonly algorithm: Algorithm;
  readonly query: URLSearchParams;
}

async function answer(request: Request, { target, remoteAddress }: Context, asked: Asked): Promise<Response | null> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const stat = await asked.source.stat(target.path);
    if (stat?.kind !== "file") return null;
    try {
      return await send(request, target.path, stat, { ...asked, client: clientOf(remoteAddress, request.headers) });
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
  asked: Asked & { readonly client: string },
): Promise<Response> {
  const { digests, algorithm, client } = asked;
  const json = formatOf(request, asked.query) === "json";
  const write = (sum: string) => {
    const data: Checksum = { version: 1, name: path.name, size: stat.size, algorithm, checksum: sum };
    return new TextEncoder().encode(json ? `${JSON.stringify(data)}\n` : sumLine(sum, path.name));
  };
  // All sums of a kind are equally long, so a client that has this one already gets its 304 without any being made.
  const size = write("0".repeat(digests.lengthOf(algorithm))).length;
  return await sendContent(request, {
    type: json ? "application/json" : "text/plain; charset=utf-8",
    size,
    modified: null,
    etag: stat.settled ? `"${algorithm}-${json ? "json" : "text"}-${stat.version}"` : null,
    headers: { "cache-control": "no-cache", vary: "accept" },
    ranges: false,
    slow: true,
    async open() {
      using _readable = await asked.source.open(path, stat); // what may not be read has to say so now
      return openLater(async (signal) => write(await digests.digest({ path, stat, algorithm, client }, signal)));
    },
  });
}

/** Bytes that are made when they are read; closed, it says that they are not wanted any more. */
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
 * The line of `sha256sum` and its relatives: where a name has to be escaped to stay on its line, a backslash in front says
 * so. Other control characters stay, as they do there: the line is for programs.
 */
function sumLine(sum: string, name: string): string {
  const escaped = name.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll("\r", "\\r");
  return `${escaped === name ? "" : "\\"}${sum}  ${escaped}\n`;
}

function formatOf(request: Request, query: URLSearchParams): "text" | "json" {
  const asked = query.get("format");
  if (asked === "text" || asked === "json") return asked;
  if (asked !== null) throw new HttpError(400, 'The parameter "format" is not one of text, json');
  return accepts(request, "text/plain", "application/json") === "application/json" ? "json" : "text";
}
