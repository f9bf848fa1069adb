/**
 * Directory listings as a page, as JSON and as plain text.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { then } from "../core/awaitable.ts";
import { HttpError } from "../core/errors.ts";
import { ListingBuilds, type ListingRequest } from "./builds.ts";
import { STALL_MS } from "../core/held_body.ts";
import { clientOf } from "../http/client.ts";
import { headOf } from "../serving/listing_data.ts";
import type { ListingFormat } from "./format.ts";
import { prepareScript } from "../page/script.ts";
import type { ResponseCache } from "../serving/response_cache.ts";
import { resolve, type Resolved } from "../serving/resolve.ts";
import { listable, readable } from "../serving/rights.ts";
import { slashRedirect } from "../serving/slash_redirect.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import { internalsOf, visitorKey } from "../core/internals.ts";
import type { Awaitable, Context, Encoder, Handler } from "../core/types.ts";

export type { ListingFormat };

/** How {@linkcode listing} lists. */
export interface ListingOptions {
  /** Maximum size of the listing cache in bytes; defaults to 16 MiB. 0 disables it. */
  readonly cacheBytes?: number;
  /**
   * Further abilities of the server that the page offers: see `Feature.abilities`. If set, even to an empty array, the
   * page has a script, which {@linkcode pageAssets} must serve. A function is called for each request; its result may
   * depend only on the path and on `context.view`.
   */
  readonly abilities?: readonly string[] | ((context: Context) => readonly string[]);
  /** As for {@linkcode files}: anything else that the form of a listing depends on, as part of its entity tag. */
  readonly variant?: string;
  /** Content codings to apply if the context has none: see {@linkcode Encoder}. Defaults to none. */
  readonly encoders?: readonly Encoder[];
  /** Time after which a large listing is aborted if the client reads nothing, in milliseconds; defaults to 60,000. */
  readonly stallTimeout?: number;
}

