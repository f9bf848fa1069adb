/**
 * Directories and selections of their entries, downloaded as one archive.
 *
 * @module
 */

import { ArchiveFile, type ArchiveParts, sizeOf } from "./archive_file.ts";
import { gzipOf } from "./gzip.ts";
import { folderName } from "./names.ts";
import type { ArchiveFormat } from "./parts.ts";
import { type ArchivePlan, planOf, type Selection } from "./plan.ts";
import { KeptSums } from "./sums.ts";
import { tarParts } from "./tar.ts";
import { ZIP_LAYOUT, zipParts } from "./zip.ts";
import { sendContent } from "../serving/content.ts";
import { requireSameSite } from "../core/cross_site.ts";
import { HttpError } from "../core/errors.ts";
import { heldBody, STALL_MS } from "../core/held_body.ts";
import { clientOf } from "../http/client.ts";
import { attachment } from "../http/disposition.ts";
import { Limiter } from "../core/limiter.ts";
import { readBody } from "../core/request_body.ts";
import { DEFAULT_INDEX, resolve } from "../serving/resolve.ts";
import { readable } from "../serving/rights.ts";
import { requireSource } from "../sources/require_source.ts";
import { FileChanged, type FileSource } from "../sources/types.ts";
import { internalsOf, shownPath } from "../core/internals.ts";
import type { Context, Handler } from "../core/types.ts";

/** Options of {@linkcode archive}. */
export interface ArchiveOptions {
  /** Maximum total size of the files in one archive, in bytes; unlimited by default. */
  readonly maxBytes?: number;
  /**
   * Maximum number of files and directories in one archive; defaults to 1,000,000. Each takes some 200 bytes of memory.
   */
  readonly maxEntries?: number;
  /** Maximum number of concurrent archive downloads; defaults to 16. Each worker process counts its own. */
  readonly maxAtOnce?: number;
  /**
   * Maximum number of concurrent archive downloads per client; defaults to a quarter of `maxAtOnce`. Clients are
   * identified by {@linkcode clientOf}: all clients of a proxy on another machine count as one, so raise this to
   * `maxAtOnce` there.
   */
  readonly maxPerClient?: number;
  /** Maximum time a request waits in the queue, in milliseconds; defaults to 10,000. 0 disables the queue. */
  readonly queueTimeout?: number;
  /** Time after which a download is aborted if the client reads nothing, in milliseconds; defaults to 60,000. */
  readonly stallTimeout?: number;
  /**
   * Names of index pages. In a directory that has one, the query belongs to that page and nothing is packed. Defaults
   * to `index.html`, then `index.htm`.
   */
  readonly index?: readonly string[];
}

const MAX_ENTRIES = 1_000_000;
const MAX_AT_ONCE = 16;
const QUEUE_MS = 10_000;

/** Maximum size of a form with names: some 20,000 of them. */
const MAX_FORM_BYTES = 1_048_576;
const FORM_STALL_MS = 10_000;

/** Concurrent directory scans: one for each client. */
const PLANS = { max: 2, maxPerClient: 1, queueMs: 60_000 };

/** Maximum number of attempts at a tree that changes during the scan. */
const ATTEMPTS = 3;

interface Kind {
  readonly extension: string;
  /** Suffix of the entity tag for archives of this format. */
  readonly tag: string;
  readonly type: string;
  readonly format: ArchiveFormat;
  readonly gzip?: boolean;
}

const TAR_GZ: Kind = { extension: ".tar.gz", tag: ".tar.gz", type: "application/gzip", format: tarParts, gzip: true };

const KINDS: ReadonlyMap<string, Kind> = new Map([
  ["zip", { extension: ".zip", tag: `.${ZIP_LAYOUT}.zip`, type: "application/zip", format: zipParts }],
  ["tar", { extension: ".tar", tag: ".tar", type: "application/x-tar", format: tarParts }],
  ["tar.gz", TAR_GZ],
  ["tgz", TAR_GZ],
]);

/**
 * Packs a directory of a source for GET, HEAD and POST with `?archive=zip`, `tar` or `tar.gz` (`tgz`); declines all
 * other requests.
 *
 * A directory with an index page is declined, because the query is that page's own; as a subdirectory of another one it
 * is included. `&name=a&name=b/c` selects entries, by their paths below the directory; as a URL has a limited length,
 * a POST takes the same names as a form (`application/x-www-form-urlencoded`, up to 1 MiB; 403 from a page of another
 * site). Everything is in a folder named after the directory. An archive contains what the source exposes: no hidden
 * files and no symlinks out of the root; other symlinks are followed. Entries omitted for other reasons (broken link,
 * special file, unreadable, a name with control characters or a backslash) are listed in a text file next to the folder.
 * Owners are not stored, permissions are 644 or 755, times are in UTC.
 *
 * The tree is scanned first, so that zip (uncompressed) and tar have a Content-Length, an entity tag and ranges: an
 * interrupted download can be resumed as long as nothing has changed. `tar.gz` is compressed on the fly and has none of
 * these. All formats can be extracted while downloading. If a file changes, disappears or cannot be read during the
 * transfer, the connection is aborted: a completed download is a complete archive. It is also aborted if the client
 * stops reading, to free its slot. Responds with 403 for more than the limits allow, 503 if too many archives are being
 * sent, and 429 if too many go to the same client.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { archive, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(archive(memory({ "docs/a.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/docs/?archive=zip"));
 * assert(response.headers.get("content-disposition") === 'attachment; filename="docs.zip"');
 * assert((await response.bytes()).length === Number(response.headers.get("content-length")));
 * ```
 *
 * @category Handlers
 */
