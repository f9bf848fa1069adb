/**
 * Taking uploads: files that appear whole or not at all, and changes of what is there.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import type { Feature } from "./feature.ts";
import type { FilesOptions } from "./files.ts";
import { tagger } from "./representations.ts";
import { requireOwnHost } from "./own_hosts.ts";
import type { FileSource } from "./sources/types.ts";
import type { Context, Handler } from "./types.ts";
import type { ConflictPolicy } from "./upload/conflict.ts";
import { isCreation } from "./upload/creation.ts";
import { ACCEPTED_POSTS, postForm } from "./upload/form.ts";
import { isCrossSite } from "./upload/origin.ts";
import { checkCoding, putFile } from "./upload/put.ts";
import { namesUpload, PARTIAL_UPLOAD, uploadId, uploadLimit } from "./upload/upload_fields.ts";
import { Resumables } from "./upload/resumables.ts";
import { METHODS, methodsOf, requireRight, type UploadRights } from "./upload/rights.ts";
import { Store, type StoreSettings } from "./upload/store.ts";
import { makeDirectory, move, remove } from "./upload/tree.ts";

export type { ConflictPolicy, UploadRights };

/** What {@linkcode upload} takes. */
export interface UploadOptions {
  /** What may be written; new files and directories only, unless given. */
  readonly rights?: UploadRights;
  /** What happens where a name is taken: `fail` unless given, so that nobody loses a file by accident. */
  readonly onConflict?: ConflictPolicy;
  /** Bytes that a file may have; as many as there is room for, unless given. */
  readonly maxBytes?: number;
  /**
   * Milliseconds without data after which an upload is 408; defaults to 60,000. Each request also has this time in all, plus a
   * second for each KiB received.
   */
  readonly stallMs?: number;
  /** Milliseconds after which an upload that nobody goes on with is removed; a day unless given. */
  readonly partAgeMs?: number;
  /** How the files are sent to readers, for the entity tags of answers; a file server tells its features by itself. */
  readonly files?: FilesOptions;
}

/** Long enough for a network that changes, short enough for those who wait. */
const STALL_MS = 60_000;

const DAY_MS = 86_400_000;

/**
 * Takes files into a source, and changes what is in it; declines GET and HEAD, but for `?upload=`.
 *
 * - `PUT` stores the content: 201 for a new file, 204 for one that replaced another. Directories on the way are made.
 * - `PATCH ?upload=ID` with Upload-Offset takes a file in pieces, and goes on where one broke off; `HEAD ?upload=ID` tells
 *   where that is, `DELETE ?upload=ID` gives it up (draft-ietf-httpbis-resumable-upload). The id is the client's choice, or
 *   the server's where `PUT` or `POST` with Upload-Complete begins an upload. What is known of it is recorded beside its
 *   part, so that other processes, and later ones, know it as well.
 * - `POST` takes a form with files into a directory (RFC 7578).
 * - `MKCOL` makes a directory; `DELETE` removes a file or directory, with all in it only with `?recursive`; `MOVE` with
 *   Destination gives it another path (RFC 4918).
 *
 * Where a name is taken, `?on-conflict=fail`, `rename` or `overwrite` says what to do, within the rights; If-Match,
 * If-None-Match and If-Unmodified-Since are honoured until the moment that a file gets its name. Content-Digest and
 * Repr-Digest (RFC 9530) are verified.
 *
 * A file has its name only when it is whole and on the disk. One that breaks off leaves nothing, or, with an id, what can
 * be gone on with. 403 for a missing right, for a hidden name, and for a request that a page of another site has sent; 409
 * or 412 for a name that is taken; 413 for too many bytes, 507 for a full disk: before they are read, where
 * Content-Length says it.
 *
 * All of these must name an own host of the server (`hosts` of `toFetch`): any other is 421.
 *
 * It knows nobody: put a layer around it that asks who is there, or listen on this machine only.
 *
 * @throws TypeError where the source cannot be written.
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
 */
export function upload(source: FileSource, options: UploadOptions = {}): Handler {
  return new Uploads(new Store(source, settingsOf(options))).handler;
}