/** Enough for some hundred listings of a hundred entries each. */
const CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Lists the directories of a source for GET and HEAD; declines anything that is not a directory.
 *
 * The format is HTML that works without JavaScript, JSON ({@linkcode Listing}), or plain text with one name per line,
 * selected by Accept or `?format=html`, `json` or `text`. Sorted by `?sort=name`, `size` or `modified` and `?order=asc`
 * or `desc`, with names in natural order (f2 before f10) and directories first. Other query parameters are ignored; an
 * invalid value of these is 400.
 *
 * Entries that cannot be fetched (broken links, links out of the root, FIFOs, names that are not UTF-8) are shown
 * without a link and marked; plain text omits them. Listing reads the metadata of each entry, but opens none.
 *
 * A listing is built once for all concurrent requests and cached while the directory is unchanged: a new name shows at
 * once, sizes and dates may be some 100 ms old (20 times the time it takes to build the listing). Above 2,000 entries
 * it is streamed, without Content-Length and entity tag; sorted by name, each entry is read just before it is sent, if
 * the source can do that.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { listing, memory, toFetch } from "@x/pyserve";
 * import type { Listing } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(listing(memory({ "a b.txt": "a", "docs/c.txt": "c" })));
 * const response = await fetch(new Request("http://localhost/?format=json"));
 * const { entries }: Listing = await response.json();
 * assert(entries.map((entry) => entry.href).join(" ") === "docs/ a%20b.txt");
 * ```
 *
 * @category Handlers
 */
export function listing(source: FileSource, options: ListingOptions = {}): Handler {
  requireSource(source, "the source of listing");
  return listingParts(source, options)(null).all;
}

/** A listing as two handlers, so that others can run between them. */
export interface ListingParts {
  /**
   * Responds from the cache and declines everything else. It may run before the handler of files: a cache hit proves
   * that the directory is unchanged, so it still has no index file if it had none before.
   */
  readonly kept: Handler;
  /** Responds as {@linkcode listing} does. */
  readonly all: Handler;
}

/** The same as {@linkcode listing}, in parts; several may share their builds. */
export function listingParts(
  source: FileSource,
  options: ListingOptions = {},
): (cache: ResponseCache | null) => ListingParts {
  const { cacheBytes = CACHE_BYTES, variant = "", stallTimeout = STALL_MS } = options;
  const builds = new ListingBuilds(source, { cacheBytes, variant, stallMs: stallTimeout });
  return (cache) => partsOf(source, builds, options, cache);
}

/** The parts. They offer cached listings to the response cache. */
function partsOf(
  source: FileSource,
  builds: ListingBuilds,
  { abilities, encoders = [] }: ListingOptions,
  cache: ResponseCache | null,
): ListingParts {
  const encodersOf = (context: Context) => context.encoders.length > 0 ? context.encoders : encoders;
  const abilitiesOf = typeof abilities === "function" ? abilities : () => abilities;
  const kept: Handler = (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    if (!context.target.slash || context.target.query !== "" || builds.cache.isEmpty) return null;
    const key = keyOf(context, formatOf(request, null));
    const page = builds.cache.proven(key);
    const isFresh = () => builds.cache.proven(key) === page;
    return page && page.send(request, encodersOf(context), (size) => {
      if (!cache?.wants(request, context, size, { negotiated: true })) return null;
      return (response, bytes) => cache.offer(context, response, { bytes, isFresh, negotiated: true });
    });
  };
  const made = (request: Request, context: Context, found: Resolved): Awaitable<Response | null> => {
    if (found.kind === "redirect") return slashRedirect(context);
    if (found.kind !== "listing") return null;
    const [shown, can] = [listable(source, context), abilitiesOf(context)];
    const { key, wanted } = listingRequestOf(request, context, { source: shown, seen: found.stat, can });
    const script = wanted.head.can ? prepareScript(wanted.path.segments.length) : null;
    const page = script ? script.then(() => builds.page(key, wanted)) : builds.page(key, wanted);
    return then(page, (page) => page && page.send(request, encodersOf(context)));
  };
  const all: Handler = (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const answer = kept(request, context);
    if (answer) return answer;
    return then(resolve(readable(source, context), context.target), (found) => made(request, context, found));
  };
  return { kept, all };
}

function listingRequestOf(
  request: Request,
  context: Context,
  { source, seen, can }: Pick<ListingRequest, "source" | "seen"> & { readonly can: readonly string[] | undefined },
): { key: string; wanted: ListingRequest } {
  const { path, query: text } = context.target;
  const query = text === "" ? null : new URLSearchParams(text);
  const format = formatOf(request, query);
  const sort = oneOf(query, "sort", ["name", "size", "modified"]) ?? "name";
  const order = oneOf(query, "order", ["asc", "desc"]) ?? "asc";
  const head = headOf(context, { sort, order, ...(can && { can }) });
  return {
    key: keyOf(context, format, sort, order),
    wanted: {
      source,
      path,
      seen,
      head,
      format,
      above: readableAbove(context),
      visitor: internalsOf(context).visitor,
      client: clientOf(context.remoteAddress, request.headers),
    },
  };
}

/** The number of directories above the target that the client can read without a gap. */
function readableAbove({ target: { path }, may, view }: Context): number {
  if (view === "") return path.segments.length;
  let above = 0;
  for (let next = path.parent; next !== null && may("read", next); next = next.parent) above += 1;
  return above;
}

/** The cache key. Names contain no slash, so the depth identifies the part of the path above the mount. */
function keyOf(context: Context, format: ListingFormat, sort = "name", order = "asc"): string {
  const { base, target, view, visitor } = internalsOf(context);
  const rights = view === "" ? "" : `${view.length}:${view} ${visitorKey(visitor)} `;
  return `${rights}${format} ${sort} ${order} ${target.path.segments.length} ${base.join(target.path).text}`;
}

function formatOf(request: Request, query: URLSearchParams | null): ListingFormat {
  const explicit = oneOf(query, "format", ["html", "json", "text"]);
  if (explicit) return explicit;
  const accept = request.headers.get("accept");
  if (accept === null || accept === "*/*") return "html"; // the default of command-line clients: nothing to parse
  const accepted = accepts(request, "text/html", "application/json", "text/plain");
  return accepted === "application/json" ? "json" : accepted === "text/plain" ? "text" : "html";
}

function oneOf<T extends string>(query: URLSearchParams | null, key: string, values: readonly T[]): T | null {
  const value = query?.get(key) ?? null;
  if (value === null) return null;
  if (!(values as readonly string[]).includes(value)) {
    throw new HttpError(400, `The parameter "${key}" is not one of ${values.join(", ")}`);
  }
  return value as T;
}
