/**
 * Serves files and index pages of a source for GET and HEAD.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { type CacheableContent, type Content, type Keep, sendContent } from "../serving/content.ts";
import { HttpError } from "../core/errors.ts";
import type { CodingName } from "../http/coding.ts";
import { etagOf } from "../http/etag.ts";
import type { SitePath, Target } from "../http/target.ts";
import { type Representation, type RepresentationOptions, Representations } from "./representations.ts";
import { allHold, Siblings } from "./siblings.ts";
import type { ResponseCache } from "../serving/response_cache.ts";
import { DEFAULT_INDEX, resolve, type Resolved, type ResolvedFile } from "../serving/resolve.ts";
import {
  isStyled,
  type Moved,
  pageOf,
  resolvePage,
  type TrailingSlash,
  type UrlStyle,
} from "../serving/resolve_page.ts";
import { readable } from "../serving/rights.ts";
import { movedTo, slashRedirect } from "../serving/slash_redirect.ts";
import { requireSource } from "../sources/require_source.ts";
import { FileChanged, type FileSource, type FileStat, type FreshnessCheck } from "../sources/types.ts";
import { isWritten } from "../sources/written.ts";
import type { Awaitable, Context, Handler } from "../core/types.ts";

export type { RepresentationOptions, TrailingSlash, UrlStyle };

/** Options of {@linkcode files}. */
export interface FilesOptions extends RepresentationOptions, UrlStyle {
  /** Names of index files, tried in order; defaults to `index.html`, then `index.htm`. */
  readonly index?: readonly string[];
}

/** Maximum number of attempts to send a file that keeps changing. */
const ATTEMPTS = 5;

/**
 * Serves the files of a source for GET and HEAD, and the index file of a directory; declines everything else.
 *
 * A directory requested without a trailing slash is redirected (301; like Python, it keeps the query). Validators,
 * preconditions and ranges are handled by {@linkcode sendContent}. Declined, so that the next handler is tried: missing
 * files, directories without an index, and files requested with a trailing slash. It does not list, write or compress.
 * Unreadable files are 403.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(files(memory({ "docs/index.html": "<h1>Docs</h1>" })));
 * const redirect = await fetch(new Request("http://localhost/docs?v=1"));
 * assert(redirect.status === 301 && redirect.headers.get("location") === "docs/?v=1");
 * const page = await fetch(new Request("http://localhost/docs/"));
 * assert(await page.text() === "<h1>Docs</h1>");
 * ```
 *
 * @category Handlers
 */
export function files(source: FileSource, options: FilesOptions = {}): Handler {
  requireSource(source, "the source of files");
  return filesWith(source, options, null);
}

/** The same, offering its responses to a cache. */
export function filesWith(source: FileSource, options: FilesOptions, cache: ResponseCache | null): Handler {
  const server = new FileServing(source, options, cache);
  return (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    return server.answer(request, context);
  };
}

class FileServing {
  readonly #source: FileSource;
  readonly #options: FilesOptions;
  readonly #index: readonly string[];
  readonly #isStyled: boolean;
  readonly #representations: Representations;
  readonly #cache: ResponseCache | null;

  constructor(source: FileSource, options: FilesOptions, cache: ResponseCache | null) {
    this.#source = source;
    this.#cache = cache;
    this.#options = options;
    this.#representations = new Representations(options);
    this.#index = options.index ?? DEFAULT_INDEX;
    this.#isStyled = isStyled(options);
  }

