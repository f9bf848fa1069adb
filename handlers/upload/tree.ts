/**
 * MKCOL, DELETE, COPY and MOVE: changes to directories and existing files (RFC 9110 section 9.3.5, RFC 4918 sections
 * 9.3, 9.8 and 9.9).
 *
 * @module
 */

import { readBody } from "../core/request_body.ts";
import { HttpError } from "../core/errors.ts";
import { whenClientLeaves } from "../core/client_watch.ts";
import { clientOf } from "../http/client.ts";
import { locationFor } from "../core/location.ts";
import type { SitePath } from "../http/target.ts";
import { type Committed, WriteRefused } from "../sources/writer.ts";
import type { Context } from "../core/types.ts";
import { describeStored, toldTo, wantsJson } from "./answers.ts";
import { destinationOf } from "./destination.ts";
import { checkPreconditions } from "./put.ts";
import { answered, nameTaken, writeError } from "./refusals.ts";
import { METHODS, methodsOf, operationsFor, targetRight, withinRights } from "./rights.ts";
import type { UploadSite } from "./upload_site.ts";
import { type Wish, wishOf } from "./wish.ts";
import type { ConflictPolicy } from "../store/conflict.ts";
import { inPlaceOf, type Placed } from "../store/in_place.ts";
import type { Operations } from "../store/operations.ts";

export async function makeDirectory(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  for await (const _ of readBody(request.body, { stallMs: site.settings.stallMs })) {
    throw new HttpError(415, "A directory has no content"); // RFC 4918 section 9.3
  }
  try {
    await operationsFor(site, request, context).makeDirectory(path);
  } catch (error) {
    if (error instanceof WriteRefused && error.problem === "taken") throw directoryTaken(site, context);
    throw writeError(error, path);
  }
  const location = locationFor(context, path, { slash: true });
  return new Response(null, { status: 201, headers: { location } });
}

/** RFC 4918 section 9.3.1 requires 405, which requires Allow. */
function directoryTaken({ store }: UploadSite, context: Context): HttpError {
  const { path } = context.target;
  const rightful = methodsOf(store.options.rights).filter((method) => context.may(METHODS[method]!, path));
  return new HttpError(405, nameTaken(path), {
    headers: { allow: ["GET", "HEAD", "OPTIONS", ...rightful].join(", ") },
    problem: { name: path.name },
  });
}

/** Deletes a file, a link or a directory; a non-empty one only with `?recursive`. */
export async function remove(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const { path, query } = context.target;
  const expected = await checkTarget(site, request, context);
  const recursive = (site.settings.isDav ?? false) || new URLSearchParams(query).has("recursive");
  const operations = operationsFor(site, request, context);
  const remove = (signal?: AbortSignal) => operations.remove(path, { recursive, signal, ...expected });
  await answered(path, () => recursive ? transfer(site, request, context, remove) : remove());
  return new Response(null, { status: 204 });
}

/** Moves a file or directory. */
export async function move(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  const to = destinationOf(request, context);
  const expected = await checkTarget(site, request, context);
  const { policy, status } = destinationWish(site, request, context, to);
  const operations = operationsFor(site, request, context);
  const inPlace = placing(site, operations, { from: path, to, policy });
  const move = () =>
    transfer(
      site,
      request,
      context,
      (signal) => inPlace((onConflict) => operations.move(path, to, { onConflict, signal, ...expected })),
    );
  const moved = await answered(to, move, status);
  return transferred(site, request, context, toldTo(context, moved, to));
}

/** Copies a file or directory; with `Depth: 0`, a directory without its entries (RFC 4918 section 9.8). */
export async function copy(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  const to = destinationOf(request, context);
  const shallow = isShallow(request.headers.get("depth"));
  await checkTarget(site, request, context);
  const { policy, status } = destinationWish(site, request, context, to);
  const operations = operationsFor(site, request, context);
  const inPlace = placing(site, operations, { from: path, to, policy });
  const copy = () =>
    transfer(
      site,
      request,
      context,
      (signal) => inPlace((onConflict) => operations.copy(path, to, { onConflict, shallow, signal })),
    );
  const copied = await answered(to, copy, status);
  return transferred(site, request, context, toldTo(context, copied, to));
}

/** Runs a copy or move; WebDAV's may replace a directory, or be a directory that replaces something. */
function placing({ settings }: UploadSite, operations: Operations, placed: Placed) {
  const replaces = settings.isDav === true && placed.policy === "overwrite";
  return <T extends Committed>(work: (policy: ConflictPolicy) => Promise<T>): Promise<T> => {
    return replaces ? inPlaceOf(operations, placed, work) : work(placed.policy);
  };
}

/** Works on a whole tree once there is a place for it, until the client disconnects. */
export async function transfer<T>(
  { transfers }: UploadSite,
  request: Request,
  { remoteAddress }: Context,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const left = new AbortController();
  using _watch = whenClientLeaves(request, () => left.abort(new HttpError(400, "The client has disconnected")));
  using _place = await transfers.enter(clientOf(remoteAddress, request.headers), left.signal);
  return await work(left.signal);
}

/** Preconditions are about the original; only Overwrite and `?on-conflict=` are about the destination. */
function destinationWish(site: UploadSite, { headers }: Request, context: Context, to: SitePath): Wish {
  const overwrite = headers.get("overwrite");
  const asked = new Headers(overwrite === null ? {} : { overwrite });
  return withinRights(site, context, to, wishOf(asked, context.target.query, site.settings.onConflict));
}

function isShallow(depth: string | null): boolean {
  const value = depth?.trim().toLowerCase() ?? "infinity";
  if (value !== "0" && value !== "infinity") throw new HttpError(400, "Depth is neither 0 nor infinity");
  return value === "0";
}

function transferred(site: UploadSite, request: Request, context: Context, result: Committed): Response {
  const location = locationFor(context, result.path, { slash: result.stat.kind === "directory" });
  if (wantsJson(request)) return Response.json(describeStored(site, context, result), { headers: { location } });
  return new Response(null, { status: result.replaced ? 204 : 201, headers: { location } });
}

/** Throws if a precondition fails, or if the path has a trailing slash but is not a directory. */
async function checkTarget(site: UploadSite, request: Request, context: Context): Promise<{ expected?: string }> {
  const { target } = context;
  if (target.path.parent === null) throw new HttpError(403, "The root can be neither deleted, moved nor copied");
  const known = operationsFor(site, request, context).known(targetRight(request.method));
  const isMissing = target.slash && (await known.stat(target.path))?.kind !== "directory";
  if (isMissing) throw writeError(new WriteRefused("absent"), target.path);
  const expected = await checkPreconditions(site, request, context);
  return expected === undefined ? {} : { expected };
}
