/**
 * Resumable uploads: `PATCH /file?upload=ID` with Upload-Offset.
 *
 * Fields, statuses and problem types are those of draft-ietf-httpbis-resumable-upload. In addition, the client may
 * choose the id: then an interrupted first request can be resumed like any other, where the draft needs an interim
 * response (104) that this runtime cannot send.
 *
 * Only running requests have state in memory: other workers, and later processes, must know an upload too. The bytes
 * are in a part, everything else in a record next to it.
 *
 * @module
 */

import { contentLengthOf, IncompleteBody, readBody } from "../core/request_body.ts";
import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import { locationFor } from "../core/location.ts";
import type { Committed, PartFile } from "../sources/writer.ts";
import type { Context } from "../core/types.ts";
import type { Operations } from "../store/operations.ts";
import type { Store } from "../store/store.ts";
import { fileLimit, receive, type SizeLimit, WriteBuffer } from "../store/write_buffer.ts";
import { storedResponse } from "./answers.ts";
import { createdPath } from "./creation.ts";
import { parseDigests, type Promised, Verification } from "./digest.ts";
import { checkPreconditions, fileTarget } from "./put.ts";
import { answered, writeError } from "./refusals.ts";
import { operationsFor } from "./rights.ts";
import { stopWhenClaimed, stopWriting, takeOver } from "./take_over.ts";
import {
  agreedLength,
  alreadyComplete,
  checkLength,
  isComplete,
  refuseUploadFields,
  type UploadFields,
  uploadFields,
  uploadId,
  uploadLimit,
  wrongLength,
  wrongOffset,
} from "./upload_fields.ts";
import { formatNotes, NO_NOTES, type UploadNotes } from "./upload_notes.ts";
import type { UploadSite } from "./upload_site.ts";
import { type Known, recall, sizeOf } from "./upload_state.ts";
import { type Wish, wishOf } from "./wish.ts";

/** Bytes read at a time when verifying a completed upload. */
const READ_BYTES = 262_144;

/** A request writing to an upload. */
interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** The resumable uploads of a store. */
export class Resumables {
  readonly #site: UploadSite;
  readonly #store: Store;
  readonly #running = new Map<string, Running>();

  /** Starts empty; uploads of other processes are found on demand. */
  constructor(site: UploadSite) {
    this.#site = site;
    this.#store = site.store;
  }