/**
 * Uploads as a feature of a {@linkcode fileServer}: as two, because of GET it is asked for `?upload=` only. Old parts are
 * removed when the server is made.
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
 * assert(options.headers.get("allow") === "PUT, PATCH, POST, MKCOL, GET, HEAD, OPTIONS");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export function uploadFeatures(options: UploadOptions = {}): Feature[] {
  const settings = settingsOf(options);
  const uploads = new Map<FileSource, Uploads>();
  const handler: Feature["handler"] = ({ source, etagOf }) => {
    const known = uploads.get(source);
    if (known) return known.handler;
    const store = new Store(source, { ...settings, etagOf });
    store.sweepNowAndThen(() => {}); // what cannot be looked through now is tried, and told, at the first upload
    const made = new Uploads(store);
    uploads.set(source, made);
    return made.handler;
  };
  return [
    {
      methods: methodsOf(settings.rights),
      rights: { ...METHODS, upload: "create", delete: "change" },
      abilities: [...settings.rights.create ? ["upload"] : [], ...settings.rights.change ? ["delete"] : []],
      handler,
      optionsHeaders: {
        "upload-limit": uploadLimit(settings),
        ...(settings.rights.create && { "accept-patch": PARTIAL_UPLOAD, "accept-post": ACCEPTED_POSTS }),
      },
    },
    {
      methods: ["GET", "HEAD"],
      queries: ["upload"],
      handler,
      end: async () => void await Promise.all([...uploads.values()].map((each) => each.end())),
    },
  ];
}

function settingsOf(options: UploadOptions): StoreSettings {
  return {
    etagOf: tagger({ sandbox: true, ...options.files }),
    rights: options.rights ?? { create: true, change: false },
    onConflict: options.onConflict ?? "fail",
    maxBytes: options.maxBytes ?? Infinity,
    stallMs: options.stallMs ?? STALL_MS,
    partAgeMs: options.partAgeMs ?? DAY_MS,
  };
}

type Answer = (request: Request, context: Context) => Promise<Response>;

/** The methods; {@linkcode METHODS} has the right that each needs. */
class Uploads {
  readonly #store: Store;
  readonly #resumables: Resumables;
  readonly #methods: ReadonlyMap<string, Answer>;

  constructor(store: Store) {
    this.#store = store;
    this.#resumables = new Resumables(store);
    this.#methods = new Map([
      ["PUT", (request, context) => this.#put(request, context)],
      ["PATCH", (request, context) => this.#resumables.append(request, context)],
      ["POST", (request, context) => this.#post(request, context)],
      ["MKCOL", (request, context) => makeDirectory(store, request, context)],
      ["DELETE", (request, context) => remove(store, request, context)],
      ["MOVE", (request, context) => move(store, request, context)],
    ]);
  }

  readonly handler: Handler = (request, context) => {
    if (request.method === "GET" || request.method === "HEAD") {
      return namesUpload(context.target.query) ? this.#progress(request, context) : null;
    }
    const answer = this.#methods.get(request.method);
    if (!answer) return null;
    requireOwnHost(request, context);
    const isUpload = uploadId(context.target.query) !== null;
    if (isCrossSite(request, context.hosts)) {
      throw new HttpError(403, "A page of another site has sent this request");
    }
    const cancels = request.method === "DELETE" && isUpload;
    requireRight(this.#store.settings.rights, cancels ? "create" : METHODS[request.method]!, context);
    this.#store.sweepNowAndThen((cause) => context.log.error("Cannot remove what is left of old uploads", cause));
    return cancels ? this.#resumables.cancel(request, context) : answer(request, context);
  };

  /** Where an upload is; of a page that has such a query for itself, only HEAD is answered, which is what clients send. */
  async #progress(request: Request, context: Context): Promise<Response | null> {
    const { path, slash } = context.target;
    const there = slash ? null : await this.#store.source.stat(path);
    if (slash || there?.kind === "directory" || !context.may("create", path)) return null;
    requireOwnHost(request, context);
    try {
      return await this.#resumables.progress(request, context);
    } catch (error) {
      const isUnknown = error instanceof HttpError && error.status === 404;
      if (isUnknown && there !== null && request.method === "GET") return null;
      throw error;
    }
  }

  #post(request: Request, context: Context): Promise<Response> {
    if (!isCreation(request)) return postForm(this.#store, request, context);
    checkCoding(request.headers);
    return this.#resumables.begin(request, context);
  }

  /** Waits for what goes on in the background. */
  end(): Promise<void> {
    return this.#store.end();
  }

  #put(request: Request, context: Context): Promise<Response> {
    checkCoding(request.headers);
    const inPieces = request.headers.has("upload-complete") || uploadId(context.target.query) !== null;
    return inPieces ? this.#resumables.begin(request, context) : putFile(this.#store, request, context);
  }
}
