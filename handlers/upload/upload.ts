/**
 * Uploads: files are stored atomically, existing ones can be changed.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Feature, Site } from "../serving/feature.ts";
import type { FilesOptions } from "../files/files.ts";
import { DEFAULT_INDEX } from "../serving/resolve.ts";
import { tagger } from "../files/representations.ts";
import { Limiter } from "../core/limiter.ts";
import { requireOwnHost } from "../core/own_hosts.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import type { Context, Handler } from "../core/types.ts";
import type { StoreRights } from "../store/access.ts";
import type { ConflictPolicy } from "../store/conflict.ts";
import type { Followers } from "../store/followers.ts";
import type { Locks } from "../store/locks.ts";
import { Store, type StoreOptions, sweepsEnded } from "../store/store.ts";
import { isCreation } from "./creation.ts";
import { ACCEPTED_POSTS, postForm } from "./form.ts";
import { requireSameSite } from "../core/cross_site.ts";
import { checkCoding, putFile } from "./put.ts";
import { namesUpload, PARTIAL_UPLOAD, uploadId, uploadLimit } from "./upload_fields.ts";
import { beginUpload, cancelUpload, continueUpload, uploadProgress } from "./resumables.ts";
import { writeError } from "./refusals.ts";
import { asksToManage, MANAGE, managePage, postManage } from "./manage.ts";
import { METHODS, methodsOf, operationsFor, targetRight } from "./rights.ts";
import { copy, makeDirectory, move, remove } from "./tree.ts";
import type { UploadSettings, UploadSite } from "./upload_site.ts";

/** Options of {@linkcode upload}. */
export interface UploadOptions {
  /** What may be written; defaults to new files and directories only. */
  readonly rights?: StoreRights;
  /** What to do if a name is taken; defaults to `fail`, so that no file is lost by accident. */
  readonly onConflict?: ConflictPolicy;
  /** Maximum file size in bytes; unlimited by default, except by the disk. */
  readonly maxBytes?: number;
  /**
   * Time without data after which an upload is aborted (408), in milliseconds; defaults to 60,000. A request also has
   * this time in all, plus a second for each KiB received.
   */
  readonly stallMs?: number;
  /** Time after which an unfinished upload is removed, in milliseconds; defaults to one day. */
  readonly partAgeMs?: number;
  /** Options the files are served with, for the entity tags of responses; a file server passes them itself. */
  readonly files?: FilesOptions;
  /** Locks to respect; their tokens come in the If header (RFC 4918 section 10.4). None by default. */
  readonly locks?: Locks;
  /** What is kept elsewhere about files, and follows them, such as a `propertyTable` of WebDAV; nothing by default. */
  readonly followers?: Followers;
  /** How many copies, moves and recursive deletions run concurrently. */
  readonly transfers?: TransferLimits;
}

/** Limits for COPY, MOVE and recursive DELETE; each worker process counts its own. */
export interface TransferLimits {
  /** Maximum concurrency; defaults to 8. */
  readonly maxAtOnce?: number;
  /** Maximum concurrency per client, identified by {@linkcode clientOf}; defaults to a quarter of `maxAtOnce`. */
  readonly maxPerClient?: number;
  /** Maximum time a request waits in the queue, in milliseconds; defaults to 10,000. 0 disables the queue. */
  readonly queueTimeout?: number;
}

/** A copy of 100,000 entries takes some 30 MiB of memory. */
const TRANSFERS_AT_ONCE = 8;

const QUEUE_MS = 10_000;

/** Long enough for a change of networks, short enough for a queue. */
const STALL_MS = 60_000;

const DAY_MS = 86_400_000;

