/**
 * Resumable uploads: `PATCH /file?upload=ID` with Upload-Offset.
 *
 * Fields, statuses and problem types are those of draft-ietf-httpbis-resumable-upload. In addition, the client may
 * choose the id: then an interrupted first request can be resumed like any other, where the draft needs an interim
 * response (104) that this runtime cannot send.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import { contentLengthOf, readBody } from "../core/request_body.ts";
import type { Context } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import type { UploadPiece } from "../store/appends.ts";
import { countUpload, storedResponse, toldTo } from "./answers.ts";
import { createdPath } from "./creation.ts";
import { formatDigests, parseDigests, Verification } from "./digest.ts";
import { checkPreconditions, fileTarget } from "./put.ts";
import { answered } from "./refusals.ts";
import { operationsFor, storedId } from "./rights.ts";
import { refuseUploadFields, type UploadFields, uploadFields, uploadId, uploadLimit } from "./upload_fields.ts";
import type { UploadSite } from "./upload_site.ts";
import { wishOf } from "./wish.ts";

/** A request with a piece of an upload. */
interface PieceRequest {
  readonly path: SitePath;
  readonly id: string;
  readonly fields: UploadFields;
  /** Whether earlier bytes are discarded. */
  readonly isFirst: boolean;
  /** Whether the client knows the id, so that it can resume after this request. */
  readonly isKnown: boolean;
}

/** PUT or POST: the first piece of an upload, with a new id unless the request has one. */
export async function beginUpload(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const fields = uploadFields(request.headers);
  const chosen = uploadId(context.target.query);
  const isPost = request.method === "POST";
  const path = isPost ? await createdPath(site, request, context) : fileTarget(context).path;
  const complete = isEmptyOfOldDraft(request.headers, fields) || (fields.complete ?? true);
  const begun = { path, id: chosen ?? crypto.randomUUID(), isFirst: true, isKnown: chosen !== null };
  return await append(site, request, context, { ...begun, fields: { ...fields, offset: 0, complete } });
}

/** PATCH: a further piece. */
export async function continueUpload(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const id = uploadId(context.target.query);
  if (id === null) throw new HttpError(400, "PATCH continues an upload, and needs ?upload=ID to say which");
  const fields = uploadFields(request.headers);
  if (fields.offset === null) throw new HttpError(400, "Upload-Offset is missing");
  const { path } = fileTarget(context);
  return await append(site, request, context, { path, id, fields, isFirst: false, isKnown: true });
}

/** HEAD and GET: the current offset. */
export async function uploadProgress(site: UploadSite, request: Request, context: Context): Promise<Response> {
  refuseUploadFields(request.headers);
  const id = uploadId(context.target.query)!;
  const { path } = fileTarget(context);
  const progress = await answered(
    path,
    () => operationsFor(site, request, context).progress({ path, id: storedId(id, context) }),
  );
  if (progress === null) throw new HttpError(404, "There is no such upload");
  const { size, length, finished } = progress;
  const headers = {
    "upload-offset": String(size),
    "upload-complete": finished ? "?1" : "?0",
    "upload-limit": uploadLimit(site.store.options),
    "cache-control": "no-store",
    ...(length !== null && { "upload-length": String(length) }),
    ...(finished && { location: locationFor(context, context.may("read", finished) ? finished : path) }),
  };
  if (request.method === "HEAD") return new Response(null, { headers });
  return Response.json({ offset: size, complete: finished !== null }, { headers });
}

/** DELETE: cancels an upload; of a finished one, removes only the record. */
export async function cancelUpload(site: UploadSite, request: Request, context: Context): Promise<Response> {
  refuseUploadFields(request.headers);
  const id = uploadId(context.target.query)!;
  const { path } = fileTarget(context);
  await answered(path, () => operationsFor(site, request, context).cancel({ path, id: storedId(id, context) }));
  return new Response(null, { status: 204 });
}

async function append(site: UploadSite, request: Request, context: Context, asked: PieceRequest): Promise<Response> {
  const { path, id, isFirst } = asked;
  const { policy, status } = wishOf(request.headers, context.target.query, null);
  const piece = { ...pieceOf(site, request, context, asked), onConflict: policy };
  const operations = operationsFor(site, request, context);
  const result = await answered(path, () => operations.append({ path, id: storedId(id, context) }, piece), status);
  if (result.committed === null) return paused(site, context, { path, id, isFirst, size: result.size });
  countUpload(context, result.committed);
  const response = storedResponse(site, request, context, toldTo(context, result.committed, path));
  response.headers.set("upload-complete", "?1");
  response.headers.set("upload-offset", String(result.committed.stat.size));
  return response;
}

function pieceOf(
  site: UploadSite,
  request: Request,
  context: Context,
  asked: PieceRequest,
): Omit<UploadPiece, "onConflict"> {
  const { isFirst, isKnown, fields: { offset, complete, length } } = asked;
  const { stallMs, onConflict: fallback } = site.settings;
  const whole = parseDigests(request.headers.get("repr-digest"));
  const own = parseDigests(request.headers.get("content-digest"));
  return {
    content: (signal) => readBody(request.body, { stallMs, signal }),
    sent: contentLengthOf(request),
    offset: offset ?? 0,
    complete,
    length,
    isFirst,
    isKnown,
    fallback,
    condition: () => checkPreconditions(site, request, context),
    check: own && new Verification(own),
    digest: whole && formatDigests(whole),
    checkOf: verificationOf,
  };
}

/** The verification of a recorded digest; one written by another version of pyserve may not be parsable. */
function verificationOf(digest: string): Verification | null {
  try {
    const promised = parseDigests(digest);
    return promised && new Verification(promised);
  } catch {
    return null;
  }
}

/** More is expected. */
function paused(site: UploadSite, context: Context, { path, id, isFirst, size }: Paused): Response {
  const headers = new Headers({ "upload-offset": String(size), "upload-complete": "?0" });
  if (!isFirst) return new Response(null, { status: 204, headers });
  headers.set("location", locationFor(context, path, { query: `upload=${id}` }));
  headers.set("upload-limit", uploadLimit(site.store.options));
  return new Response(null, { status: 201, headers });
}

interface Paused extends Pick<PieceRequest, "path" | "id" | "isFirst"> {
  readonly size: number;
}

/**
 * tus-js-client 4, in its modes for drafts 3 and 5, announces an empty file but never completes it; from draft 7 on,
 * clients do not send this field.
 */
function isEmptyOfOldDraft(headers: Headers, { length }: UploadFields): boolean {
  return length === 0 && headers.has("upload-draft-interop-version");
}
