/**
 * Turns the reply of a program into a response.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { CgiHeaderParser, type ScriptHead } from "./header_block.ts";

/** Hop-by-hop fields (RFC 9110 section 7.6.1), and fields that the server generates itself. */
const NOT_FORWARDED = new Set([
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

/** Statuses without a body: `new Response` throws if given one. */
const NULL_BODY = new Set([204, 205, 304]);

/**
 * Reads the output of a program up to the end of its header.
 *
 * @param read Returns the next chunk of output, null at the end.
 * @throws {HttpError} 502 for a malformed or incomplete header.
 */
export async function readHead(read: () => Promise<Uint8Array<ArrayBuffer> | null>): Promise<ScriptHead> {
  const parser = new CgiHeaderParser();
  for (;;) {
    const bytes = await read();
    const verdict = bytes === null ? parser.end() : parser.push(bytes);
    if (verdict instanceof Refusal) throw HttpError.from(verdict);
    if (verdict !== null) return verdict;
  }
}

/** Whether the response has a body. If not, the caller discards the program's remaining output. */
export function hasBody(request: Request, head: ScriptHead): boolean {
  return request.method !== "HEAD" && !NULL_BODY.has(head.status);
}

/**
 * Builds the response from the header printed by a program. Each Set-Cookie stays a separate field; hop-by-hop fields,
 * Date and Server are dropped. The program's Content-Length is sent: the runtime truncates a longer body, and aborts
 * the response if the body is shorter.
 *
 * It neither reads nor cancels the body.
 *
 * @param body The body, including `head.rest`; null if {@linkcode hasBody} returns false.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { CgiHeaderParser } from "./header_block.ts";
 * import { Refusal } from "@x/pyserve/http";
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
    if (NOT_FORWARDED.has(lower)) continue;
    // Programs print a second Content-Type to override the first.
    if (lower === "content-type") headers.set(name, value);
    else headers.append(name, value);
  }
  // RFC 9110 section 8.6: never with 204; with HEAD and 304, the length of the response to a GET.
  if (head.contentLength !== null && head.status !== 204 && head.status !== 205) {
    headers.set("content-length", String(head.contentLength));
  }
  return new Response(hasBody(request, head) ? body : null, { status: head.status, headers });
}
