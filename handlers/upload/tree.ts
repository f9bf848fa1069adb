/**
 * MKCOL, DELETE and MOVE: changes to directories and existing files (RFC 9110 section 9.3.5, RFC 4918 sections 9.3 and
 * 9.9).
 *
 * @module
 */

import { readBody } from "../core/request_body.ts";
import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, rawTarget, type SitePath } from "../http/target.ts";
import { locationFor } from "../core/location.ts";
import { WriteRefused } from "../sources/writer.ts";
import type { Context } from "../core/types.ts";
import { describeStored, wantsJson } from "./answers.ts";
import { wishOf } from "./conflict.ts";
import { isOwnUrl } from "./origin.ts";
import { checkPreconditions } from "./put.ts";
import { nameTaken, writeError } from "./refusals.ts";
import { METHODS, methodsOf, requireName, requireRight } from "./rights.ts";
import type { Store } from "./store.ts";

export async function makeDirectory(store: Store, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  for await (const _ of readBody(request.body, { stallMs: store.settings.stallMs })) {
    throw new HttpError(415, "A directory has no content"); // RFC 4918 section 9.3
  }
  try {
    if (path.parent === null) throw new WriteRefused("taken");
    await (await store.writer()).makeDirectory(path);
  } catch (error) {
    if (!(error instanceof WriteRefused && error.problem === "taken")) throw writeError(error, path);
    // RFC 4918 section 9.3.1 requires 405, which requires Allow.
    const rightful = methodsOf(store.settings.rights).filter((method) => context.may(METHODS[method]!, path));
    throw new HttpError(405, nameTaken(path), {
      headers: { allow: ["GET", "HEAD", "OPTIONS", ...rightful].join(", ") },
      problem: { name: path.name },
    });
  }
  const location = locationFor(context, path, { slash: true });
  return new Response(null, { status: 201, headers: { location } });
}

/** Deletes a file, a link or a directory; a non-empty one only with `?recursive`. */
export async function remove(store: Store, request: Request, context: Context): Promise<Response> {
  const { path, query } = context.target;
  const expected = await checkTarget(store, request, context);
  const recursive = new URLSearchParams(query).has("recursive");
  try {
    await (await store.writer()).remove(path, { recursive, ...(expected !== undefined && { expected }) });
  } catch (error) {
    throw writeError(error, path);
  }
  return new Response(null, { status: 204 });
}

/** Moves a file or directory. */
export async function move(store: Store, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  const to = destinationOf(request, context);
  const expected = await checkTarget(store, request, context);
  // The preconditions apply to the source; Overwrite covers the destination.
  const headers = new Headers([...request.headers].filter(([name]) => !name.startsWith("if-")));
  const { policy, status } = wishOf(headers, context.target.query, store.settings.onConflict);
  requireName(context, to, policy);
  try {
    const paths = await store.pathsFor(to, policy);
    const options = { paths, replace: policy === "overwrite" };
    const moved = await (await store.writer()).move(path, options, expected === undefined ? {} : { expected });
    const location = locationFor(context, moved.path, { slash: moved.stat.kind === "directory" });
    if (wantsJson(request)) return Response.json(describeStored(store, context, moved), { headers: { location } });
    return new Response(null, { status: moved.replaced ? 204 : 201, headers: { location } });
  } catch (error) {
    throw writeError(error, to, status);
  }
}

/** Throws if a precondition fails, or if the path has a trailing slash but is not a directory. */
async function checkTarget(store: Store, request: Request, context: Context): Promise<string | undefined> {
  requireRight(store.settings.rights, "change", context);
  const { target } = context;
  if (target.path.parent === null) throw new HttpError(403, "The root can be neither deleted nor moved");
  if (target.slash && (await store.source.stat(target.path))?.kind !== "directory") throw new HttpError(404);
  return await checkPreconditions(store, request, target.path);
}

/** The path in a Destination header: on this server, and below the same mount. */
function destinationOf(request: Request, { base, hosts }: Context): SitePath {
  const destination = request.headers.get("destination");
  if (destination === null) throw new HttpError(400, "Destination is missing");
  const isPath = /^\/(?!\/)/.test(destination);
  const url = isPath ? null : URL.parse(destination);
  if (!isPath && (!url || !/^https?:$/.test(url.protocol))) throw new HttpError(400, "Destination is not a URL");
  if (url && !isOwnUrl(destination, request.url, hosts)) throw new HttpError(502, "Destination is on another server");
  const target = parseTarget(isPath ? destination : rawTarget(destination));
  if (target instanceof Refusal) throw HttpError.from(target);
  const path = target.path.below(base);
  if (path === null || path.parent === null) throw new HttpError(403, "The destination cannot be written");
  return path;
}
