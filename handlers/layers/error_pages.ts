/**
 * Error pages in HTML, and in JSON for programs.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { accepts } from "@std/http/negotiation";
import { failureOf, type HttpError, markFailure, statusText } from "../core/errors.ts";
import { escapeJson } from "../http/escape.ts";
import { relativeReference } from "../http/relative.ts";
import { SitePath } from "../http/target.ts";
import { errorPage, PAGE_HEADERS } from "../page/error_page.ts";
import { internalsOf } from "../core/internals.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import type { Context, Layer } from "../core/types.ts";

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
export function errorPages(): Layer {
  return passedByErrors("errorPages", (next) => (request, context) => {
    return then(next(request, context), (response) => response && withErrorPage(request, context, response));
  });
}
makesLayers(errorPages);

/** Renders a bare error response; returns any other response unchanged. */
export function withErrorPage(request: Request, context: Context, response: Response): Response {
  const failure = failureOf(response);
  return failure ? dressed(request, context, response, failure) : response;
}

/** RFC 9457 section 3: also sent to clients that accept application/json only, because it is JSON. */
const PROBLEM = "application/problem+json";

/** For errors below a share, whose URL is as good as a password. */
const NO_REFERRER = ["referrer-policy", "no-referrer"] as const;

function dressed(request: Request, context: Context, bare: Response, error: HttpError): Response {
  const accepted = accepts(request, "text/plain", "text/html", PROBLEM, "application/json");
  const { notes: { start = SitePath.root } } = internalsOf(context);
  bare.headers.append("vary", "accept");
  if (start !== SitePath.root) bare.headers.set(...NO_REFERRER);
  if (accepted === undefined || accepted === "text/plain") return bare;
  const body = new TextEncoder().encode(accepted === "text/html" ? html(error, context, start) : json(error));
  const headers = new Headers(bare.headers);
  headers.set("content-type", accepted === "text/html" ? "text/html; charset=utf-8" : PROBLEM);
  headers.set("content-length", String(body.length));
  if (accepted === "text/html") { for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value); }
  if (start !== SitePath.root) headers.set(...NO_REFERRER);
  bare.body?.cancel().catch(() => {});
  const { status } = bare;
  return markFailure(new Response(request.method === "HEAD" ? null : body, { status, headers }), error);
}

function html({ status, message, details }: HttpError, { requestTarget }: Context, to: SitePath | null): string {
  const start = to && relativeReference(requestTarget, to, { slash: true });
  return errorPage({ status, phrase: statusText(status), message, details, start, isShared: to !== SitePath.root });
}

function json(error: HttpError): string {
  const { status, message, problem, details } = error;
  const members = { ...problem, status, title: statusText(status), detail: message, ...(details && { details }) };
  return escapeJson(JSON.stringify(members)) + "\n";
}