  /** How a file is sent. The handler that writes to the source may be created later than this one. */
  #representationOf(path: SitePath): Representation {
    return this.#representations.of(path, (path) => isWritten(this.#source, path));
  }

  answer(request: Request, context: Context): Awaitable<Response | null> {
    const { target } = context;
    const source = readable(this.#source, context);
    return then(this.#resolve(source, target), (found) => {
      if (found.kind === "file" || found.kind === "index") return this.#send(source, request, context, found);
      if (found.kind === "redirect") return slashRedirect(context, this.#redirectPolicy);
      if (found.kind === "moved") return movedTo(context, found, this.#redirectPolicy);
      if (found.stat === null) {
        this.#cache?.offerAbsence(request, context, () => this.#absence(source, target.path));
      }
      return null;
    });
  }

  get #redirectPolicy(): string | undefined {
    const { cacheControl } = this.#options;
    return typeof cacheControl === "string" ? cacheControl : undefined;
  }

  #resolve(source: FileSource, target: Target): Awaitable<Resolved | Moved> {
    if (this.#isStyled) return resolvePage(source, target, this.#index, this.#options);
    return resolve(source, target, this.#index);
  }

  /** A check that nothing answers a path; null if that cannot be guaranteed. */
  #absence(source: FileSource, path: SitePath): FreshnessCheck | null {
    const page = this.#options.cleanUrls ? pageOf(path) : null;
    return allHold([path, ...(page ? [page] : [])].map((path) => source.absence?.(path)));
  }

  /** Sends the file; if it was replaced between `stat` and `open`, tries again. Synchronous if the source is. */
  #send(source: FileSource, request: Request, context: Context, found: ResolvedFile): Awaitable<Response | null> {
    const refused = new Set<CodingName>();
    const once = (stat: FileStat) => {
      const siblings = new Siblings(source, { ...found, stat }, refused);
      return sendContent(request, this.#content(source, request, context, siblings), context);
    };
    const again = (error: unknown) => this.#sendAgain(source, found.path, once, error);
    try {
      const response = once(found.stat);
      return response instanceof Promise ? response.catch(again) : response;
    } catch (error) {
      return again(error);
    }
  }

  async #sendAgain(
    source: FileSource,
    path: SitePath,
    once: (stat: FileStat) => Awaitable<Response>,
    failure: unknown,
  ): Promise<Response | null> {
    let error = failure;
    for (let attempt = 1;; attempt++) {
      if (!(error instanceof FileChanged)) throw error;
      const stat = await source.stat(path);
      if (stat?.kind !== "file") return null;
      if (attempt === ATTEMPTS) break;
      try {
        return await once(stat);
      } catch (failure) {
        error = failure;
      }
    }
    throw new HttpError(503, "The file keeps changing", { headers: { "retry-after": "1" } });
  }

  #content(source: FileSource, request: Request, context: Context, siblings: Siblings): CacheableContent {
    const { path, stat } = siblings.plain;
    const { type, typeOf, headers, variant } = this.#representationOf(path);
    const { etag: isTagged = true, lastModified: isDated = true, ranges = true } = this.#options;
    const codedIn: Content["codedIn"] = async (coding) => {
      const found = await siblings.find(coding);
      return found && {
        size: found.stat.size,
        etag: isTagged ? etagOf(found.stat, variant, coding) : null,
        open: (range) => siblings.open(coding, found, range),
      };
    };
    return {
      type,
      ...(typeOf && { typeOf }),
      size: stat.size,
      modified: isDated ? stat.modified : null,
      etag: isTagged ? etagOf(stat, variant) : null,
      headers,
      ranges: ranges && !stat.isSequential,
      ...(isGzipped(path.name) ? { coding: "gzip" } : this.#options.precompressed ? { codedIn } : {}),
      keep: (size) => this.#keep(request, context, size, siblings),
      freshness: () => this.#isCertain(context, siblings) ? siblings.freshness() : null,
      open: (range) => source.open(path, stat, range),
    };
  }

  /** The callback that offers the response to the cache; null if its freshness cannot be proven. */
  #keep(request: Request, context: Context, size: number, siblings: Siblings): Keep | null {
    if (!this.#cache || !this.#isCertain(context, siblings) || !this.#cache.wants(request, context, size)) return null;
    const isFresh = siblings.freshness();
    return isFresh && ((response, bytes) => this.#cache!.offer(context, response, { bytes, isFresh }));
  }

  /** Whether the freshness of what has been found can be proven. */
  #isCertain(context: Context, siblings: Siblings): boolean {
    const { path, unless } = siblings.plain;
    // For a second index name, the absence of the first would have to be proven.
    const isFirst = path === context.target.path || path.name === this.#index[0] || unless !== undefined;
    return isFirst && siblings.areStable;
  }
}

/** SVG that is compressed on disk, and served as SVG. */
function isGzipped(name: string): boolean {
  return name.toLowerCase().endsWith(".svgz");
}
