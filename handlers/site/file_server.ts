/**
 * The whole file server, as served by the command: a table of handlers, wrapped in layers.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { inTurn, layered } from "../core/chain.ts";
import {
  type Feature,
  featureTitle,
  inOrder,
  lazily,
  needsOwnNames,
  requireDistinct,
  restrictedToQueries,
  rightful,
  withEncodedSlashes,
} from "../serving/feature.ts";
import { type FilesOptions, filesWith } from "../files/files.ts";
import { requirePage } from "../files/page_path.ts";
import { accessLog } from "../layers/access_log.ts";
import { dress } from "../layers/dress.ts";
import { type Put, putter } from "../layers/headers.ts";
import { listingParts } from "../listing/listing.ts";
import { internalsOf } from "../core/internals.ts";
import { allowAsked, type Allowed } from "../core/methods.ts";
import { requireOwnHost } from "../core/own_hosts.ts";
import { isCompressible } from "../http/compressible.ts";
import { pageAssets } from "../page/assets.ts";
import { type RepresentationOptions, tagger, typer } from "../files/representations.ts";
import { DEFAULT_INDEX } from "../serving/resolve.ts";
import { isStyled } from "../serving/resolve_page.ts";
import { CacheBudget, ResponseCache } from "../serving/response_cache.ts";
import { limit } from "../serving/rights.ts";
import { requireArray } from "../core/origin.ts";
import { repeatableLike } from "../core/shortcuts.ts";
import { neverDeclining, settle, type SettledHandler, settleLast } from "../core/settle.ts";
import { disk } from "../sources/disk.ts";
import { filtered, isVisible } from "../sources/filtered.ts";
import type { FileSource } from "../sources/types.ts";
import { requireKnown, requireRoot } from "./given.ts";
import { missingFeatures } from "./reading_features.ts";
import type { FileServerOptions } from "./options.ts";
import { uploadPath, writableIn } from "../sources/writable_in.ts";
import { hasMounts, isWritable } from "../sources/shown.ts";
import { isWritten, noteWritten } from "../sources/written.ts";
import type { SitePath } from "../http/target.ts";
import type { Context, Encoder, Handler, Layer, Right } from "../core/types.ts";

export type { FileServerOptions };

/**
 * Serves a directory: files, index pages and listings, with correct responses to everything else. Never declines.
 *
 * If a feature writes or runs programs, the whole server requires own host names: see `hosts` of `toFetch`.
 *
 * A client that may upload must not be able to run code, and an interpreter reads more than the script (`php.ini`,
 * `json.pyc`, `deno.json` next to it or in a parent directory). Features that write and features that run programs
 * therefore exclude each other, except with `uploadBesidePrograms`. Other servers and handlers that write to the same
 * directory are not detected.
 *
 * It does what the command does; its parts are exported as well.
 *
 * @param root A directory; a file, which is served under its name and as the start page; or any source, to which
 * `hidden` and `followLinks` do not apply.
 *
 * @throws Deno.errors.NotFound and other system errors if the root cannot be accessed; TypeError if one feature writes
 * and another runs programs, if two features claim the same query parameter or ability, for an unknown option, and for
 * anything that is not a source, a feature, a header or a layer.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt"));
 * assert(await response.text() === "hello");
 * ```
 *
 * @category Server
 */
export function fileServer(root: string | FileSource, options: FileServerOptions = {}): Handler {
  requireRoot(root);
  requireKnown(options);
  requireDistinct(options.features ?? []);
  checkUploads(options);
  const { source, ...own } = typeof root === "string" ? sourceOf(root, options) : { source: root };
  const format = options.log ?? "python";
  const given = options.features ?? [];
  const { precompressed = !given.some(writes) } = options;
  const features = [...given, missingFeatures(given, options.listing ?? true)];
  requireArray(options.layers ?? [], "the layers", "layers");
  const layers = [...options.layers ?? [], ...features.flatMap(({ layer }) => layer ?? [])];
  const [putServer, putOwn] = [putter([["server", "pyserve"]]), putter(options.headers ?? [])];
  const put: Put = (response, context) => putOwn(putServer(response, context), context);
  const cache = new ResponseCache({
    budget: CacheBudget.of(options.cacheSize),
    dress: put,
    coded: precompressed,
    pageEncoders: PAGE_ENCODERS,
    queries: features.flatMap(({ queries }) => queries ?? []),
    ownNamesOnly: features.some(needsOwnNames),
  });
  const record = format ? accessLog(format) : withoutLog;
  const { handler, notFound } = siteOf(source, { ...options, ...own, features, precompressed }, cache);
  // Inside the layers, so that the page is one that the client may read.
  const site = cache.around(dress(put, notFound)(handler));
  const inside = layers.length === 0 ? site : dress(put)(settleLast(layered(site, layers)));
  return repeatableLike(layers, neverDeclining(record(inside) as SettledHandler));
}

/** Everything but the layers, and what answers if nothing is found. */
interface SiteParts {
  readonly handler: SettledHandler;
  readonly notFound?: Handler;
}

