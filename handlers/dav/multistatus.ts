/**
 * Responses about many resources: 207 Multi-Status (RFC 4918 section 13).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { heldBody } from "../core/held_body.ts";
import type { Limiter } from "../core/limiter.ts";
import type { Context } from "../core/types.ts";
import { clientOf } from "../http/client.ts";
import { FileChanged } from "../sources/types.ts";

/** Size of the pieces in which a long response is sent. */
const PIECE_BYTES = 65_536;

/** How often a directory that is replaced during the first piece is read again. */
const ATTEMPTS = 5;

/** Headers of XML responses. */
export const XML_HEADERS: Readonly<Record<string, string>> = {
  "content-type": "application/xml; charset=utf-8",
  "cache-control": "no-cache",
  "x-content-type-options": "nosniff",
};

const DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n';

/** A document with one root element of the namespace `DAV:`. */
export function davDocument(name: string, content: string): string {
  return `${DECLARATION}<D:${name} xmlns:D="DAV:">${content}</D:${name}>\n`;
}

/** An error whose reason programs understand (RFC 4918 section 16). */
export function errorDocument(status: number, condition: string, content = ""): Response {
  const element = content === "" ? `<D:${condition}/>` : `<D:${condition}>${content}</D:${condition}>`;
  return new Response(davDocument("error", element), { status, headers: XML_HEADERS });
}

/** A short multi-status, complete in memory. */
export function multistatus(responses: string): Response {
  return new Response(davDocument("multistatus", responses), { status: 207, headers: XML_HEADERS });
}

/** Options of {@linkcode streamedMultistatus}. */
export interface StreamOptions {
  /** Limits how many long responses are sent concurrently, because each keeps a directory open. */
  readonly places: Limiter;
  /** Further headers. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * A multi-status of any length: a short one with its length, a longer one in pieces while its resources are read.
 *
 * @param responses Starts to read the resources; the result is their `response` elements.
 */
export async function streamedMultistatus(
  request: Request,
  context: Context,
  responses: () => AsyncGenerator<string>,
  { places, headers }: StreamOptions,
): Promise<Response> {
  const { pieces, first } = await begun(responses);
  const init = { status: 207, headers: { ...XML_HEADERS, ...headers } };
  if (first.done) return new Response(first.value, init);
  try {
    const place = await places.enter(clientOf(context.remoteAddress, request.headers));
    return new Response(heldBody(streamOf(first.value, pieces), { place }), init);
  } catch (error) {
    await pieces.return(new Uint8Array());
    throw error;
  }
}

type Pieces = AsyncGenerator<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>;

/** Reads up to the first full piece, anew if the directory was replaced meanwhile. */
async function begun(responses: () => AsyncGenerator<string>) {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const pieces = piecesOf(responses());
    try {
      return { pieces, first: await pieces.next() };
    } catch (error) {
      if (!(error instanceof FileChanged)) throw error;
    }
  }
  throw new HttpError(503, "The directory keeps changing", { headers: { "retry-after": "1" } });
}

/** Full pieces; the last one is returned. */
async function* piecesOf(responses: AsyncGenerator<string>): Pieces {
  const encoder = new TextEncoder();
  let text = `${DECLARATION}<D:multistatus xmlns:D="DAV:">`;
  for await (const response of responses) {
    text += response;
    if (text.length < PIECE_BYTES) continue;
    yield encoder.encode(text);
    text = "";
  }
  return encoder.encode(`${text}</D:multistatus>\n`);
}

function streamOf(first: Uint8Array<ArrayBuffer>, pieces: Pieces): ReadableStream<Uint8Array<ArrayBuffer>> {
  let next: Uint8Array<ArrayBuffer> | null = first;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      if (next !== null) {
        controller.enqueue(next);
        next = null;
        return;
      }
      const { done, value } = await pieces.next();
      controller.enqueue(value);
      if (done) controller.close();
    },
    async cancel() {
      await pieces.return(new Uint8Array());
    },
  }, { highWaterMark: 0 });
}
