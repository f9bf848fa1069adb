/**
 * Answers that a program wants to be those of another path of the site.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { Site } from "../feature.ts";
import { parseTarget } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { type Context, derive } from "../types.ts";

/** How many redirects may follow one another: Apache's LimitInternalRecursion. */
const MAX_DEPTH = 10;

/** Where a request that a redirect has made comes from. */
interface Origin {
  readonly url: string;
  readonly depth: number;
}

const origins = new WeakMap<Request, Origin>();

/** The path that a local redirect came from, for REDIRECT_URL; null for a request as it was sent. */
export function redirectUrlOf(request: Request): string | null {
  return origins.get(request)?.url ?? null;
}

/**
 * Answers a local redirect (RFC 3875 section 6.2.2): as the site would a GET of its target, or a HEAD where the request is
 * one, with the headers of the request but without its body.
 *
 * @param location A path of the server, with its query; what mounts take off stands in front of it.
 * @throws {HttpError} 502 where the target is none, or after ten redirects in a row; 404 where nothing is there.
 */
export async function followLocally(
  site: Site,
  request: Request,
  context: Context,
  location: string,
): Promise<Response> {
  const depth = (origins.get(request)?.depth ?? 0) + 1;
  if (depth > MAX_DEPTH) throw new HttpError(502, "The program redirects for ever");
  const target = parseTarget(location);
  if (target instanceof Refusal) throw new HttpError(502, `The program redirects to a bad target: ${target.reason}`);
  const path = target.path.below(context.base);
  if (path === null) throw new HttpError(404);
  const redirected = redirectedRequest(request, target.raw);
  origins.set(redirected, { url: context.base.join(context.target.path).text, depth });
  const response = await site.answer(redirected, derive(context, { target: { ...target, path } }));
  if (response === null) throw new HttpError(404);
  return response;
}

function redirectedRequest(request: Request, raw: string): Request {
  const headers = new Headers(request.headers);
  for (const name of ["content-length", "content-type", "content-encoding", "transfer-encoding"]) headers.delete(name);
  const authority = /^[^:]+:\/\/[^/?#]*/.exec(request.url)![0];
  return new Request(authority + raw, { method: request.method === "HEAD" ? "HEAD" : "GET", headers });
}