/** Everything but the layers: a table of features, files and listings, and the response to unsupported methods. */
function siteOf(given: FileSource, options: FileServerOptions, cache: ResponseCache): SiteParts {
  const { features = [], index = DEFAULT_INDEX, listing = true, uploadBesidePrograms: uploads } = options;
  const source = uploads ? writableIn(given, uploads) : given;
  const abilities = (context: Context) => abilitiesOf(features, context);
  // An uploaded page must not act with the rights of the user who opens it.
  const sandbox = options.sandbox ?? (features.some(writes) ? writtenWhere(source) : undefined);
  const variant = JSON.stringify([options.variant ?? "", options.headers ?? []]);
  const served: FilesOptions = { ...options, ...(sandbox !== undefined && { sandbox }), variant };
  const site = {
    index,
    urls: options,
    precompressed: options.precompressed ?? false,
    etagOf: tagger(served),
    typeOf: typer(served),
    uploads: uploads ?? [],
    answer: ((request, context) => answerElse(request, context)) as Handler,
  };
  const content = contentFor(null, features, source, index);
  const asked = inOrder(features).map((feature) => {
    const own = contentFor(feature, features, source, index);
    const title = featureTitle(feature, features.indexOf(feature));
    return {
      ...feature,
      on: true,
      title,
      handler: restrictedToQueries(feature, { ...site, source: own }, content, title),
    };
  });
  const { cleanUrls: _cleanUrls, trailingSlash: _trailingSlash, index: _index, ...representation } = served;
  const app = appOf(content, representation, options);
  const lone = options.precompressedOnly ? loneOf(content, representation, index) : null;
  const listings = listingParts(source, { abilities, variant, encoders: PAGE_ENCODERS });
  const assets = pageAssets();
  // A feature is a row: its methods and its handler. Rows are tried in this order.
  const table = (cache: ResponseCache | null) => {
    // A page may take the place of a listing, so none is proven to be fresh.
    const isProven = !isStyled(options) && lone === null;
    const listed = listings(isProven ? cache : null);
    const rows: readonly Row[] = [
      { on: features.some(needsOwnNames), methods: [], handler: underOwnNames },
      { on: listing || features.some(hasScript), methods: [], handler: assets },
      ...asked.filter(({ isBehind }) => !isBehind),
      { on: listing && isProven, methods: [], handler: listed.kept },
      { on: true, methods: ["GET", "HEAD"], handler: filesWith(content, served, cache) },
      ...reading(lone),
      { on: listing, methods: ["GET", "HEAD"], handler: withSlash(listed.all) },
      ...reading(app),
      ...asked.filter(({ isBehind }) => isBehind),
    ].filter((row) => row.on);
    const site = handlerOf(rows);
    return uploads || hasMounts(source) ? limited(site, writableWhere(source, uploads)) : site;
  };
  // A response found under another path must not be cached for the requested one.
  const answerElse = table(null);
  const slashed = asked.filter(({ encodedSlashes }) => encodedSlashes).map(({ handler }) => handler);
  const handler = withEncodedSlashes(slashed, settle(table(cache)));
  return { handler, ...notFoundPart(content, representation, options.notFound) };
}

/** Asks the rows in turn, and answers methods that none of them has. */
function handlerOf(rows: readonly Row[]): Handler {
  const methods = rows.flatMap((row) => row.methods);
  const handlers = [
    ...rows.map((row) => row.handler),
    allowAsked(methods, (context) => allowedBy(rows, context), WITHOUT_UPLOADS),
  ];
  return inTurn(handlers, (position) => rows[position]?.title ?? "");
}

/** The handler for addresses of a single-page app, which knows them itself; null without one. */
function appOf(content: FileSource, served: RepresentationOptions, options: FileServerOptions): Handler | null {
  const { spa: page = false, spaIgnore: ignore = [], index } = options;
  if (page === false) return null;
  const file = page === true ? {} : { file: requirePage(page, "the option spa") };
  return lazily(async () => {
    return (await import("../files/spa.ts")).spa(content, { ...served, ignore, ...(index && { index }), ...file });
  });
}

/** The row of a handler for files, if there is one. */
function reading(handler: Handler | null): readonly Row[] {
  return handler ? [{ on: true, methods: ["GET", "HEAD"], handler }] : [];
}

/** The handler for variants without an original. */
function loneOf(content: FileSource, served: RepresentationOptions, index: readonly string[]): Handler {
  return lazily(async () => {
    return (await import("../files/precompressed_only.ts")).precompressedOnly(content, { ...served, index });
  });
}

function notFoundPart(
  content: FileSource,
  served: RepresentationOptions,
  page: FileServerOptions["notFound"],
): Pick<SiteParts, "notFound"> {
  if (page === false) return {};
  const file = page === undefined ? {} : { file: requirePage(page, "the option notFound") };
  const notFound = lazily(async () => {
    return (await import("../files/not_found_page.ts")).notFoundPage(content, { ...served, ...file });
  });
  return { notFound };
}

