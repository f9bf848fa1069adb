/**
 * Serves files and index pages of a source for GET and HEAD.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { type Content, sendContent } from "../serving/content.ts";
import { HttpError } from "../core/errors.ts";
import { internalsOf } from "../core/internals.ts";
import { acceptedCodings, type CodingName, CODINGS } from "../http/coding.ts";
import { BEGINNING_BYTES } from "../http/declared_charset.ts";
import { etagOf } from "../http/etag.ts";
import type { SitePath } from "../http/target.ts";
import { type RepresentationOptions, Representations } from "./representations.ts";

import type { ResponseCache } from "../serving/response_cache.ts";
import { DEFAULT_INDEX, resolve, type ResolvedFile } from "../serving/resolve.ts";
import { readable } from "../serving/rights.ts";
import { slashRedirect } from "../serving/slash_redirect.ts";
import { FileChanged, type FileSource, type FileStat, type FreshnessCheck } from "../sources/types.ts";
import { isWritten } from "../sources/written.ts";
import type { Awaitable, Context, Handler } from "../core/types.ts";

export type { RepresentationOptions };

/** Options of {@linkcode files}. */
export interface FilesOptions extends RepresentationOptions {
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
 */
export function files(source: FileSource, options: FilesOptions = {}): Handler {
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
  #plain: Representations | null = null;
  #sandboxed: Representations | null = null;
  readonly #cache: ResponseCache | null;

  constructor(source: FileSource, options: FilesOptions, cache: ResponseCache | null) {
    this.#source = source;
    this.#cache = cache;
    this.#options = options;
    this.#index = options.index ?? DEFAULT_INDEX;
  }

  /** Chosen for each request: the handler that writes to the source may be created later than this one. */
  get #representations(): Representations {
    const { sandbox = isWritten(this.#source) } = this.#options;
    if (sandbox) return this.#sandboxed ??= new Representations({ ...this.#options, sandbox });
    return this.#plain ??= new Representations({ ...this.#options, sandbox });
  }

  answer(request: Request, context: Context): Awaitable<Response | null> {
    const { target } = context;
    const source = readable(this.#source, context);
    return then(resolve(source, target, this.#index), (found) => {
      if (found.kind === "file" || found.kind === "index") return this.#send(source, request, context, found);
      if (found.kind === "redirect") return slashRedirect(context, this.#options.cacheControl);
      if (found.stat === null) {
        this.#cache?.offerAbsence(request, context, () => source.absence?.(target.path) ?? null);
      }
      return null;
    });
  }

  /** Sends the file; if it was replaced between `stat` and `open`, tries again. */
  async #send(source: FileSource, request: Request, context: Context, found: ResolvedFile): Promise<Response | null> {
    const { path } = found;
    let stat: FileStat | null = found.stat;
    for (let attempt = 0; attempt < ATTEMPTS && stat?.kind === "file"; attempt++) {
      try {
        const plain = { path, stat, sidecar: null, passed: [] };
        const sent = this.#options.precompressed ? await this.#choose(source, request, plain) : plain;
        const content = this.#content(source, sent, sent.sidecar && await this.#plainType(source, sent));
        const { cutsAtLength } = internalsOf(context);
        const keep = this.#keep(source, request, context, sent);
        return await sendContent(request, { ...content, cutsAtLength, ...(keep && { keep }) });
      } catch (error) {
        if (!(error instanceof FileChanged)) throw error;
      }
      stat = await source.stat(path);
    }
    if (stat?.kind !== "file") return null;
    throw new HttpError(503, "The file keeps changing", { headers: { "retry-after": "1" } });
  }

  /** The type of a precompressed document that declares its encoding: determined from the uncompressed file. */
  async #plainType(source: FileSource, { path, stat }: Sent): Promise<string | null> {
    const { typeOf } = this.#representations.of(path.name);
    return typeOf ? typeOf(await beginningOf(source, path, stat)) : null;
  }

  #content(source: FileSource, { path, stat, sidecar: coded }: Sent, ownType: string | null): Content {
    const opened = coded ?? { path, stat, coding: path.name.toLowerCase().endsWith(".svgz") ? "gzip" : null };
    const { type, typeOf, headers, variant } = this.#representations.of(path.name);
    return {
      type: ownType ?? type,
      ...(ownType === null && typeOf && { typeOf }),
      size: opened.stat.size,
      modified: stat.modified,
      etag: etagOf(opened.stat, variant, coded?.coding),
      headers,
      ...(opened.coding && { contentHeaders: { "content-encoding": opened.coding } }),
      open: (range) => source.open(opened.path, opened.stat, range),
    };
  }

  /** The callback that offers the response to the cache; undefined if its freshness cannot be proven. */
  #keep(source: FileSource, request: Request, context: Context, sent: Sent): Content["keep"] {
    const { path, stat, sidecar } = sent;
    // For a second index name, the absence of the first would have to be proven.
    const plain = path === context.target.path || path.name === this.#index[0];
    const size = (sidecar ?? sent).stat.size;
    if (!this.#cache || !plain || !stat.stable || !this.#cache.wants(request, context, size)) return undefined;
    const isFresh = freshnessOf(source, sent);
    return isFresh ? (response, bytes) => this.#cache!.offer(context, response, { bytes, isFresh }) : undefined;
  }

  /** The precompressed variant that the client prefers: a regular file, no older than the original. */
  async #choose(source: FileSource, request: Request, plain: Sent): Promise<Sent> {
    const { path, stat: { modified } } = plain;
    const passed: Passed[] = [];
    for (const coding of acceptedCodings(request.headers.get("accept-encoding"))) {
      const beside = path.sibling(path.name + CODINGS[coding]);
      const stat = beside && await source.stat(beside);
      if (beside && stat?.kind === "file" && (stat.modified ?? 0) >= (modified ?? 0)) {
        return { ...plain, sidecar: { path: beside, stat, coding }, passed };
      }
      if (beside) passed.push({ path: beside, stat });
    }
    return { ...plain, passed };
  }
}

async function beginningOf(source: FileSource, path: SitePath, stat: FileStat): Promise<Uint8Array> {
  const beginning = new Uint8Array(Math.min(stat.size, BEGINNING_BYTES));
  using file = await source.open(path, stat, { start: 0, end: beginning.length });
  return beginning.subarray(0, await file.read(0, beginning));
}

/** Checks everything that the choice depends on: the file, the chosen variant, and the absence of preferred ones. */
function freshnessOf(source: FileSource, { path, stat, sidecar, passed }: Sent): FreshnessCheck | null {
  const checks = [
    source.freshness?.(path, stat),
    ...sidecar ? [source.freshness?.(sidecar.path, sidecar.stat)] : [],
    ...passed.map(({ path, stat }) => {
      return stat ? source.freshness?.(path, stat) : source.absence?.(path);
    }),
  ];
  if (!checks.every((check) => !!check)) return null;
  const [first] = checks;
  return checks.length === 1 ? first! : () => checks.every((isFresh) => isFresh());
}

interface Passed {
  readonly path: SitePath;
  readonly stat: FileStat | null;
}

/** A file and the variant that is sent. */
interface Sent extends ResolvedFile {
  /** The precompressed variant, or null. */
  readonly sidecar: Sidecar | null;
  /** Preferred variants that are missing or out of date. */
  readonly passed: readonly Passed[];
}

interface Sidecar {
  readonly path: SitePath;
  readonly stat: FileStat;
  readonly coding: CodingName;
}
