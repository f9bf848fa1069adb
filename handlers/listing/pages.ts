/**
 * Listings as responses: one for each state of a directory, shared by all clients, cached while it is fresh.
 *
 * @module
 */

import { type Keep, sendContent } from "../serving/content.ts";
import { encodedBy } from "../core/origin.ts";
import { HttpError } from "../core/errors.ts";
import { contentDigest } from "../http/content_digest.ts";
import { shortDigest } from "../http/etag.ts";
import { heldBody } from "../core/held_body.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import type { ListingWriter } from "./format.ts";
import { SharedStream, type StreamOwner } from "./stream.ts";
import { encoderFor } from "../serving/representation.ts";
import { openBytes } from "../sources/memory.ts";
import type { Awaitable, Context, Encoder } from "../core/types.ts";

/** A listing ready to be sent. */
export interface ListingPage {
  /**
   * Answers GET or HEAD.
   *
   * @param keep As in `CacheableContent`.
   */
  send(request: Request, context: Context, keep?: (size: number) => Keep | null): Awaitable<Response>;
}

/** The encoded listing; stops reading it if the encoder fails. */
function encodedStream(encoder: Encoder, stream: ReadableStream<Uint8Array<ArrayBuffer>>) {
  try {
    return encodedBy(encoder, stream);
  } catch (error) {
    if (!stream.locked) stream.cancel().catch(() => {});
    throw error;
  }
}

/** Headers of every listing, including the 304. */
const HEADERS: Readonly<Record<string, string>> = { "cache-control": "no-cache", vary: "accept" };

/** A complete listing in memory. */
export class WholePage implements ListingPage {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #writer: ListingWriter;
  readonly #etag: string;
  #isSent = false;
  // Clones share the bytes; a new Response for each request would copy them. Most pages of changing directories are
  // sent once.
  #whole: Response | null = null;
  #unchanged: Response | null = null;

  /**
   * Its entity tag covers the text, the headers, and the variant.
   *
   * @param variant Must change with the names: they can be chosen so that the digests of two texts are the same, which
   * would hide a change from a client that has the other page.
   */
  constructor(text: string, writer: ListingWriter, variant: readonly string[]) {
    this.#bytes = new TextEncoder().encode(text);
    this.#writer = writer;
    const sent = shortDigest(JSON.stringify([headersOf(writer), ...variant]));
    this.#etag = `W/"${contentDigest(this.#bytes)}.${sent}"`;
  }

  /** Size of the body in bytes. */
  get size(): number {
    return this.#bytes.length;
  }

  send(request: Request, context: Context, keep: (size: number) => Keep | null = () => null): Awaitable<Response> {
    if (request.method === "GET" && context.encoders.length === 0 && !request.headers.has("if-match")) {
      const tag = request.headers.get("if-none-match");
      if (tag === null) return this.#sendWhole(keep);
      if (tag === this.#etag) return this.#sendUnchanged();
    }
    const content = {
      type: this.#writer.type,
      size: this.#bytes.length,
      modified: null, // a directory's modification time does not cover the sizes and dates of its entries
      etag: this.#etag,
      headers: { ...HEADERS, ...this.#writer.headers },
      ranges: false,
      keep,
      open: () => openBytes(this.#bytes),
    };
    return sendContent(request, content, context);
  }

  #sendWhole(keep: (size: number) => Keep | null): Response {
    const response = this.#isSent ? (this.#whole ??= this.#make()).clone() : this.#make();
    this.#isSent = true;
    keep(this.#bytes.length)?.(response, this.#bytes);
    return response;
  }

  #make(): Response {
    const { length } = this.#bytes;
    const headers = { ...headersOf(this.#writer), etag: this.#etag, "content-length": String(length) };
    return new Response(this.#bytes, { headers });
  }

  #sendUnchanged(): Response {
    const headers = { ...unchangedHeaders(this.#writer), etag: this.#etag };
    return (this.#unchanged ??= new Response(null, { status: 304, headers })).clone();
  }
}

/** Slow readers of a listing do not occupy a place. */
const NONE: Disposable = { [Symbol.dispose]() {} };

/** Parameters of a streamed listing. */
export interface Streaming {
  readonly writer: ListingWriter;
  readonly pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>;
  /** Aborted when the rest is not needed. */
  readonly stop: AbortController;
  /** Time without a read after which a client is disconnected, in milliseconds. */
  readonly stallMs: number;
}

/** A streamed listing: without Content-Length and entity tag, which are not known in advance. */
export class StreamedPage implements ListingPage {
  readonly #writer: ListingWriter;
  readonly #stream: SharedStream;
  readonly #stallMs: number;

  constructor({ writer, pieces, stop, stallMs }: Streaming, owner: StreamOwner) {
    this.#stallMs = stallMs;
    this.#writer = writer;
    this.#stream = new SharedStream(pieces, stop, owner);
  }

  send(request: Request, { encoders }: Context): Response {
    const { encoder, varies } = encoderFor(request, this.#writer.type, encoders);
    const verdict = evaluatePreconditions(request.method, request.headers, { etag: null, lastModified: null });
    const stream = verdict === "proceed" && request.method === "GET" ? this.#stream.open() : null;
    const encoded = stream && encoder ? encodedStream(encoder, stream) : stream;
    const body = encoded && heldBody(encoded, { place: NONE, stallMs: this.#stallMs });
    // By then, other readers of this page have started; otherwise it was for a HEAD, and the rest is not needed.
    if (body === null) setImmediate(() => this.#stream.endUnread());
    if (verdict === "failed") throw new HttpError(412, "The listing does not match the conditions of the request");
    const headers = new Headers(verdict === "proceed" ? headersOf(this.#writer) : unchangedHeaders(this.#writer));
    if (varies) headers.append("vary", "accept-encoding");
    if (verdict === "not-modified") return new Response(null, { status: 304, headers });
    if (encoder) headers.set("content-encoding", encoder.coding);
    if (body !== null || request.method === "HEAD") return new Response(body, { headers });
    throw new HttpError(503, "The directory keeps changing", { headers: { "retry-after": "1" } });
  }

  /** Aborts all readers. */
  cut(): void {
    this.#stream.cut();
  }
}

function headersOf(writer: ListingWriter): Record<string, string> {
  return { "content-type": writer.type, ...unchangedHeaders(writer), "x-content-type-options": "nosniff" };
}

/** Headers of the 304: they update a stored response to the current policy (RFC 9111 section 4.3.4). */
function unchangedHeaders(writer: ListingWriter): Record<string, string> {
  return { ...HEADERS, ...writer.headers };
}