export function archive(source: FileSource, options: ArchiveOptions = {}): Handler {
  requireSource(source, "the source of archive");
  const archives = new Archives(source, options);
  return (request, context) => {
    if (!METHODS.includes(request.method)) return null;
    const query = new URLSearchParams(context.target.query);
    const kindName = query.get("archive");
    return kindName === null ? null : archives.answer(request, context, kindName, query.getAll("name"));
  };
}

const METHODS = ["GET", "HEAD", "POST"];

/** The names in a form. */
async function namesInForm(request: Request, context: Context): Promise<string[]> {
  requireSameSite(request, context.hosts);
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers.get("content-type") ?? "")) {
    throw new HttpError(415, "The names of an archive are sent as application/x-www-form-urlencoded");
  }
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of readBody(request.body, { max: MAX_FORM_BYTES, stallMs: FORM_STALL_MS })) {
    text += decoder.decode(bytes, { stream: true });
  }
  return new URLSearchParams(text + decoder.decode()).getAll("name");
}

/** A parsed request for an archive. */
interface ArchiveRequest {
  readonly source: FileSource;
  readonly kind: Kind;
  readonly client: string;
  readonly names: readonly string[];
}

class Archives {
  readonly #source: FileSource;
  readonly #limits: { readonly entries: number; readonly bytes: number };
  readonly #index: readonly string[];
  readonly #stallMs: number;
  /** Archives being planned or sent. */
  readonly #sending: Limiter;
  readonly #planning = new Limiter(PLANS);
  readonly #sums = new KeptSums();

  constructor(source: FileSource, options: ArchiveOptions) {
    const { maxAtOnce = MAX_AT_ONCE, maxPerClient = Math.max(1, maxAtOnce >> 2) } = options;
    this.#source = source;
    this.#index = options.index ?? DEFAULT_INDEX;
    this.#limits = { bytes: options.maxBytes ?? Infinity, entries: options.maxEntries ?? MAX_ENTRIES };
    this.#stallMs = options.stallTimeout ?? STALL_MS;
    this.#sending = new Limiter({ max: maxAtOnce, maxPerClient, queueMs: options.queueTimeout ?? QUEUE_MS });
  }

  async answer(
    request: Request,
    context: Context,
    kindName: string,
    namesInUrl: readonly string[],
  ): Promise<Response | null> {
    const source = readable(this.#source, context);
    const found = await resolve(source, { path: context.target.path, slash: true }, this.#index);
    if (found.kind !== "listing") return null;
    const kind = KINDS.get(kindName);
    if (!kind) throw new HttpError(400, `The parameter "archive" is not one of ${[...KINDS.keys()].join(", ")}`);
    const client = clientOf(context.remoteAddress, request.headers);
    const isForm = request.method === "POST";
    const names = isForm ? [...namesInUrl, ...await namesInForm(request, context)] : namesInUrl;
    // The response to a form has no conditions and no ranges.
    const asked = isForm ? new Request(request.url) : request;
    const place = await this.#sending.enter(client);
    try {
      const response = await this.#steady(() => this.#pack(asked, context, { source, kind, client, names }));
      return this.#held(response, place, context);
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
  }

  /** Holds the place until the body has been read, cancelled or aborted because the client stalled. */
  #held(response: Response, place: Disposable, { log, target }: Context): Response {
    const { body, status, headers } = response;
    if (body === null) place[Symbol.dispose]();
    if (body === null) return response;
    const stalled = () => log.error(`Aborted the archive of ${target.raw}: the client has stopped reading`);
    return new Response(heldBody(body, { place, stallMs: this.#stallMs, stalled }), { status, headers });
  }

  /** Retries if the tree changes during the scan. */
  async #steady(pack: () => Promise<Response>): Promise<Response> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      try {
        return await pack();
      } catch (error) {
        if (!(error instanceof FileChanged)) throw error;
      }
    }
    throw new HttpError(503, "The files keep changing", { headers: { "retry-after": "1" } });
  }

  async #pack(request: Request, context: Context, { source, kind, client, names }: ArchiveRequest): Promise<Response> {
    const { name } = shownPath(context);
    const [only] = names;
    const headers = {
      "cache-control": "no-cache",
      "content-disposition": attachment(
        folderName(names.length === 1 ? only!.replace(/^.*\//s, "") : name) + kind.extension,
      ),
    };
    const selection = {
      directory: context.target.path,
      name,
      names: names.length === 0 ? null : names,
      isUndated: internalsOf(context).visitor?.leads,
    };
    const plan = await this.#plan(source, selection, client);
    const { format } = kind;
    const sums = this.#sums.of(format === zipParts ? plan.etag : null, format === zipParts ? plan.length : 0);
    const open = () => this.#open({ source, plan, format, sums }, context);
    if (kind.gzip) return gzipResponse(request, { "content-type": kind.type, ...headers }, open);
    return await sendContent(request, {
      type: kind.type,
      size: await sizeOf({ plan, format }),
      modified: null,
      etag: plan.etag && `"${plan.etag}${kind.tag}"`,
      headers,
      open,
    });
  }

  async #plan(source: FileSource, selection: Selection, client: string): Promise<ArchivePlan> {
    using _place = await this.#planning.enter(client);
    return await planOf(source, selection, this.#limits);
  }

  #open(parts: ArchiveParts, context: Context): ArchiveFile {
    return new ArchiveFile(parts, (path, error) => {
      context.log.error(`Aborted the archive of ${context.target.raw} at ${path?.text}`, error);
    });
  }
}

function gzipResponse(request: Request, headers: Readonly<Record<string, string>>, open: () => ArchiveFile): Response {
  const body = request.method === "HEAD" ? null : gzipOf(open);
  return new Response(body, { headers: { ...headers, "x-content-type-options": "nosniff" } });
}
