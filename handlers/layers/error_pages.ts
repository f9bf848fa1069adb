/**
 * Errors as pages for people and as JSON for programs.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { failureOf, type HttpError, markFailure, statusText } from "../errors.ts";
import { escapeJson } from "../http/escape.ts";
import { relativeReference } from "../http/relative.ts";
import { SitePath } from "../http/target.ts";
import { errorPage, PAGE_HEADERS } from "../page/error_page.ts";
import type { Context, Layer } from "../types.ts";

/**
 * A layer that makes a page of the bare response of an error: HTML for clients that ask for it, as browsers do, and for
 * those that prefer JSON a problem of RFC 9457 (`application/problem+json`:
 * `{"status":404,"title":"Not Found","detail":"File not found"}` and what else the error says). All others keep the line
 * of plain text. A handler's own response with an error status is left alone.
 *
 * It shows the message of the error, and nothing of its cause.
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
 */
export function errorPages(): Layer {
  return (next) => (request, context) => {
    const answer = next(request, context);
    if (answer instanceof Promise) return answer.then((late) => late && withErrorPage(request, context, late));
    return answer && withErrorPage(request, context, answer);
  };
}

/** The page of an error in place of its bare response; any other response as it is. */
export function withErrorPage(request: Request, context: Context, response: Response): Response {
  const failure = failureOf(response);
  return failure ? dressed(request, context, response, failure) : response;
}

/** RFC 9457 section 3: also for those who ask for JSON only, for that is what it is. */
const PROBLEM = "application/problem+json";

function dressed(request: Request, { requestTarget }: Context, bare: Response, error: HttpError): Response {
  const accepted = accepts(request, "text/plain", "text/html", PROBLEM, "application/json");
  bare.headers.append("vary", "accept");
  if (accepted === undefined || accepted === "text/plain") return bare;
  const body = new TextEncoder().encode(accepted === "text/html" ? html(error, requestTarget) : json(error));
  const headers = new Headers(bare.headers);
  headers.set("content-type", accepted === "text/html" ? "text/html; charset=utf-8" : PROBLEM);
  headers.set("content-length", String(body.length));
  if (accepted === "text/html") { for (const [name, value] of Object.entries(PAGE_HEADERS)) headers.set(name, value); }
  bare.body?.cancel().catch(() => {});
  const { status } = bare;
  return markFailure(new Response(request.method === "HEAD" ? null : body, { status, headers }), error);
}

function html({ status, message, details }: HttpError, requestTarget: string): string {
  const start = relativeReference(requestTarget, SitePath.root);
  return errorPage({ status, phrase: statusText(status), message, details, start });
}

function json(error: HttpError): string {
  const { status, message, problem, details } = error;
  const members = { ...problem, status, title: statusText(status), detail: message, ...(details && { details }) };
  return escapeJson(JSON.stringify(members)) + "\n";
}
