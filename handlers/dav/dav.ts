/**
 * WebDAV: the files of a source in file managers (RFC 4918).
 *
 * @module
 */

import { chain } from "../core/chain.ts";
import { requireSameSite } from "../core/cross_site.ts";
import { Limiter } from "../core/limiter.ts";
import { requireOwnHost } from "../core/own_hosts.ts";
import type { Handler } from "../core/types.ts";
import { tagger, typer } from "../files/representations.ts";
import type { Site } from "../serving/feature.ts";
import { DEFAULT_INDEX } from "../serving/resolve.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import type { StoreRights } from "../store/access.ts";
import { type UploadOptions, Uploads, uploadSiteOf } from "../upload/upload.ts";
import { isFileRequest } from "./dav_methods.ts";
import { PropertyTable } from "./dead_properties.ts";
import { lockHandler } from "./lock_methods.ts";
import { LockTable } from "./lock_table.ts";
import { propfind } from "./propfind.ts";
import { proppatch } from "./proppatch.ts";

/** Options of {@linkcode dav}, as for `upload`; `onConflict` does not apply. */
export interface DavOptions extends UploadOptions {
  /** What may be written; defaults to nothing. */
  readonly rights?: StoreRights;
}

/** Large directories sent at once; each keeps one open. */
const LONG_AT_ONCE = 64;
const LONG_PER_CLIENT = 16;
const QUEUE_MS = 10_000;

/**
 * WebDAV, so that file managers and programs show the files of a source, and change them within the rights; declines
 * GET, HEAD and OPTIONS, and what has a query, which is for `files` and `upload`.
 *
 * - `PROPFIND` tells the properties of files: entity tags, types and dates are those of `GET`. `Depth: infinity` is
 *   refused for a directory. Large directories are sent while they are read.
 * - `PUT`, `MKCOL`, `DELETE`, `COPY` and `MOVE` do what RFC 4918 demands: `PUT` replaces a file, and creates no
 *   directories; `DELETE` removes a directory with its entries; `COPY` and `MOVE` replace whatever is at the
 *   destination unless `Overwrite` is `F`. Otherwise they are those of {@linkcode upload}.
 * - `PROPPATCH` keeps what clients set, in memory or in the `propertyTable` given as `followers`.
 * - `LOCK` and `UNLOCK`, if `locks` is a table made by `lockTable`.
 *
 * A chain with it should answer OPTIONS with `DAV: 1`, or `1, 2` with locks; `davFeature` does.
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
  const { precompressed = false, index = DEFAULT_INDEX } = files;
  const served = options.rights ? { sandbox: true, ...files } : files;
  return davOf({ source, etagOf: tagger(served), typeOf: typer(served), index, precompressed }, options);
}

/** The handler for a site. */
export function davOf(
  site: Pick<Site, "source" | "etagOf" | "typeOf" | "index" | "precompressed">,
  options: DavOptions,
): Handler {
  const { rights } = options;
  const locks = options.locks instanceof LockTable ? options.locks : null;
  const places = new Limiter({ max: LONG_AT_ONCE, maxPerClient: LONG_PER_CLIENT, queueMs: QUEUE_MS });
  const properties = options.followers instanceof PropertyTable ? options.followers : new PropertyTable();
  const shown = { ...site, ...(locks && { locks }), ...(rights && { properties }), places };
  const reading: Handler = (request, context) => {
    return request.method === "PROPFIND" ? propfind(shown, request, context) : null;
  };
  if (!rights) return reading;
  const onConflict = rights.change ? "overwrite" : "fail";
  const uploads = uploadSiteOf(site, { ...options, onConflict, followers: properties });
  const writable = { ...uploads, settings: { ...uploads.settings, isDav: true } };
  const files = new Uploads(writable).handler;
  const writing: Handler = (request, context) => {
    return isFileRequest(request.method, context.target.query) ? files(request, context) : null;
  };
  const setting: Handler = (request, context) => {
    if (request.method !== "PROPPATCH") return null;
    requireOwnHost(request, context);
    requireSameSite(request, context.hosts);
    return proppatch({ ...writable, properties }, request, context);
  };
  return chain(...locks ? [lockHandler({ ...writable, locks })] : [], reading, setting, writing);
}