  /** PUT or POST: the first part of an upload, with a new id unless the request has one. */
  async begin(request: Request, context: Context): Promise<Response> {
    const fields = uploadFields(request.headers);
    const chosen = uploadId(context.target.query);
    const isPost = request.method === "POST";
    const path = isPost ? await createdPath(this.#site, request, context) : fileTarget(context).path;
    const id = chosen ?? crypto.randomUUID();
    const complete = isEmptyOfOldDraft(request.headers, fields) || (fields.complete ?? true);
    const whole = { ...fields, offset: 0, complete };
    const piece = { request, context, path, id, fields: whole, anew: true, isKnown: chosen !== null };
    return await this.#alone(path, id, (stop) => this.#take({ ...piece, stop }));
  }

  /** PATCH: a further part. */
  async append(request: Request, context: Context): Promise<Response> {
    const id = uploadId(context.target.query);
    if (id === null) throw new HttpError(400, "PATCH continues an upload, and needs its id: ?upload=ID");
    const fields = uploadFields(request.headers);
    if (fields.offset === null) throw new HttpError(400, "Upload-Offset is missing");
    const { path } = fileTarget(context);
    const piece = { request, context, path, id, fields, anew: false, isKnown: true };
    return await this.#alone(path, id, (stop) => this.#take({ ...piece, stop }));
  }

  /** HEAD and GET: the current offset. */
  async progress(request: Request, context: Context): Promise<Response> {
    refuseUploadFields(request.headers);
    const id = uploadId(context.target.query)!;
    const { path } = fileTarget(context);
    const size = await sizeOf(this.#store, path, id);
    // Read after the size, so that an upload finishing in between is seen as finished.
    const { notes, finished } = await recall(this.#store, path, id);
    const offset = finished?.stat.size ?? size;
    if (offset === null) throw new HttpError(404, "There is no such upload");
    const length = finished ? offset : notes.length;
    const headers = {
      "upload-offset": String(offset),
      "upload-complete": finished ? "?1" : "?0",
      "upload-limit": uploadLimit(this.#store.options),
      "cache-control": "no-store",
      ...(length !== null && { "upload-length": String(length) }),
      ...(finished && { location: locationFor(context, finished.path) }),
    };
    if (request.method === "HEAD") return new Response(null, { headers });
    return Response.json({ offset, complete: finished !== null }, { headers });
  }

  /** DELETE: cancels an upload; of a finished one, removes only the record. */
  async cancel(request: Request, context: Context): Promise<Response> {
    refuseUploadFields(request.headers);
    const id = uploadId(context.target.query)!;
    const { path } = fileTarget(context);
    return await this.#alone(path, id, async () => {
      const part = await this.#resume(path, id);
      await part?.discard();
      const isForgotten = await this.#writing(path, async () => (await this.#store.writer()).forget(path, id));
      if (part === null && !isForgotten) throw new HttpError(404, "There is no such upload");
      return new Response(null, { status: 204 });
    });
  }

  /** One request at a time writes to an upload: the latest, because an earlier one has most likely lost its client. */
  async #alone(path: SitePath, id: string, write: (stop: AbortController) => Promise<Response>): Promise<Response> {
    const key = `${path.text}\0${id}`;
    for (let other = this.#running.get(key); other; other = this.#running.get(key)) {
      stopWriting(other.stop);
      await other.ended;
    }
    const stop = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running.set(key, { stop, ended });
    try {
      return await write(stop);
    } finally {
      this.#running.delete(key);
      resolve();
    }
  }

  async #take(piece: Piece): Promise<Response> {
    const { request, context, path, id, fields } = piece;
    const known = await recall(this.#store, path, id);
    if (known.finished) throw alreadyComplete(known.finished.stat.size);
    const before = piece.anew ? NO_NOTES : known.notes;
    const { headers } = request;
    const { onConflict } = this.#site.settings;
    const wish = wishOf(headers, context.target.query, before.policy ?? onConflict);
    const notes = {
      length: agreedLength(before.length, fields.length),
      policy: wish.policy === onConflict ? null : wish.policy,
      expected: await checkPreconditions(this.#site, request, path) ?? before.expected,
      digests: parseDigests(headers.get("repr-digest")) ?? before.digests,
    };
    const operations = operationsFor(this.#site, request, context);
    await answered(path, () => operations.requireFile(path, { onConflict: wish.policy }), wish.status);
    const promised = parseDigests(headers.get("content-digest"));
    const { part, isResumed } = await this.#open(piece);
    try {
      await noteIfNew(part, notes, { ...known, notes: before });
      await this.#append(piece, operations, notes.length, part, promised);
      if (!isComplete({ ...fields, length: notes.length }, part.size)) return await this.#pause(piece, part);
    } catch (error) {
      throw await this.#endBroken(piece, part, isResumed, error);
    }
    if (notes.digests) await verifyWhole(part, notes.digests, path);
    return finishedResponse(
      this.#site,
      request,
      context,
      await this.#commit({ ...piece, operations }, part, wish, notes),
    );
  }

  /** The part file, positioned at the offset of the request. */
  async #open({ path, id, fields, anew }: Piece): Promise<{ part: PartFile; isResumed: boolean }> {
    const offset = fields.offset ?? 0;
    const there = anew ? null : await this.#resume(path, id);
    if (there === null && offset > 0) {
      const { finished } = await recall(this.#store, path, id); // by another process, just now
      throw finished ? alreadyComplete(finished.stat.size) : wrongOffset(offset, 0);
    }
    if (there !== null && there.size !== offset) {
      await there.keep();
      throw wrongOffset(offset, there.size);
    }
    if (there !== null) return { part: there, isResumed: true };
    const writer = await this.#store.writer();
    const part = await this.#writing(path, () => takeOver(writer, path, id, () => writer.create(path, id)));
    return { part, isResumed: false };
  }

  /** Receives the content of a request. `length` is the total, if known. */
  async #append(
    { request, stop, fields }: Piece,
    operations: Operations,
    length: number | null,
    part: PartFile,
    promised: Promised[] | null,
  ): Promise<void> {
    const start = part.size;
    const sent = contentLengthOf(request);
    checkLength(length, start + (sent ?? 0), fields.complete === true && sent !== null);
    const more = length === null ? sent : length - start;
    operations.checkSize(start + (more ?? 0));
    await operations.checkRoom(part, more);
    const { maxBytes } = this.#store.options;
    const { stallMs } = this.#site.settings;
    const verification = promised && new Verification(promised);
    const buffer = new WriteBuffer(part, limitOf(length, maxBytes), verification);
    try {
      using _watch = stopWhenClaimed(part, stop);
      await receive(readBody(request.body, { stallMs, signal: stop.signal }), buffer);
      checkLength(length, part.size, fields.complete === true);
      verification?.check();
    } catch (error) {
      // Without a digest, the bytes received are kept; with one, an incomplete request is discarded.
      if (error instanceof IncompleteBody && verification === null) await buffer.finish();
      else await part.truncate(start);
      throw error;
    }
  }

  /** More is to come. */
  async #pause({ context, path, id, anew }: Piece, part: PartFile): Promise<Response> {
    const { size } = part;
    await part.keep();
    const headers = new Headers({ "upload-offset": String(size), "upload-complete": "?0" });
    if (!anew) return new Response(null, { status: 204, headers });
    headers.set("location", locationFor(context, path, { query: `upload=${id}` }));
    headers.set("upload-limit", uploadLimit(this.#store.options));
    return new Response(null, { status: 201, headers });
  }

  /** Keeps what can be resumed, but not on a full disk, nor without an id known to the client. */
  async #endBroken(
    { path, isKnown }: Piece,
    part: PartFile,
    isResumed: boolean,
    error: unknown,
  ): Promise<HttpError> {
    const failure = writeError(error, path);
    const canGoOn = failure.status < 500 && failure.status !== 413 && isKnown && (isResumed || part.size > 0);
    if (canGoOn) await part.keep();
    else await part.discard();
    return failure;
  }

  /** If the name is taken, the part stays: another `on-conflict` stores it without sending it again. */
  async #commit(
    { path, isKnown, operations }: Piece & { operations: Operations },
    part: PartFile,
    wish: Wish,
    notes: UploadNotes,
  ): Promise<Committed> {
    try {
      const naming = { onConflict: wish.policy, ...(notes.expected !== null && { expected: notes.expected }) };
      return await operations.commit(part, path, naming, isKnown ? formatNotes(notes) : undefined);
    } catch (error) {
      const failure = writeError(error, path, wish.status);
      if (failure.status < 500) await part.keep();
      else await part.discard();
      throw failure;
    }
  }

  async #resume(path: SitePath, id: string): Promise<PartFile | null> {
    const writer = await this.#store.writer();
    return await this.#writing(path, () => takeOver(writer, path, id, () => writer.resume(path, id)));
  }

