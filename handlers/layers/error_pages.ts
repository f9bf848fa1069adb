/**
 * Error pages in HTML, and in JSON for programs.
 *
 * @module
 */

import { varyBy } from "../http/vary.ts";
import { then } from "../core/awaitable.ts";
import { accepts } from "@std/http/negotiation";
import { failureOf, type HttpError, markFailure, statusText } from "../core/errors.ts";
import { escapeJson } from "../http/escape.ts";
import { relativeReference } from "../http/relative.ts";
import { SitePath } from "../http/target.ts";
import { errorPage, PAGE_HEADERS } from "../page/error_page.ts";
import { internalsOf } from "../core/internals.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import type { Awaitable, Context, Handler, Layer } from "../core/types.ts";

/** Options of {@linkcode errorPages}. */
export interface ErrorPagesOptions {
  /**
   * Answers instead of the built-in page if nothing is found (404), for clients that ask for HTML; null for the
   * built-in one. See `notFoundPage`. The status stays 404.
   */
  readonly notFound?: Handler;
}

/**
 * A layer that renders bare error responses: as HTML for clients that ask for it, as browsers do; as RFC 9457 problem
 * details (`application/problem+json`: `{"status":404,"title":"Not Found","detail":"File not found"}` and any extension
 * members) for clients that prefer JSON; otherwise as a line of plain text. Does not change error responses made by a
 * handler itself.
 *
 * Shows the message of the error, never its cause.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorPages, settle, toFetch, wrap } from "@x/pyserve";
 *
 * const fetch = toFetch(wrap(settle(() => null), errorPages()));
 * const response = await fetch(new Request("http://localhost/", { headers: { accept: "application/json" } }));
 * assert((await response.json()).title === "Not Found");
 * ```
 *
 * @category Layers
 */
export function errorPages({ notFound }: ErrorPagesOptions = {}): Layer {
  return passedByErrors("errorPages", (next) => (request, context) => {
    return then(next(request, context), (response) => response && withErrorPage(request, context, response, notFound));
  });
}
makesLayers(errorPages);

/** Renders a bare error response; returns any other response unchanged. */
export function withErrorPage(
  request: Request,
  context: Context,
  response: Response,
  notFound?: Handler,
): Awaitable<Response> {
  const failure = failureOf(response);
  return failure ? dressed(request, context, response, { error: failure, notFound }) : response;
}

/** RFC 9457 section 3: also sent to clients that accept application/json only, because it is JSON. */
const PROBLEM = "application/problem+json";

/** For errors below a share, whose URL is as good as a password. */
const NO_REFERRER = ["referrer-policy", "no-referrer"] as const;

/** What is wrong, and what answers if nothing is found. */
interface Failure {
  readonly error: HttpError;
  readonly notFound: Handler | undefined;
}

function dressed(request: Request, context: Context, bare: Response, failure: Failure): Awaitable<Response> {
  const accepted = accepts(request, "text/plain", "text/html", PROBLEM, "application/json");
  const { notes: { start = SitePath.root } } = internalsOf(context);
  varyBy(bare.headers, "accept");
  if (start !== SitePath.root) bare.headers.set(...NO_REFERRER);
  if (accepted === undefined || accepted === "text/plain") return bare;
  const { error, notFound } = failure;
  const builtIn = () => {
    const text = accepted === "text/html" ? html(request, error, context, start) : json(error);
    return rendered(request, bare, error, { text, isHtml: accepted === "text/html", isStart: start === SitePath.root });
  };
  if (accepted !== "text/html" || error.status !== 404 || notFound === undefined) return builtIn();
  return then(asked(notFound, request, context), (page) => page ? inPlaceOf(bare, page, error) : builtIn());
}

/** The built-in page, or problem details. */
function rendered(
  request: Request,
  bare: Response,
  error: HttpError,
  { text, isHtml, isStart }: { readonly text: string; readonly isHtml: boolean; readonly isStart: boolean },
): Response {
  const body = new TextEncoder().encode(text);
  const headers = new Headers(bare.headers);
  headers.set("content-type", isHtml ? "text/html; charset=utf-8" : PROBLEM);
  headers.set("content-length", String(body.length));
  if (isHtml) { for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value); }
  if (!isStart) headers.set(...NO_REFERRER);
  bare.body?.cancel().catch(() => {});
  const { status } = bare;
  return markFailure(new Response(request.method === "HEAD" ? null : body, { status, headers }), error);
}

/** The answer of a handler; null if it declines or fails, which the log tells. */
function asked(handler: Handler, request: Request, context: Context): Awaitable<Response | null> {
  const failed = (thrown: unknown) => {
    context.log.error(`Cannot send the page for status 404 at ${context.target.raw}`, thrown);
    return null;
  };
  try {
    const answer = handler(request, context);
    return answer instanceof Promise ? answer.catch(failed) : answer;
  } catch (thrown) {
    return failed(thrown);
  }
}

/** What is about this page, and not about a status of 200. */
const OF_SUCCESS = ["accept-ranges", "content-range", "etag", "last-modified"];

/** A page in place of a bare error response, with the headers that all errors have. */
function inPlaceOf(bare: Response, page: Response, error: HttpError): Response {
  const { status } = bare;
  const headers = new Headers(page.headers);
  for (const name of OF_SUCCESS) headers.delete(name);
  for (const name of ["cache-control", NO_REFERRER[0]]) {
    const value = bare.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  varyBy(headers, "accept");
  bare.body?.cancel().catch(() => {});
  return markFailure(new Response(page.body, { status, headers }), error);
}

function html(
  { method }: Request,
  { status, message, details }: HttpError,
  { requestTarget, target }: Context,
  to: SitePath | null,
): string {
  const start = to && relativeReference(requestTarget, to, { slash: true });
  const form = method === "POST" && target.slash ? "./" : null;
  const phrase = statusText(status);
  return errorPage({ status, phrase, message, details, start, form, isShared: to !== SitePath.root });
}

function json(error: HttpError): string {
  const { status, message, problem, details } = error;
  const members = { ...problem, status, title: statusText(status), detail: message, ...(details && { details }) };
  return escapeJson(JSON.stringify(members)) + "\n";
}
