/**
 * Uploads in pieces, which go on where they broke off: `PATCH /file?upload=ID` with Upload-Offset.
 *
 * The fields, statuses and problem types are those of draft-ietf-httpbis-resumable-upload. What is added is that the client
 * may choose the id: then a broken first request is resumed like any other, where the draft needs an interim response that
 * this runtime cannot send.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { SitePath } from "../http/target.ts";
import { locationFor } from "../location.ts";
import { type Committed, type PartFile, WriteRefused } from "../sources/writer.ts";
import type { Context } from "../types.ts";
import { storedResponse } from "./answers.ts";
import { BrokenOff, chunksOf, lengthOf, Stop } from "./body.ts";
import { wishOf } from "./conflict.ts";
import { parseDigests, type Promised, Verification } from "./digest.ts";
import { checkPreconditions, fileTarget, receive } from "./put.ts";
import { writeError } from "./refusals.ts";
import { checkLength, isComplete, type UploadFields, uploadFields, uploadId, wrongOffset } from "./upload_fields.ts";
import { Spool } from "./spool.ts";
import type { Store } from "./store.ts";

/** Finished uploads that are remembered, for clients that did not get the answer. */
const MOST_FINISHED = 1_000;

/** Bytes read at a time, where a whole file is verified that came in pieces. */
const READ_BYTES = 262_144;

/** A request that is writing to an upload. */
interface Running {
  readonly stop: Stop;
  readonly ended: Promise<void>;
}

/** The uploads of a store that come in pieces. */
export class Resumables {
  readonly #store: Store;
  readonly #running = new Map<string, Running>();
  readonly #finished = new Map<string, Committed>();

  /** Begins without any; parts of an earlier run are found when they are asked for. */
  constructor(store: Store) {
    this.#store = store;
  }