/**
 * Generated pages are always compressed: their rows are much alike. Not by `node:zlib`, which would delay the first
 * page by 20 ms.
 */
const PAGE_ENCODERS: readonly Encoder[] = [{
  coding: "gzip",
  suits: isCompressible,
  encode: (content) => content.pipeThrough(new CompressionStream("gzip")),
}];

/** What pages offer to a client. */
function abilitiesOf(features: readonly Feature[], context: Context): string[] {
  const own = features.flatMap((feature) => rightful(feature.abilities ?? [], feature, context));
  return canShare(context) ? [...own, "share"] : own;
}

/** Whether a page offers share links: to users with the right, where a layer makes them. */
function canShare(context: Context): boolean {
  const { user, visitor, target: { path } } = internalsOf(context);
  return visitor?.hasLogin === true && user !== null && context.may("share", path);
}

/** What a server without uploads says; the methods are standard, so this reveals no more than Allow. */
const WITHOUT_UPLOADS = {
  PUT: "Uploading is not allowed here; enable it with --upload",
  DELETE: "Deleting is not allowed here; enable it with --delete",
};

/** A feature, or a built-in row of the table. */
interface Row extends Pick<Feature, "methods" | "rights" | "optionsHeaders"> {
  readonly on: boolean;
  readonly handler: Handler;
  /** Its name in the log when it fails; `""` if it has none. */
  readonly title?: string;
}

/** The methods of the rows that the client has a right to, and the features' headers for OPTIONS. */
function allowedBy(rows: readonly Row[], context: Context): Allowed {
  const allowed = rows.map((row) => ({ row, methods: rightful(row.methods, row, context) }));
  const headers = allowed.filter(({ methods }) => methods.length > 0).map(({ row }) => row.optionsHeaders);
  return { methods: allowed.flatMap(({ methods }) => methods), headers: Object.assign({}, ...headers) };
}

/** A site that is writable at some paths only. */
function limited(site: Handler, isWritable: (path: SitePath) => boolean): Handler {
  const allows = (right: Right, path: SitePath) => right === "read" || right === "run" || isWritable(path);
  return (request, context) => site(request, limit(context, allows));
}

/** The writable paths: everything, but of a union only the sources that have a writer. */
function writtenWhere(source: FileSource): true | ((path: SitePath) => boolean) {
  if (!hasMounts(source)) return true;
  noteWritten(source);
  return (path) => isWritten(source, path);
}

/** Whether a path lies in one of the directories, if any are given, and in a writable source. */
function writableWhere(source: FileSource, directories: readonly string[] | undefined): (path: SitePath) => boolean {
  const places = directories?.map(uploadPath);
  return (path) => (places?.some((place) => path.below(place) !== null) ?? true) && isWritable(source, path);
}

/** Suppresses the line of outer access logs. */
const withoutLog: Layer = (next) => (request, context) => {
  internalsOf(context).notes.logged = true;
  return next(request, context);
};

/** Refuses other host names, also for reading: a page that can read could find out what it can write to. */
const underOwnNames: Handler = (request, context) => {
  requireOwnHost(request, context);
  return null;
};

function checkUploads({ features = [], uploadBesidePrograms }: FileServerOptions): void {
  const isUnsafe = features.some(writes) && features.some(({ runsPrograms }) => runsPrograms);
  if (!isUnsafe || uploadBesidePrograms) return;
  throw new TypeError(
    "Cannot combine uploads with programs, which could run uploaded files: restrict uploads to directories with uploadBesidePrograms",
  );
}

function writes({ abilities = [], isWriting }: Feature): boolean {
  return isWriting ?? (abilities.includes("upload") || abilities.includes("delete"));
}

/** Whether pages other than listings load a script of this package. */
function hasScript({ abilities = [] }: Feature): boolean {
  return abilities.includes("watch");
}

/** The source for a feature, or for files, without what belongs to other features. */
function contentFor(
  recipient: Feature | null,
  features: readonly Feature[],
  source: FileSource,
  index: readonly string[],
): FileSource {
  const others = features.filter((feature) => feature !== recipient);
  return others.reduce((rest, feature) => feature.contentOf?.(rest, index) ?? rest, source);
}

/** Directories without a trailing slash have been redirected by now, so other paths have nothing to list. */
function withSlash(handler: Handler): Handler {
  return (request, context) => context.target.slash ? handler(request, context) : null;
}

/** A directory as it is; a file as a directory that contains only this file, as its index. */
function sourceOf(root: string, options: FileServerOptions): { source: FileSource; index?: readonly string[] } {
  if (Deno.statSync(root).isDirectory) {
    const source = disk(root, options);
    return { source: options.hidden ? source : filtered(source, isVisible) };
  }
  const name = basename(root);
  // Like a directory, the given file is served wherever it links to; nothing else is visible.
  const source = filtered(disk(dirname(root), { followLinks: true }), ({ segments }) => {
    return segments.length === 0 || (segments.length === 1 && segments[0] === name);
  });
  return { source, index: [name] };
}
