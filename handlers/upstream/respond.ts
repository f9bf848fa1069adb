/**
 * From what a program says about its answer to the response.
 *
 * @module
 */

import type { ScriptHead } from "./header_block.ts";

/** What is said to this server or by it, and not by the program (RFC 9110 section 7.6.1). */
const NOT_ITS_OWN = new Set([
  "connection",
  "date",
  "keep-alive",
  "proxy-authenticate",
  "proxy-connection",
  "server",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** With these there is no body, and `new Response` throws where it is given one. */
const NULL_BODY = new Set([204, 205, 304]);

/**
 * Whether the answer to a request has a body at all. Where it has not, whoever runs the program lets it finish, and
 * throws away what it prints.
 */
export function hasBody(request: Request, head: ScriptHead): boolean {
  return request.method !== "HEAD" && !NULL_BODY.has(head.status);
}

/**
 * The response that a program means. Headers are appended, so that each Set-Cookie stays a line of its own; those of the
 * connection, Date and Server are left out. A Content-Length that the program gave is sent: the runtime cuts a longer body
 * and breaks off a shorter one.
 *
 * It neither reads nor cancels the body.
 *
 * @param body What follows the header, `head.rest` included; null where {@linkcode hasBody} says no.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { CgiHeaderParser, Refusal, scriptResponse } from "@x/pyserve";
 *
 * const head = new CgiHeaderParser().push(new TextEncoder().encode("Status: 204\nSet-Cookie: a=1\nSet-Cookie: b=2\n\n"));
 * assert(head !== null && !(head instanceof Refusal));
 * const response = scriptResponse(new Request("http://localhost/"), head, null);
 * assert(response.status === 204 && response.headers.getSetCookie().length === 2);
 * ```
 */
export function scriptResponse(
  request: Request,
  head: ScriptHead,
  body: ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer> | null,
): Response {
  const headers = new Headers();
  for (const [name, value] of head.headers) {
    const lower = name.toLowerCase();
    if (NOT_ITS_OWN.has(lower)) continue;
    // Two types are none; programs print a second one to correct the first.
    if (lower === "content-type") headers.set(name, value);
    else headers.append(name, value);
  }
  // RFC 9110 section 8.6: never with 204; with HEAD and 304 it is the length that a GET would have had.
  if (head.contentLength !== null && head.status !== 204 && head.status !== 205) {
    headers.set("content-length", String(head.contentLength));
  }
  return new Response(hasBody(request, head) ? body : null, { status: head.status, headers });
}
