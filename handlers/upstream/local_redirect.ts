/**
 * Local redirects: a program names a path of this site, whose response is sent (RFC 3875 section 6.2.2).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget } from "../http/target.ts";
import { type Context, derive, type Handler } from "../core/types.ts";

/** Maximum number of local redirects in a row: Apache's LimitInternalRecursion. */
const MOST_HOPS = 10;

/** The origin of a request that a local redirect made. */
export interface Redirected {
  /** The request as the client sent it. */
  readonly original: Request;
  /** The path it was sent on from, as sent and without the query: REDIRECT_URL. */
  readonly from: string;
  /** How many times it was sent on. */
  readonly hops: number;
}

const redirected = new WeakMap<Request, Redirected>();

/** The origin of a request, or null where a client sent it. */
export function redirectedFrom(request: Request): Redirected | null {
  return redirected.get(request) ?? null;
}

/**
 * Asks the site for the path that a program named, as GET (or HEAD) without a body.
 *
 * @throws {HttpError} 404 where nothing is there, 502 where the path is none, or where programs send a request on and on.
 */
export async function followLocalRedirect(
  location: string,
  request: Request,
  context: Context,
  answer: Handler,
): Promise<Response> {
  const before = redirectedFrom(request);
  const hops = (before?.hops ?? 0) + 1;
  if (hops > MOST_HOPS) throw new HttpError(502, `The programs sent the request on more than ${MOST_HOPS} times`);
  const raw = location.replace(/#.*/s, "");
  const target = parseTarget(raw);
  if (target instanceof Refusal) throw new HttpError(502, "The program sent the request on to what is no path");
  const below = target.path.below(context.base);
  if (below === null) throw new HttpError(502, "The program sent the request on to a path outside of its mount");
  const next = new Request(origin(request) + raw, { method: methodOf(request), headers: headersOf(request) });
  redirected.set(next, {
    original: before?.original ?? request,
    from: context.target.raw.replace(/[?#].*/s, ""),
    hops,
  });
  const response = await answer(next, derive(context, { target: { ...target, path: below } }));
  // Declining would let the next handler send the source of the program.
  if (response === null) throw new HttpError(404);
  return response;
}

function methodOf({ method }: Request): string {
  return method === "HEAD" ? "HEAD" : "GET";
}

/** The header without what describes the body, which is not sent on. */
function headersOf(request: Request): Headers {
  const headers = new Headers(request.headers);
  for (const name of ["content-length", "content-type", "content-encoding", "transfer-encoding", "expect"]) {
    headers.delete(name);
  }
  return headers;
}

function origin({ url }: Request): string {
  const start = url.indexOf("://") + 3;
  const end = url.slice(start).search(/[/?#]/);
  return end < 0 ? url : url.slice(0, start + end);
}
