/**
 * Directory listings: as a page, as JSON and as plain text.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { HttpError } from "./errors.ts";
import { type Asked, ListingBuilds } from "./listing/builds.ts";
import { STALL_MS } from "./held_body.ts";
import { clientOf } from "./http/client.ts";
import { headOf } from "./listing_data.ts";
import type { ListingFormat } from "./listing/format.ts";
import { WholePage } from "./listing/pages.ts";
import { prepareScript } from "./page/script.ts";
import type { ResponseCache } from "./response_cache.ts";
import { readable } from "./rights.ts";
import { slashRedirect } from "./slash_redirect.ts";
import type { FileSource, FileStat } from "./sources/types.ts";
import type { Awaitable, Context, Handler } from "./types.ts";

export type { ListingFormat };

/** How {@linkcode listing} lists. */
export interface ListingOptions {
  /** Bytes of memory for listings that are kept to be sent again; 16 MiB unless given, 0 to keep none. */
  readonly cacheBytes?: number;
  /**
   * What the server can do besides, for the page to offer: see `Feature.abilities`. Where it is given, be it empty, the
   * page has a script, which {@linkcode pageAssets} has to serve. A function is asked for each request; what it says may
   * depend on the path and on `context.view`, and on nothing else.
   */
  readonly abilities?: readonly string[] | ((context: Context) => readonly string[]);
  /** As for {@linkcode files}: what else decides how listings are sent. */
  readonly variant?: string;
  /** Milliseconds in which a client may take nothing of a large listing; then it is broken off. 60,000 unless given. */
  readonly stallTimeout?: number;
}

/** Room for the listings of some hundred directories of a hundred entries. */
const CACHE_BYTES = 16 * 1024 * 1024;

/**
 * Lists the directories of a source to GET and HEAD; declines what is no directory.
 *
 * As HTML that needs no script, as JSON ({@linkcode Listing}), or as plain text with a name on each line: by Accept, or
 * by `?format=html`, `json` or `text`. Sorted by `?sort=name`, `size` or `modified` and `?order=asc` or `desc`; names in
 * natural order (f2 before f10), directories first. Other query parameters are ignored; a value not named here is 400.
 * Entries that cannot be fetched (broken links, links out of the root, FIFOs, names that are not UTF-8) are shown and
 * marked, without a link; in plain text they are left out. It looks at each entry, but opens none.
 *
 * A listing is made once for all who ask at the same time, and kept while the directory is unchanged: a new name is
 * always seen at once, sizes and dates may be some 100 ms old (20 times as old as it takes to make the listing). Above
 * 2,000 entries it is sent while it is made, without Content-Length and without an entity tag.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Listing, listing, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(listing(memory({ "a b.txt": "a", "docs/c.txt": "c" })));
 * const response = await fetch(new Request("http://localhost/?format=json"));
 * const { entries }: Listing = await response.json();
 * assert(entries.map((entry) => entry.href).join(" ") === "docs/ a%20b.txt");
 * ```
 */
export function listing(source: FileSource, options: ListingOptions = {}): Handler {
  return listingParts(source, options)(null).all;
}

/** A listing as two handlers, for who asks others in between. */
export interface ListingParts {
  /**
   * Answers with what is kept, and declines all else. It may be asked before the handler of files: where it answers, the
   * directory is unchanged, so it has no index file now if it had none before.
   */
  readonly kept: Handler;
  /** Answers as {@linkcode listing} does. */
  readonly all: Handler;
}

/** The same as {@linkcode listing}, in parts, made once or more often of the same builds. */
export function listingParts(
  source: FileSource,
  options: ListingOptions = {},
): (cache: ResponseCache | null) => ListingParts {
  const { cacheBytes = CACHE_BYTES, variant = "", stallTimeout = STALL_MS } = options;
  const builds = new ListingBuilds(source, { cacheBytes, variant, stallMs: stallTimeout });
  return (cache) => partsOf(source, builds, options.abilities, cache);
}

/** The parts, which offer to the cache of responses what is kept here. */
function partsOf(
  source: FileSource,
  builds: ListingBuilds,
  abilities: ListingOptions["abilities"],
  cache: ResponseCache | null,
): ListingParts {
  const abilitiesOf = typeof abilities === "function" ? abilities : () => abilities;
  const kept: Handler = (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    if (!context.target.slash || context.target.query !== "" || builds.cache.isEmpty) return null;
    const key = keyOf(context, formatOf(request, null));
    const page = builds.cache.proven(key);
    const answer = page && page.send(request);
    if (page instanceof WholePage && answer instanceof Response && answer.status === 200) {
      const isFresh = () => builds.cache.proven(key) === page;
      if (cache?.wants(request, context, page.size, { negotiated: true })) {
        cache.offer(context, answer, { bytes: page.bytes, isFresh, negotiated: true });
      }
    }
    return answer;
  };
  const made = (request: Request, context: Context, stat: FileStat | null): Awaitable<Response | null> => {
    if (stat?.kind !== "directory") return null;
    const redirect = slashRedirect(context);
    if (redirect) return redirect;
    const { key, asked } = askedOf(request, context, readable(source, context), abilitiesOf(context));
    const script = asked.head.can ? prepareScript(asked.path.segments.length) : null;
    const page = script ? script.then(() => builds.page(key, asked, stat)) : builds.page(key, asked, stat);
    return page instanceof Promise ? page.then((late) => late && late.send(request)) : page && page.send(request);
  };
  const all: Handler = (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const answer = kept(request, context);
    if (answer) return answer;
    const stat = readable(source, context).stat(context.target.path);
    return stat instanceof Promise ? stat.then((late) => made(request, context, late)) : made(request, context, stat);
  };
  return { kept, all };
}

function askedOf(
  request: Request,
  context: Context,
  source: FileSource,
  can?: readonly string[],
): { key: string; asked: Asked } {
  const { path, query: text } = context.target;
  const query = text === "" ? null : new URLSearchParams(text);
  const format = formatOf(request, query);
  const sort = oneOf(query, "sort", ["name", "size", "modified"]) ?? "name";
  const order = oneOf(query, "order", ["asc", "desc"]) ?? "asc";
  const head = headOf(context, { sort, order, ...(can && { can }) });
  return {
    key: keyOf(context, format, sort, order),
    asked: { source, path, head, format, client: clientOf(context.remoteAddress, request.headers) },
  };
}

/** What a listing differs by: no name in a path has a slash in it, so the depth says what is above the mount. */
function keyOf({ base, target, view }: Context, format: ListingFormat, sort = "name", order = "asc"): string {
  const rights = view === "" ? "" : `${view.length}:${view} `;
  return `${rights}${format} ${sort} ${order} ${target.path.segments.length} ${base.join(target.path).text}`;
}

function formatOf(request: Request, query: URLSearchParams | null): ListingFormat {
  const asked = oneOf(query, "format", ["html", "json", "text"]);
  if (asked) return asked;
  const accept = request.headers.get("accept");
  if (accept === null || accept === "*/*") return "html"; // what programs send, without taking it apart
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
