/**
 * WebDAV: the files of a source in file managers (RFC 4918).
 *
 * @module
 */

import { Limiter } from "../core/limiter.ts";
import type { Handler } from "../core/types.ts";
import type { FilesOptions } from "../files/files.ts";
import { tagger, typer } from "../files/representations.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import type { DavSite } from "./dav_site.ts";
import { propfind } from "./propfind.ts";

/** Options of {@linkcode dav}. */
export interface DavOptions {
  /** Options the files are served with, for their entity tags and types; a file server passes them itself. */
  readonly files?: FilesOptions;
}

/** Large directories sent at once; each keeps one open. */
const LONG_AT_ONCE = 64;
const LONG_PER_CLIENT = 16;
const QUEUE_MS = 10_000;

/**
 * Answers PROPFIND, so that file managers and programs show the files of a source; declines everything else.
 *
 * `Depth: infinity` is refused for a directory. Clients see what they can read. Entity tags, types and dates are those
 * of `GET`. Large directories are sent while they are read.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, memory, toFetch } from "@x/pyserve";
 * import { dav } from "@x/pyserve/handlers";
 *
 * const source = memory({ "docs/a.txt": "hello" });
 * const fetch = toFetch(chain(dav(source), files(source)));
 * const request = new Request("http://localhost/docs/", { method: "PROPFIND", headers: { depth: "1" } });
 * const response = await fetch(request);
 * assert(response.status === 207 && (await response.text()).includes("<D:href>/docs/a.txt</D:href>"));
 * ```
 *
 * @category Handlers
 */
export function dav(source: FileSource, options: DavOptions = {}): Handler {
  requireSource(source, "the source of dav");
  const { files = {} } = options;
  return handlerOf({ source, etagOf: tagger(files), typeOf: typer(files), places: placesOf() });
}

/** The limit of long responses. */
export function placesOf(): Limiter {
  return new Limiter({ max: LONG_AT_ONCE, maxPerClient: LONG_PER_CLIENT, queueMs: QUEUE_MS });
}

/** The handler of a site. */
export function handlerOf(site: DavSite): Handler {
  return (request, context) => request.method === "PROPFIND" ? propfind(site, request, context) : null;
}
