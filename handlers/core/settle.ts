/**
 * Ensures that every request gets a response.
 *
 * @module
 */

import { then } from "./awaitable.ts";
import { errorResponse, failureOf, HttpError, markFailure, toHttpError } from "./errors.ts";
import { closedIfUnread, dropBody, hasMuchContent, wholeResponse } from "./unread_body.ts";
import { notAnAnswer, originOf, requireFunction } from "./origin.ts";
import { internalsOf } from "./internals.ts";
import type { Awaitable, Context, Handler } from "./types.ts";

/**
 * A handler that never declines and never throws.
 *
 * @category Composition
 */
export type SettledHandler = (request: Request, context: Context) => Awaitable<Response>;

/**
 * Makes a handler always respond: null becomes 404, a thrown error its status, and a refused request
 * (`context.refusal`) its 4xx before the handler sees it. Errors with status 500 and above are logged with their cause,
 * which is never shown to the client.
 *
 * Apply it inside the layers, so that they see error responses, too; `toFetch` responds to whatever is still declined
 * outside of them.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { settle, toFetch } from "@x/pyserve";
 *
 * const response = await toFetch(settle(() => null))(new Request("http://localhost/"));
 * assert(response.status === 404);
 * await response.body?.cancel();
 * ```
 *
 * @category Composition
 */
export function settle(handler: Handler): SettledHandler {
  requireFunction(handler, "the handler of settle");
  const answer = answering((request, context) => {
    if (context.refusal) throw HttpError.from(context.refusal);
    return handler(request, context);
  }, handler.name);
  return neverDeclining(answer);
}

/**
 * Handlers known never to decline, as returned to the library's users, and the same without the check of their context.
 * What comes after one in a chain is a mistake, which is reported.
 */
const settled = new WeakMap<Handler, Handler>();

/** Marks a handler that never declines; the result reports a call without a context, which is a forgotten `toFetch`. */
export function neverDeclining(handler: SettledHandler): SettledHandler {
  const checked = withContext(handler);
  settled.set(checked, handler);
  return checked;
}

/** The handler without the check of its context, for `toFetch`, which passes one. */
export function unchecked(handler: Handler): Handler {
  return settled.get(handler) ?? handler;
}

/** Responds with 500 to a server that takes the handler for a fetch function, and says so once. */
function withContext(handler: SettledHandler): SettledHandler {
  let isTold = false;
  return (request, context) => {
    if (context?.may !== undefined) return handler(request, context);
    // deno-lint-ignore no-console
    if (!isTold) console.error("Cannot serve a handler: wrap it in toFetch(), as in Deno.serve(toFetch(handler))");
    isTold = true;
    return errorResponse(new HttpError(500));
  };
}

/** Whether a handler is known never to decline. */
export function isSettled(handler: Handler): boolean {
  return settled.has(handler);
}

/**
 * Responds to whatever all layers decline. A refused request passes through the layers, so that it is logged and gets
 * headers like any other; a response to it that is not an error is replaced.
 */
export function settleLast(handler: Handler): SettledHandler {
  return answering(handler, handler.name);
}

function answering(handler: Handler, name: string): SettledHandler {
  const title = name === "" ? "the handler" : `handler "${name}"`;
  return (request, context) => {
    try {
      const answer = handler(request, context);
      if (!(answer instanceof Promise)) return finish(request, context, answer, title);
      return answer.then(
        (late) => finish(request, context, late, title),
        (thrown) => finish(request, context, failed(thrown, request, context), title),
      );
    } catch (thrown) {
      return finish(request, context, failed(thrown, request, context), title);
    }
  };
}

function failed(thrown: unknown, request: Request, context: Context): Response {
  const error = toHttpError(thrown);
  // A missing Deno permission is the operator's error, not the client's: the log names the flag.
  const forbidden = error.cause instanceof Deno.errors.NotCapable;
  if (forbidden || (error.status >= 500 && error.cause !== undefined)) {
    const origin = originOf(thrown);
    const by = origin === "" ? "" : `: ${origin} failed`;
    context.log.error(`Cannot answer ${request.method} ${context.target.raw}${by}`, error.cause);
  }
  return errorResponse(error);
}

/** The most frequent error, created once because capturing a stack trace is slow. */
const NOT_FOUND = new HttpError(404);
const NOTHING = errorResponse(NOT_FOUND);

function finish(request: Request, context: Context, answer: Response | null, title: string): Awaitable<Response> {
  const { notes } = internalsOf(context);
  if (answer !== null && answer === notes.finished) return answer;
  const isAnswer = answer === null || answer instanceof Response;
  const given = isAnswer ? answer : failed(notAnAnswer(title, answer), request, context);
  return then(suited(request, context, answered(context, given)), (response) => notes.finished = response);
}

/** Reconciles the response with the bodies of request and response. */
function suited(request: Request, context: Context, response: Response): Awaitable<Response> {
  if (request.method === "HEAD") return withoutBody(response, context);
  if (failureOf(response) !== null) return closedIfUnread(request, response);
  if (response.status === 304) return response;
  if (request.method === "GET") return hasMuchContent(request) ? whole(request, response) : response;
  return isUnread(request, response) ? whenDropped(request, response) : response;
}

function whole(request: Request, response: Response): Awaitable<Response> {
  if (response.body === null) return response;
  return wholeResponse(request, response).catch((thrown) => errorResponse(toHttpError(thrown)));
}

/** Whether part of the request body is unread and the response may be a stream. */
function isUnread(request: Request, response: Response): boolean {
  if (request.bodyUsed) return false;
  const { body } = request;
  return body !== null && !body.locked && response.body !== null && response.body !== body;
}

async function whenDropped(request: Request, response: Response): Promise<Response> {
  try {
    await dropBody(request.body!);
    return response;
  } catch (thrown) {
    response.body?.cancel().catch(() => {});
    return closedIfUnread(request, errorResponse(toHttpError(thrown)));
  }
}

/** The response to a refused request must be an error. */
function answered({ refusal }: Context, answer: Response | null): Response {
  if (answer !== null && (refusal === null || answer.status >= 400)) return answer;
  answer?.body?.cancel().catch(() => {});
  return refusal ? errorResponse(HttpError.from(refusal)) : markFailure(NOTHING.clone(), NOT_FOUND);
}

/** Responses to any method that never have content. */
const WITHOUT_CONTENT: readonly number[] = [101, 204, 205, 304];

/** Whether GET would send content whose length is only known at its end. */
function hasUnknownLength({ status, headers }: Response): boolean {
  return !WITHOUT_CONTENT.includes(status) && headers.has("content-type") && !headers.has("content-length");
}

/** For null, the runtime would send `Content-Length: 0` over HTTP/1, which is not what GET has (RFC 9110 section 8.6). */
function emptyStream(): ReadableStream<never> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

/**
 * HEAD never has content (RFC 9110 section 9.3.2). The runtime drops it, but direct callers such as tests would see it.
 */
function withoutBody(response: Response, context: Context): Response {
  const isUnmeasured = internalsOf(context).cutsAtLength && hasUnknownLength(response);
  if (response.body === null && !isUnmeasured) return response;
  response.body?.cancel().catch(() => {});
  const bare = new Response(isUnmeasured ? emptyStream() : null, {
    status: response.status,
    headers: response.headers,
  });
  const failure = failureOf(response);
  return failure ? markFailure(bare, failure) : bare;
}