  async #writing<T>(path: SitePath, write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw writeError(error, path);
    }
  }
}

/** A request with a part of an upload. */
interface Piece {
  readonly request: Request;
  readonly context: Context;
  readonly path: SitePath;
  readonly id: string;
  readonly stop: AbortController;
  readonly fields: UploadFields;
  /** Whether earlier bytes are discarded. */
  readonly anew: boolean;
  /** Whether the client knows the id, so that it can resume after this request. */
  readonly isKnown: boolean;
}

/**
 * tus-js-client 4, in its modes for drafts 3 and 5, announces an empty file but never completes it; from draft 7 on,
 * clients do not send this field.
 */
function isEmptyOfOldDraft(headers: Headers, { length }: UploadFields): boolean {
  return length === 0 && headers.has("upload-draft-interop-version");
}

/** Records what the first request announced and later ones have added. */
async function noteIfNew(part: PartFile, notes: UploadNotes, { record, notes: before }: Known): Promise<void> {
  const isKnown = formatNotes(notes) === formatNotes(before);
  if (part.size === 0 ? record !== null || !isKnown : notes.length !== before.length) {
    await part.note(formatNotes(notes));
  }
}

function limitOf(length: number | null, maxBytes: number): SizeLimit {
  if (length === null || length > maxBytes) return fileLimit(maxBytes);
  return { bytes: length, error: (size) => wrongLength(size, length) };
}

function finishedResponse(site: UploadSite, request: Request, context: Context, committed: Committed): Response {
  const response = storedResponse(site, request, context, committed);
  response.headers.set("upload-complete", "?1");
  response.headers.set("upload-offset", String(committed.stat.size));
  return response;
}

/** Reads the whole part again, because it may have been written by several requests and processes. */
async function verifyWhole(part: PartFile, promised: readonly Promised[], path: SitePath): Promise<void> {
  const verification = new Verification(promised);
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let at = 0; at < part.size;) {
      const count = await part.read(at, buffer);
      if (count === 0) throw new Error("The partial upload was truncated while being read");
      verification.update(buffer.subarray(0, count));
      at += count;
    }
    verification.check();
  } catch (error) {
    await part.discard();
    throw writeError(error, path);
  }
}
