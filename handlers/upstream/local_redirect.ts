/**
 * Local redirects: a program names a path of this site, whose response is sent instead (RFC 3875 section 6.2.2).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, rawOrigin } from "../http/target.ts";
import { derive } from "../core/derive.ts";
import type { Context, Handler } from "../core/types.ts";

/** Maximum number of consecutive local redirects, like Apache's LimitInternalRecursion. */
const MOST_HOPS = 10;

/** The origin of a request created by a local redirect. */
export interface Redirected {
  /** The request as the client sent it. */
  readonly original: Request;
  /** The path of the program that redirected, as sent and without the query: REDIRECT_URL. */
  readonly from: string;
  /** The number of redirects so far. */
  readonly hops: number;
}

const redirected = new WeakMap<Request, Redirected>();

/** The origin of a redirected request, or null if the client sent it. */
export function redirectedFrom(request: Request): Redirected | null {
  return redirected.get(request) ?? null;
}

/**
 * Requests the path named by a program, with GET (or HEAD) and no body.
 *
 * @throws {HttpError} 404 if nothing answers, 502 for an invalid path or too many redirects.
 */
export async function followLocalRedirect(
  location: string,
  request: Request,
  context: Context,
  answer: Handler,
): Promise<Response> {
  const before = redirectedFrom(request);
  const hops = (before?.hops ?? 0) + 1;
  if (hops > MOST_HOPS) throw new HttpError(502, `The programs redirected the request more than ${MOST_HOPS} times`);
  const raw = location.replace(/#.*/s, "");
  const target = parseTarget(raw);
  if (target instanceof Refusal) throw new HttpError(502, "The program redirected the request to an invalid path");
  const below = target.path.below(context.base);
  if (below === null) throw new HttpError(502, "The program redirected the request to a path outside of its mount");
  const next = new Request(rawOrigin(request.url) + raw, { method: methodOf(request), headers: headersOf(request) });
  redirected.set(next, {
    original: before?.original ?? request,
    from: context.target.raw.replace(/[?#].*/s, ""),
    hops,
  });
  const response = await answer(next, derive(context, { target: { ...target, path: below } }));
  // Declining would let the next handler serve the source of the program.
  if (response === null) throw new HttpError(404);
  return response;
}

function methodOf({ method }: Request): string {
  return method === "HEAD" ? "HEAD" : "GET";
}

/** The headers without those that describe the body, which is not passed on. */
function headersOf(request: Request): Headers {
  const headers = new Headers(request.headers);
  for (const name of ["content-length", "content-type", "content-encoding", "transfer-encoding", "expect"]) {
    headers.delete(name);
  }
  return headers;
}