/**
 * Stores files in a source and changes those in it; declines GET and HEAD, except for `?upload=`.
 *
 * - `PUT` stores the content: 201 for a new file, 204 for a replaced one. Missing directories are created.
 * - `PATCH ?upload=ID` with Upload-Offset uploads a file in parts and resumes an interrupted upload; `HEAD ?upload=ID`
 *   returns the offset, `DELETE ?upload=ID` cancels (draft-ietf-httpbis-resumable-upload). The id is chosen by the client,
 *   or by the server if a `PUT` or `POST` with Upload-Complete starts the upload. The state is recorded next to the part,
 *   so that other processes, and later ones, can continue.
 * - `POST` of a form stores its files in a directory (RFC 7578); with `?archive=`, it is declined, for `archive`.
 * - `MKCOL` creates a directory; `DELETE` removes a file or directory, a non-empty one only with `?recursive`; `COPY`
 *   and
 *   `MOVE` with Destination copy it, or rename or move it (RFC 4918). These are limited in number (503 and 429), and a
 *   copy stops when its client disconnects, for which `request.signal` is read: Deno 2.9 prints a warning about it once.
 *
 * If a name is taken, `?on-conflict=fail`, `rename` or `overwrite` decides, within the rights. If-Match, If-None-Match
 * and If-Unmodified-Since are enforced up to the moment a file gets its name. Content-Digest and Repr-Digest (RFC 9530)
 * are verified.
 *
 * A file appears under its name only when it is complete and on disk. An interrupted upload leaves nothing or, with an
 * id, something that can be resumed. Responds with 403 for a missing right, a hidden name, or a cross-site request;
 * with 409 or 412 for a name that is taken; with 413 for too many bytes and 507 for a full disk, before the content is
 * read if Content-Length is known.
 *
 * The Host of all these requests must be one of the server's own (`hosts` of `toFetch`); others get 421.
 *
 * It does not authenticate: put a layer around it that does, or listen on loopback only.
 *
 * @throws TypeError If the source is read-only.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, disk, files, toFetch, upload } from "@x/pyserve";
 *
 * const directory = await Deno.makeTempDir();
 * const source = disk(directory);
 * const fetch = toFetch(chain(upload(source), files(source)));
 * const stored = await fetch(new Request("http://localhost/docs/a.txt", { method: "PUT", body: "hello" }));
 * assert(stored.status === 201 && stored.headers.get("location") === "a.txt");
 * assert(await Deno.readTextFile(`${directory}/docs/a.txt`) === "hello");
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @category Handlers
 */
export function upload(source: FileSource, options: UploadOptions = {}): Handler {
  requireSource(source, "the source of upload");
  const precompressed = options.files?.precompressed ?? false;
  return new Uploads(uploadSiteOf({ source, precompressed }, options)).handler;
}

/** A source as uploads reach it; what is missing follows from the options. */
export function uploadSiteOf(
  { source, precompressed = false, ...served }: Pick<Site, "source" | "precompressed"> & Partial<ServedAs>,
  options: UploadOptions,
): UploadSite {
  const store = new Store(source, { ...storeOptions(options), precompressed });
  return { store, settings: { ...settingsOf(options), ...served }, transfers: limiterOf(options) };
}

/** How the files of a site are served. */
type ServedAs = Pick<UploadSettings, "etagOf" | "index">;

/**
 * Uploads as features of a {@linkcode fileServer}: several, because GET is only handled for `?upload=` and `?manage`.
 * Expired parts are removed when the server is created.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, toFetch, uploadFeatures } from "@x/pyserve";
 *
 * const directory = await Deno.makeTempDir();
 * const features = uploadFeatures({ rights: { create: true, change: false } });
 * const fetch = toFetch(fileServer(directory, { features, log: false }));
 * const options = await fetch(new Request("http://localhost/", { method: "OPTIONS" }));
 * assert(options.headers.get("allow") === "PUT, PATCH, POST, MKCOL, COPY, GET, HEAD, OPTIONS");
 * for (const feature of features) await feature.end?.(); // waits for the removal of expired parts
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @category Features
 */
export function uploadFeatures(options: UploadOptions = {}): Feature[] {
  const stored = storeOptions(options);
  const { rights } = stored;
  const transfers = limiterOf(options);
  const uploads = new Map<FileSource, Uploads>();
  const uploadsTo = ({ source, etagOf, index, precompressed = false }: Site) => {
    const known = uploads.get(source);
    if (known) return known;
    const site = { ...uploadSiteOf({ source, precompressed, etagOf, index }, options), transfers };
    site.store.sweepNowAndThen(() => {}); // an error here is reported again at the first upload
    const made = new Uploads(site);
    uploads.set(source, made);
    return made;
  };
  const handler: Feature["handler"] = (site) => uploadsTo(site).handler;
  return [
    {
      methods: methodsOf(rights),
      rights: { ...METHODS, upload: "create", delete: "change" },
      abilities: [...rights.create ? ["upload"] : [], ...rights.change ? ["delete"] : []],
      handler,
      optionsHeaders: {
        "upload-limit": uploadLimit(stored),
        ...(rights.create && { "accept-patch": PARTIAL_UPLOAD, "accept-post": ACCEPTED_POSTS }),
      },
    },
    {
      methods: ["GET", "HEAD"],
      queries: ["upload"],
      handler,
      end: sweepsEnded,
    },
    ...rights.change
      ? [{ methods: ["GET", "HEAD"], queries: [MANAGE], handler: (site) => uploadsTo(site).pages } satisfies Feature]
      : [],
  ];
}

