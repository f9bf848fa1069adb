/**
 * Bodies of requests that no handler has read, or can read.
 *
 * While Deno 2.9 sends a response that is a stream, it reads on, and keeps in memory all that comes, without bound. It does
 * not before there is a response, and not while it sends one that is all there.
 *
 * @module
 */

import { hasUnreadBody, IncompleteBody, readBody } from "./core/request_body.ts";
import { HttpError } from "./errors.ts";

/** Bytes of content that a GET request may bring along: as many as connections hold anyway. */
const MAX_IGNORED_BYTES = 65_536;

/** Bytes of a response that are kept until all are there. */
const MAX_WHOLE_BYTES = 65_536;

/** Bytes of a body that are read and dropped, and milliseconds that this may take. */
const MAX_DROPPED_BYTES = 1_048_576;
const MAX_MS = 5_000;

/** The connection cannot be reused: the next bytes are the rest of a body (RFC 9112 section 9.3). */
const CLOSED = { connection: "close" };

/** A response with `Connection: close` where the body of the request was not read to its end. */
export function closedIfUnread(request: Request, response: Response): Response {
  if (request.method !== "GET" && hasUnreadBody(request)) response.headers.set("connection", "close");
  return response;
}

/** Whether a GET request comes with content that is long, or does not say how long it is; Deno gives it to no handler. */
export function hasMuchContent({ headers }: Request): boolean {
  return headers.has("transfer-encoding") || Number(headers.get("content-length")) > MAX_IGNORED_BYTES;
}

/**
 * A response that is all there, in place of one that comes bit by bit.
 *
 * @throws HttpError 411 or 413, as the request is, for a response of more than 64 KiB or of unknown length.
 */
export async function wholeResponse({ headers: asked }: Request, response: Response): Promise<Response> {
  const { status, headers, body } = response;
  const length = headers.get("content-length");
  if (length !== null && Number(length) <= MAX_WHOLE_BYTES) {
    return new Response(await response.bytes(), { status, headers });
  }
  body?.cancel().catch(() => {});
  if (asked.has("transfer-encoding")) {
    throw new HttpError(411, "A GET request with content has to say its length", { headers: CLOSED });
  }
  const message = `Content of a GET request is ignored, and may have ${MAX_IGNORED_BYTES} bytes at most`;
  throw new HttpError(413, message, { headers: CLOSED });
}

/**
 * Reads a body and drops it, so that a response can be sent.
 *
 * @throws {HttpError} 413 where the body has more than 1 MiB, 408 where it takes more than 5 seconds.
 */
export async function dropBody(body: ReadableStream<Uint8Array>): Promise<void> {
  const limits = { max: MAX_DROPPED_BYTES, stallMs: MAX_MS, minRate: Infinity };
  try {
    for await (const _ of readBody(body, limits));
  } catch (error) {
    const isBroken = error instanceof IncompleteBody && error.status !== 408;
    if (!isBroken) throw error; // the client of a broken body is gone
  }
}
