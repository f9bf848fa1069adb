/**
 * Request bodies that no handler reads, or can read.
 *
 * While Deno 2.9 sends a streaming response, it keeps reading the request and buffers it without limit; it does neither
 * before there is a response nor while it sends a buffered one.
 *
 * @module
 */

import { hasUnreadBody, IncompleteBody, readBody } from "./request_body.ts";
import { HttpError } from "./errors.ts";

/** Maximum content of a GET request, in bytes: as much as connections buffer anyway. */
const MAX_IGNORED_BYTES = 65_536;

/** Maximum size of a response that is buffered, in bytes. */
const MAX_WHOLE_BYTES = 65_536;

/** Maximum number of discarded body bytes, and the timeout in milliseconds. */
const MAX_DROPPED_BYTES = 1_048_576;
const MAX_MS = 5_000;

/** The connection cannot be reused: the next bytes are the rest of a body (RFC 9112 section 9.3). */
const CLOSED = { connection: "close" };

/** Sets `Connection: close` on the response if the request body was not fully read. */
export function closedIfUnread(request: Request, response: Response): Response {
  if (request.method !== "GET" && hasUnreadBody(request)) response.headers.set("connection", "close");
  return response;
}

/** Whether a GET request has content that is large or of unknown length; Deno does not expose it to handlers. */
export function hasMuchContent({ headers }: Request): boolean {
  return headers.has("transfer-encoding") || Number(headers.get("content-length")) > MAX_IGNORED_BYTES;
}

/**
 * Buffers a streaming response.
 *
 * @throws HttpError 411 or 413, depending on the request, if the response exceeds 64 KiB or has unknown length.
 */
export async function wholeResponse({ headers: requested }: Request, response: Response): Promise<Response> {
  const { status, headers, body } = response;
  const length = headers.get("content-length");
  if (length !== null && Number(length) <= MAX_WHOLE_BYTES) {
    return new Response(await response.bytes(), { status, headers });
  }
  body?.cancel().catch(() => {});
  if (requested.has("transfer-encoding")) {
    throw new HttpError(411, "A GET request with content must have a Content-Length", { headers: CLOSED });
  }
  const message = `The content of a GET request is ignored and limited to ${MAX_IGNORED_BYTES} bytes`;
  throw new HttpError(413, message, { headers: CLOSED });
}

/**
 * Reads and discards a request body before the response is sent.
 *
 * @throws {HttpError} 413 if the body exceeds 1 MiB, 408 if it takes more than 5 seconds.
 */
export async function dropBody(body: ReadableStream<Uint8Array>): Promise<void> {
  const limits = { max: MAX_DROPPED_BYTES, stallMs: MAX_MS, minRate: Infinity };
  try {
    for await (const _ of readBody(body, limits));
  } catch (error) {
    const isBroken = error instanceof IncompleteBody && error.status !== 408;
    if (!isBroken) throw error; // a broken body means that the client has disconnected
  }
}