function settingsOf(options: UploadOptions): UploadSettings {
  return {
    etagOf: tagger({ sandbox: true, ...options.files }),
    onConflict: options.onConflict ?? "fail",
    index: options.files?.index ?? DEFAULT_INDEX,
    stallMs: options.stallMs ?? STALL_MS,
  };
}

function limiterOf({ transfers = {} }: UploadOptions): Limiter {
  const { maxAtOnce = TRANSFERS_AT_ONCE, maxPerClient = Math.max(1, maxAtOnce >> 2) } = transfers;
  return new Limiter({ max: maxAtOnce, maxPerClient, queueMs: transfers.queueTimeout ?? QUEUE_MS });
}

function storeOptions(options: UploadOptions) {
  const { rights = { create: true, change: false }, maxBytes = Infinity, partAgeMs = DAY_MS } = options;
  const { locks, followers } = options;
  return {
    rights,
    maxBytes,
    partAgeMs,
    ...(locks && { locks }),
    ...(followers && { followers }),
  } satisfies StoreOptions;
}

/** Whether a POST has the names of an archive: nothing is stored. */
function asksForArchive(query: string): boolean {
  return /(?:^|&)archive=/.test(query);
}

type Answer = (request: Request, context: Context) => Promise<Response>;

/** The methods; {@linkcode METHODS} lists the right that each requires. */
export class Uploads {
  readonly #site: UploadSite;
  readonly #methods: ReadonlyMap<string, Answer>;

  constructor(site: UploadSite) {
    this.#site = site;
    this.#methods = new Map([
      ["PUT", (request, context) => this.#put(request, context)],
      ["PATCH", (request, context) => continueUpload(site, request, context)],
      ["POST", (request, context) => this.#post(request, context)],
      ["MKCOL", (request, context) => makeDirectory(site, request, context)],
      ["DELETE", (request, context) => remove(site, request, context)],
      ["COPY", (request, context) => copy(site, request, context)],
      ["MOVE", (request, context) => move(site, request, context)],
    ]);
  }

  readonly handler: Handler = (request, context) => {
    if (request.method === "GET" || request.method === "HEAD") {
      return namesUpload(context.target.query) ? this.#progress(request, context) : null;
    }
    const answer = this.#methods.get(request.method);
    if (!answer || request.method === "POST" && asksForArchive(context.target.query)) return null;
    requireOwnHost(request, context);
    const isUpload = uploadId(context.target.query) !== null;
    requireSameSite(request, context.hosts);
    const cancels = request.method === "DELETE" && isUpload;
    const manages = request.method === "POST" && asksToManage(context);
    this.#requireRight(cancels ? "PATCH" : manages ? "DELETE" : request.method, request, context);
    this.#site.store.sweepNowAndThen((cause) => context.log.error("Cannot remove expired uploads", cause));
    return cancels ? cancelUpload(this.#site, request, context) : answer(request, context);
  };

  /** Pages that change things without JavaScript. */
  readonly pages: Handler = (request, context) => {
    return asksToManage(context) ? managePage(this.#site, request, context) : null;
  };

  /** Refuses early, so that nothing else about the path is disclosed; the operation checks all that it touches again. */
  #requireRight(method: string, request: Request, context: Context): void {
    const { path } = context.target;
    const operations = operationsFor(this.#site, request, context);
    try {
      operations.requireRight(path, { enabled: METHODS[method]!, right: targetRight(method) });
    } catch (error) {
      throw writeError(error, path);
    }
  }

  /** The offset of an upload. An index page owns its query, so there only HEAD is handled, which clients use. */
  async #progress(request: Request, context: Context): Promise<Response | null> {
    const { path, slash } = context.target;
    const there = slash ? null : await operationsFor(this.#site, request, context).known("read").stat(path);
    if (slash || there?.kind === "directory" || !context.may("create", path)) return null;
    requireOwnHost(request, context);
    try {
      return await uploadProgress(this.#site, request, context);
    } catch (error) {
      const isUnknown = error instanceof HttpError && error.status === 404;
      if (isUnknown && there !== null && request.method === "GET") return null;
      throw error;
    }
  }

  #post(request: Request, context: Context): Promise<Response> {
    if (asksToManage(context)) return postManage(this.#site, request, context);
    if (!isCreation(request)) return postForm(this.#site, request, context);
    checkCoding(request.headers);
    return beginUpload(this.#site, request, context);
  }

  #put(request: Request, context: Context): Promise<Response> {
    checkCoding(request.headers);
    const inPieces = request.headers.has("upload-complete") || uploadId(context.target.query) !== null;
    return inPieces ? beginUpload(this.#site, request, context) : putFile(this.#site, request, context);
  }
}
