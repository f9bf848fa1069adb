/**
 * Listings as responses: one for each state of a directory, shared by all clients, cached while it is fresh.
 *
 * @module
 */

import { varyBy } from "../http/vary.ts";
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
import type { Awaitable, Encoder } from "../core/types.ts";

/** A listing ready to be sent. */
export interface ListingPage {
  /**
   * Answers GET or HEAD.
   *
   * @param keep As in `CacheableContent`.
   */
  send(request: Request, encoders: readonly Encoder[], keep?: (size: number) => Keep | null): Awaitable<Response>;
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

const VARY_CODED = `${HEADERS.vary}, accept-encoding`;

/**
 * A complete listing in memory.
 *
 * Most pages of directories that change are sent once, as text, which the runtime encodes while sending: in half the time
 * that it takes for bytes. For any further response, they are encoded once; clones share the bytes.
 */
export class WholePage implements ListingPage {
  /** Size of the body in bytes. */
  readonly size: number;
  readonly #text: string;
  readonly #writer: ListingWriter;
  readonly #etag: string;
  #isSent = false;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #whole: Response | null = null;
  #unchanged: Response | null = null;

  /**
   * Its entity tag covers the text, the headers, and the variant.
   *
   * @param variant Must change with the names: they can be chosen so that the digests of two texts are the same, which
   * would hide a change from a client that has the other page.
   */
  constructor(text: string, writer: ListingWriter, variant: readonly string[]) {
    this.#text = text;
    this.#writer = writer;
    const bytes = encodedOnce(text);
    this.size = bytes.length;
    const sent = shortDigest(JSON.stringify([headersOf(writer), ...variant]));
    this.#etag = `W/"${contentDigest(bytes)}.${sent}"`;
  }

  send(
    request: Request,
    encoders: readonly Encoder[],
    keep: (size: number) => Keep | null = () => null,
  ): Awaitable<Response> {
    if (request.method === "GET" && !request.headers.has("if-match")) {
      const { encoder, varies } = encoderFor(request, { type: this.#writer.type, size: this.size }, encoders);
      const tag = encoder === null ? request.headers.get("if-none-match") : undefined;
      if (tag === null) return this.#sendWhole(varies, keep);
      if (tag === this.#etag) return this.#sendUnchanged(varies);
    }
    const content = {
      type: this.#writer.type,
      size: this.size,
      modified: null, // a directory's modification time does not cover the sizes and dates of its entries
      etag: this.#etag,
      headers: { ...HEADERS, ...this.#writer.headers },
      ranges: false,
      keep,
      open: () => openBytes(this.#encode()),
    };
    return sendContent(request, content, { encoders });
  }

  #sendWhole(varies: boolean, keep: (size: number) => Keep | null): Response {
    const kept = keep(this.size);
    if (!this.#isSent && kept === null) {
      this.#isSent = true;
      return this.#make(this.#text, varies);
    }
    const whole = this.#whole ??= this.#make(this.#encode(), false);
    const response = varying(whole.clone(), varies);
    kept?.(response, this.#encode());
    return response;
  }

  #make(body: string | Uint8Array<ArrayBuffer>, varies: boolean): Response {
    const headers: Record<string, string> = headersOf(this.#writer);
    headers.etag = this.#etag;
    headers["content-length"] = String(this.size);
    if (varies) headers.vary = VARY_CODED;
    return new Response(body, { headers });
  }

  #encode(): Uint8Array<ArrayBuffer> {
    return this.#bytes ??= new TextEncoder().encode(this.#text);
  }

  #sendUnchanged(varies: boolean): Response {
    const headers = { ...unchangedHeaders(this.#writer), etag: this.#etag };
    const unchanged = this.#unchanged ??= new Response(null, { status: 304, headers });
    return varying(unchanged.clone(), varies);
  }
}

function varying(response: Response, varies: boolean): Response {
  if (varies) response.headers.set("vary", VARY_CODED);
  return response;
}

/** Longer texts are rare: they are encoded in memory of their own. */
const MAX_SCRATCH_BYTES = 512 * 1024;

let scratch = new Uint8Array(0);

/** The bytes of a text, until the next call. */
function encodedOnce(text: string): Uint8Array<ArrayBuffer> {
  if (text.length > scratch.length && text.length <= MAX_SCRATCH_BYTES) {
    scratch = new Uint8Array(Math.min(2 * text.length, MAX_SCRATCH_BYTES));
  }
  const encoder = new TextEncoder();
  const { read, written } = encoder.encodeInto(text, scratch);
  return read === text.length ? scratch.subarray(0, written) : encoder.encode(text);
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

  send(request: Request, encoders: readonly Encoder[]): Response {
    const { encoder, varies } = encoderFor(request, { type: this.#writer.type, size: null }, encoders);
    const verdict = evaluatePreconditions(request.method, request.headers, { etag: null, lastModified: null });
    const stream = verdict === "proceed" && request.method === "GET" ? this.#stream.open() : null;
    const encoded = stream && encoder ? encodedStream(encoder, stream) : stream;
    const body = encoded && heldBody(encoded, { place: NONE, stallMs: this.#stallMs });
    // By then, other readers of this page have started; otherwise it was for a HEAD, and the rest is not needed.
    if (body === null) setImmediate(() => this.#stream.endUnread());
    if (verdict === "failed") throw new HttpError(412, "The listing does not match the conditions of the request");
    const headers = new Headers(verdict === "proceed" ? headersOf(this.#writer) : unchangedHeaders(this.#writer));
    if (varies) varyBy(headers, "accept-encoding");
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