  /** PUT: the first piece, of an upload with a new id unless one is given. */
  async begin(request: Request, context: Context): Promise<Response> {
    const fields = uploadFields(request.headers);
    const id = uploadId(context.target.query) ?? crypto.randomUUID();
    const whole = { ...fields, offset: 0, complete: fields.complete ?? true };
    return await this.#alone(
      context,
      id,
      (stop) => this.#take({ request, context, id, stop, fields: whole, anew: true }),
    );
  }

  /** PATCH: a piece. */
  async append(request: Request, context: Context): Promise<Response> {
    const id = uploadId(context.target.query);
    if (id === null) throw new HttpError(400, "PATCH goes on with an upload, and needs ?upload=ID to say which");
    const fields = uploadFields(request.headers);
    if (fields.offset === null) throw new HttpError(400, "Upload-Offset is missing");
    return await this.#alone(context, id, (stop) => this.#take({ request, context, id, stop, fields, anew: false }));
  }

  /** HEAD and GET: how far it is. */
  async progress(request: Request, context: Context): Promise<Response> {
    const id = uploadId(context.target.query)!;
    const { path } = fileTarget(context);
    const finished = await this.#finishedBefore(path, id);
    const offset = finished?.stat.size ?? await this.#progress(path, id);
    if (offset === null) throw new HttpError(404, "There is no such upload");
    const headers = {
      "upload-offset": String(offset),
      "upload-complete": finished ? "?1" : "?0",
      "cache-control": "no-store",
      ...(finished && { location: locationFor(context, finished.path) }),
    };
    if (request.method === "HEAD") return new Response(null, { headers });
    return Response.json({ offset, complete: finished !== null }, { headers });
  }

  /** DELETE: gives it up. */
  async cancel(context: Context): Promise<Response> {
    const id = uploadId(context.target.query)!;
    const { path } = fileTarget(context);
    return await this.#alone(context, id, async () => {
      const part = await this.#resume(path, id);
      if (part === null) throw new HttpError(404, "There is no such upload");
      await part.discard();
      return new Response(null, { status: 204 });
    });
  }

  /** One request at a time writes to an upload: the last, for the one before has most likely lost its client. */
  async #alone(
    context: Context,
    id: string,
    write: (stop: Stop) => Promise<Response>,
  ): Promise<Response> {
    const key = keyOf(fileTarget(context).path, id);
    for (let other = this.#running.get(key); other; other = this.#running.get(key)) {
      other.stop.stop();
      await other.ended;
    }
    const stop = new Stop();
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
    const { request, context, id, fields } = piece;
    const { path } = context.target;
    const finished = fields.offset ? await this.#finishedBefore(path, id) : null;
    if (finished) return alreadyFinished(finished);
    const wish = wishOf(request.headers, context.target.query, this.#store.settings.onConflict);
    const expected = await checkPreconditions(this.#store, request, path);
    await this.#store.checkWish(path, wish);
    const promised = { content: parseDigests(request.headers.get("content-digest")) };
    const whole = parseDigests(request.headers.get("repr-digest"));
    const part = await this.#open(piece);
    try {
      await this.#append(piece, part, promised.content);
      if (!isComplete(fields, part.size)) return await this.#pause(piece, part);
      checkLength(fields, part.size, true);
    } catch (error) {
      throw await this.#endBroken(part, error, path);
    }
    if (whole) await verifyWhole(part, whole, path);
    const committed = await this.#commit(part, () => this.#store.commit(part, path, wish, expected));
    this.#remember(keyOf(path, id), committed);
    const response = storedResponse(this.#store, request, context, committed);
    response.headers.set("upload-complete", "?1");
    return response;
  }

  /** The part that a piece belongs to, where the piece begins. */
  async #open({ context: { target: { path } }, id, fields, anew }: Piece): Promise<PartFile> {
    const offset = fields.offset ?? 0;
    const there = anew ? null : await this.#resume(path, id);
    if (there === null && offset > 0) throw wrongOffset(offset, 0);
    if (there !== null && there.size !== offset) {
      await there.keep();
      throw wrongOffset(offset, there.size);
    }
    try {
      return there ?? await (await this.#store.writer()).create(path, id);
    } catch (error) {
      throw writeError(error, path);
    }
  }

  async #append({ request, stop, fields }: Piece, part: PartFile, promised: Promised[] | null): Promise<void> {
    const start = part.size;
    const length = lengthOf(request);
    checkLength(fields, start + (length ?? 0), false);
    const more = fields.length === null ? length : fields.length - start;
    this.#store.checkSize(start + (more ?? 0));
    await this.#store.checkRoom(part, more);
    const { maxBytes, stallMs } = this.#store.settings;
    const most = Math.min(maxBytes, fields.length ?? maxBytes);
    const verification = promised && new Verification(promised);
    const spool = new Spool(part, most, verification);
    try {
      await receive(chunksOf(request, stallMs, stop), spool);
      verification?.check();
    } catch (error) {
      // What has come of a piece is kept where nobody promised what it is; a piece that is wrong is forgotten.
      if (error instanceof BrokenOff && verification === null) await spool.finish();
      else await part.truncate(start);
      throw error;
    }
  }

  /** More is to come. */
  async #pause({ context, id, anew }: Piece, part: PartFile): Promise<Response> {
    const { size } = part;
    await part.keep();
    const headers = new Headers({ "upload-offset": String(size), "upload-complete": "?0" });
    const location = locationFor(context, context.target.path, { query: `upload=${id}` });
    if (anew) headers.set("location", location);
    return new Response(null, { status: anew ? 201 : 204, headers });
  }

  /** Keeps what can be gone on with; a disk that is full is not kept full. */
  async #endBroken(part: PartFile, error: unknown, path: SitePath): Promise<HttpError> {
    const failure = writeError(error, path);
    if (failure.status < 500 && failure.status !== 413 && part.size > 0) await part.keep();
    else await part.discard();
    return failure;
  }

  /** Where the name is taken the part stays: another `on-conflict` stores it without sending it again. */
  async #commit(part: PartFile, commit: () => Promise<Committed>): Promise<Committed> {
    try {
      return await commit();
    } catch (error) {
      if (error instanceof HttpError && error.status < 500) await part.keep();
      else await part.discard();
      throw error;
    }
  }

  async #resume(path: SitePath, id: string): Promise<PartFile | null> {
    try {
      return await (await this.#store.writer()).resume(path, id);
    } catch (error) {
      throw writeError(error, path);
    }
  }

  async #progress(path: SitePath, id: string): Promise<number | null> {
    try {
      return await (await this.#store.writer()).progress(path, id);
    } catch (error) {
      if (error instanceof WriteRefused) return null;
      throw writeError(error, path);
    }
  }

  /** What an upload has become, as long as it is that; whoever deletes it, and begins again, is to be able to. */
  async #finishedBefore(path: SitePath, id: string): Promise<Committed | null> {
    const finished = this.#finished.get(keyOf(path, id));
    if (!finished) return null;
    const stat = await this.#store.source.stat(finished.path);
    return stat?.version === finished.stat.version ? finished : null;
  }

  #remember(key: string, committed: Committed): void {
    this.#finished.set(key, committed);
    if (this.#finished.size > MOST_FINISHED) this.#finished.delete(this.#finished.keys().next().value!);
  }
}

/** A request that brings a piece of an upload. */
interface Piece {
  readonly request: Request;
  readonly context: Context;
  readonly id: string;
  readonly stop: Stop;
  readonly fields: UploadFields;
  /** Whether what came before is forgotten. */
  readonly anew: boolean;
}

function keyOf(path: SitePath, id: string): string {
  return `${path.text}\0${id}`;
}

function alreadyFinished({ stat }: Committed): never {
  throw new HttpError(400, "The upload is complete", {
    headers: { "upload-offset": String(stat.size), "upload-complete": "?1" },
    problem: { type: "https://iana.org/assignments/http-problem-types#completed-upload" },
  });
}

/** Reads all of a part again, because it may have come in pieces, and before the server was started. */
async function verifyWhole(part: PartFile, promised: readonly Promised[], path: SitePath): Promise<void> {
  const verification = new Verification(promised);
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let at = 0; at < part.size;) {
      const count = await part.read(at, buffer);
      if (count === 0) throw new Error("The part became shorter while it was read");
      verification.update(buffer.subarray(0, count));
      at += count;
    }
    verification.check();
  } catch (error) {
    await part.discard();
    throw writeError(error, path);
  }
}
