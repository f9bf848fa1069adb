/**
 * The single function that sends content: preconditions, ranges, HEAD and validators, in the order of RFC 9110.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { encodedBy } from "../core/origin.ts";
import { then } from "../core/awaitable.ts";
import { BEGINNING_BYTES } from "../http/declared_charset.ts";
import { formatHttpDate } from "../http/date.ts";
import { evaluatePreconditions, ifRangeHolds, type Validators } from "../http/preconditions.ts";
import { type ByteRange, contentRange, selectRanges } from "../http/range.ts";
import { openBytes } from "../sources/memory.ts";
import { FileChanged, type OpenFile } from "../sources/types.ts";
import type { InternalContext } from "../core/internals.ts";
import type { Awaitable, Encoder } from "../core/types.ts";
import {
  type CacheableContent,
  type CodedContent,
  type Content,
  type Keep,
  type Representation,
  representationOf,
} from "./representation.ts";

export type { CacheableContent, CodedContent, Content, Keep };

/** Content up to this size is sent from one buffer; larger content is streamed. */
const WHOLE_BYTES = 65_536;

/** Chunk size of streams: large enough for throughput, small enough for many slow clients. */
const CHUNK_BYTES = 262_144;

/** Chunk size for encoders: compressing it blocks the event loop for one or two milliseconds. */
const ENCODED_CHUNK_BYTES = 65_536;

/** Options of {@linkcode sendContent}. A `Context` has them. */
export interface SendOptions {
  /** Content codings to apply; defaults to none. */
  readonly encoders?: readonly Encoder[];
}

/**
 * Answers GET or HEAD with content: 200, 206, 304, 412 or 416, depending on the request headers.
 *
 * Content coding is decided here and nowhere else: by Accept-Encoding, among the codings in which the content is stored
 * and those of the context's encoders. Each coding has its own entity tag. Ranges apply to the chosen representation,
 * but not to one that is encoded while being sent: a range request gets content without such a coding. 406 is not used:
 * if no coding is acceptable, the content is sent without one.
 *
 * A body never exceeds its Content-Length; if the source ends early, the connection is aborted instead of ending
 * cleanly. 412 and 416 are thrown as {@linkcode HttpError}, for `settle` to answer.
 *
 * @param request A GET or HEAD request.
 * @param options The context of the request; without it, nothing is encoded, and streams are counted here.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { sendContent } from "@x/pyserve/handlers";
 * import { openBytes } from "@x/pyserve/sources";
 *
 * const bytes = new TextEncoder().encode("0123456789");
 * const response = await sendContent(new Request("http://localhost/", { headers: { range: "bytes=2-4" } }), {
 *   type: "text/plain",
 *   size: bytes.length,
 *   modified: null,
 *   etag: '"v1"',
 *   open: () => openBytes(bytes),
 * });
 * assert(response.status === 206 && await response.text() === "234");
 * ```
 */
export function sendContent(request: Request, content: Content, options: SendOptions = {}): Awaitable<Response> {
  const { encoders = [], cutsAtLength = false }: Partial<InternalContext> = options;
  return then(representationOf(request, content, encoders), (chosen) => send(request, chosen, cutsAtLength));
}

function send(request: Request, content: Representation, cutsAtLength: boolean): Awaitable<Response> {
  const validators = validatorsOf(content);
  const verdict = evaluatePreconditions(request.method, request.headers, validators);
  const vary = content.varies ? VARY : {};
  if (verdict === "failed") {
    throw new HttpError(412, "The file does not match the conditions of the request", { headers: vary });
  }
  if (verdict === "not-modified") return notModified(request, content);
  const ranges = rangesOf(request, content, validators);
  if (ranges === "unsatisfiable") {
    const headers = { "content-range": contentRange(null, content.size), ...vary };
    throw new HttpError(416, "The range is outside the file", { headers });
  }
  const decided: Decided = { request, content, validators, ranges, cutsAtLength };
  return then(
    content.open(bytesRead(decided)),
    (file) => content.encoder ? encode(decided, content.encoder, file) : respond(decided, file),
  );
}

/** The values known before the content is opened. */
interface Decided {
  readonly request: Request;
  readonly content: Representation;
  readonly validators: Validators;
  readonly ranges: "whole" | readonly ByteRange[];
  readonly cutsAtLength: boolean;
}

/** The complete response: headers, and the pieces of its body. */
interface Plan {
  readonly status: 200 | 206;
  readonly headers: Headers;
  readonly pieces: readonly Piece[];
  readonly length: number;
}

/** A multipart delimiter, or a range of the content. */
type Piece = Uint8Array<ArrayBuffer> | ByteRange;

const VARY: Readonly<Record<string, string>> = { vary: "accept-encoding" };

/** The earliest time that an HTTP date can represent: the beginning of the year 0000. */
const FIRST_DATE = -62_167_219_200_000;

/** The maximum age of Date: the runtime caches it for a second. */
const DATE_AGE_MS = 1_000;

function validatorsOf({ etag, modified }: Content): Validators {
  // Written so that NaN, which no comparison matches, counts as no date.
  if (modified === null || !(modified >= FIRST_DATE)) return { etag, lastModified: null };
  // Never later than Date (RFC 9110 section 8.8.2.1): a time in the future is replaced by the current one.
  const now = Date.now();
  return { etag, lastModified: Math.floor((modified > now ? now - DATE_AGE_MS : modified) / 1000) * 1000 };
}

/**
 * Caches update stored headers from a 304 (RFC 9111 section 4.3.4), so a changed policy takes effect. The type is
 * covered by the entity tag; a client that revalidates by date alone needs it in the response.
 */
function notModified(request: Request, content: Representation): Awaitable<Response> {
  const headers = commonHeaders(content);
  if (request.headers.has("if-none-match")) return new Response(null, { status: 304, headers });
  return then(typeOfUnread(content.plain ?? content), (type) => {
    setType(headers, type);
    return new Response(null, { status: 304, headers });
  });
}

/** The bytes that will be read; undefined for HEAD and for several ranges. */
function bytesRead({ request, content, ranges }: Decided): ByteRange | undefined {
  if (request.method === "HEAD") return content.typeOf && !content.plain ? beginningOf(content) : undefined;
  if (ranges !== "whole") return ranges.length === 1 ? ranges[0] : undefined;
  return { start: 0, end: content.size };
}

function beginningOf({ size }: Content): ByteRange {
  return { start: 0, end: Math.min(size, BEGINNING_BYTES) };
}

/** Headers common to 200, 206 and 304. */
function commonHeaders({ headers, etag, varies }: Representation): Headers {
  const common = new Headers(headers);
  if (varies) common.append("vary", VARY.vary!);
  if (etag !== null) common.set("etag", etag);
  return common;
}

/** The type of content that is not open, or only open in a coding. */
function typeOfUnread(content: Content): Awaitable<string> {
  const { typeOf } = content;
  if (typeOf === undefined) return content.type;
  return then(content.open(beginningOf(content)), async (file) => {
    using _closing = file;
    return await typeOfBeginning(content, typeOf, file);
  });
}

/** The type of open content, which may require reading its beginning. A failure closes the file. */
function typeFrom({ content }: Decided, file: OpenFile): Awaitable<string> {
  if (content.typeOf === undefined) return content.type;
  const type = content.plain ? typeOfUnread(content.plain) : typeOfBeginning(content, content.typeOf, file);
  return Promise.resolve(type).catch((error) => {
    file[Symbol.dispose]();
    throw error;
  });
}

async function typeOfBeginning({ size }: Content, typeOf: NonNullable<Content["typeOf"]>, file: OpenFile) {
  const beginning = new Uint8Array(Math.min(size, BEGINNING_BYTES));
  await readFully(file, 0, beginning);
  return typeOf(beginning);
}

function headersOf({ content, validators }: Decided, type: string): Headers {
  const headers = commonHeaders(content);
  setType(headers, type);
  if (content.coding !== undefined) headers.set("content-encoding", content.coding);
  if (validators.lastModified !== null) headers.set("last-modified", formatHttpDate(validators.lastModified));
  if (content.ranges ?? true) headers.set("accept-ranges", "bytes");
  return headers;
}

/** Where there is no type, clients are meant to guess. */
function setType(headers: Headers, type: string): void {
  if (type === "") return;
  headers.set("content-type", type);
  headers.set("x-content-type-options", "nosniff");
}

function planOf(decided: Decided, type: string): Plan {
  const { content: { size }, ranges } = decided;
  const headers = headersOf(decided, type);
  if (ranges === "whole") return plan(200, headers, [{ start: 0, end: size }]);
  if (ranges.length > 1) return multipart(headers, ranges, type, size);
  headers.set("content-range", contentRange(ranges[0]!, size));
  return plan(206, headers, ranges);
}

function rangesOf(request: Request, content: Content, validators: Validators): ReturnType<typeof selectRanges> {
  // Range is ignored for HEAD (RFC 9110 section 14.2).
  if (request.method !== "GET" || content.ranges === false) return "whole";
  const header = request.headers.get("range");
  if (header === null || !ifRangeHolds(request.headers.get("if-range"), validators)) return "whole";
  return selectRanges(header, content.size);
}

/**
 * RFC 9110 section 14.6: each part has its own type and range, in the order requested. The line end before the first
 * delimiter is part of it (RFC 2046 section 5.1.1); nginx and Apache send it, and zsync requires it.
 */
function multipart(headers: Headers, ranges: readonly ByteRange[], type: string, size: number): Plan {
  const boundary = crypto.randomUUID().replaceAll("-", "");
  const encoder = new TextEncoder();
  const pieces: Piece[] = ranges.flatMap((range) => {
    const lines = [
      `\r\n--${boundary}`,
      ...(type === "" ? [] : [`Content-Type: ${type}`]),
      `Content-Range: ${contentRange(range, size)}`,
    ];
    return [encoder.encode(lines.join("\r\n") + "\r\n\r\n"), range];
  });
  pieces.push(encoder.encode(`\r\n--${boundary}--\r\n`));
  headers.set("content-type", `multipart/byteranges; boundary=${boundary}`);
  return plan(206, headers, pieces);
}

function plan(status: 200 | 206, headers: Headers, pieces: readonly Piece[]): Plan {
  const length = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  headers.set("content-length", String(length));
  return { status, headers, pieces, length };
}

function lengthOf(piece: Piece): number {
  return piece instanceof Uint8Array ? piece.length : piece.end - piece.start;
}

function respond(decided: Decided, file: OpenFile): Awaitable<Response> {
  const { request, content, ranges } = decided;
  const isWhole = request.method === "GET" && ranges === "whole" && content.size > 0;
  if (isWhole) {
    const keep = content.keep?.(content.size) ?? null;
    if (keep || (content.size <= WHOLE_BYTES && !content.slow)) return sendWhole(decided, file, keep);
  }
  return then(typeFrom(decided, file), (type) => sendPieces(planOf(decided, type), decided, file));
}

/** Reads the full content, and determines its type from the same buffer. */
async function sendWhole(decided: Decided, file: OpenFile, keep: Keep | null): Promise<Response> {
  using _closing = file;
  const bytes = new Uint8Array(decided.content.size);
  await readFully(file, 0, bytes);
  const { status, headers } = planOf(decided, await typeOfWhole(decided, bytes));
  const response = new Response(bytes, { status, headers });
  keep?.(response, bytes);
  return response;
}

function typeOfWhole({ content }: Decided, bytes: Uint8Array): Awaitable<string> {
  if (content.plain) return typeOfUnread(content.plain);
  return content.typeOf?.(bytes.subarray(0, BEGINNING_BYTES)) ?? content.type;
}

/** Sends content through an encoder. The length is known only if buffered, so HEAD does not have it. */
function encode(decided: Decided, encoder: Encoder, file: OpenFile): Awaitable<Response> {
  const { request, content } = decided;
  const keep = request.method === "GET" ? content.keep?.(content.size) ?? null : null;
  const isBuffered = keep !== null || (content.size <= WHOLE_BYTES && !content.slow);
  if (request.method === "GET" && isBuffered) return encodeWhole(decided, encoder, file, keep);
  return then(typeFrom(decided, file), (type) => {
    const init = { headers: headersOf(decided, type) };
    if (request.method === "GET") return new Response(encoded(encoder, file, content.size), init);
    file[Symbol.dispose]();
    return new Response(null, init);
  });
}

async function encodeWhole(decided: Decided, encoder: Encoder, file: OpenFile, keep: Keep | null): Promise<Response> {
  using _closing = file;
  const plain = new Uint8Array(decided.content.size);
  await readFully(file, 0, plain);
  const headers = headersOf(decided, await typeOfWhole(decided, plain));
  const bytes = await new Response(encoded(encoder, openBytes(plain), plain.length)).bytes();
  headers.set("content-length", String(bytes.length));
  const response = new Response(bytes, { headers });
  keep?.(response, bytes);
  return response;
}

/** The encoded content; closes the file if the encoder fails. */
function encoded(encoder: Encoder, file: OpenFile, size: number): ReturnType<Encoder["encode"]> {
  try {
    return encodedBy(encoder, streamOf([{ start: 0, end: size }], file, ENCODED_CHUNK_BYTES));
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function sendPieces(plan: Plan, decided: Decided, file: OpenFile): Awaitable<Response> {
  const { request, content } = decided;
  const init = { status: plan.status, headers: plan.headers };
  if (request.method === "HEAD" || plan.length === 0) {
    // HEAD opens the file too, so that an unreadable file fails as it does for GET.
    file[Symbol.dispose]();
    return new Response(null, init);
  }
  if (plan.length > WHOLE_BYTES || content.slow) return new Response(bodyOf(plan.pieces, decided, file), init);
  return readPieces(plan, file).then((bytes) => new Response(bytes, init));
}

/** Uses a native stream for a single piece if the transport truncates it; otherwise counts bytes here. */
function bodyOf(
  pieces: readonly Piece[],
  { cutsAtLength }: Decided,
  file: OpenFile,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const [piece] = pieces;
  const native = pieces.length === 1 && cutsAtLength && !(piece instanceof Uint8Array);
  return (native ? file.stream?.() : undefined) ?? streamOf(pieces, file);
}

async function readPieces(plan: Plan, file: OpenFile): Promise<Uint8Array<ArrayBuffer>> {
  using _closing = file;
  const bytes = new Uint8Array(plan.length);
  let at = 0;
  for (const piece of plan.pieces) {
    if (piece instanceof Uint8Array) bytes.set(piece, at);
    else await readFully(file, piece.start, bytes.subarray(at, at + lengthOf(piece)));
    at += lengthOf(piece);
  }
  return bytes;
}

/** Nothing has been sent yet, so a file that ends early is reported as changed, and its handler retries. */
async function readFully(file: OpenFile, offset: number, into: Uint8Array): Promise<void> {
  for (let at = 0; at < into.length;) {
    const count = await file.read(offset + at, into.subarray(at));
    if (count === 0) throw new FileChanged();
    at += count;
  }
}

/** Reads on demand, never sends more bytes than announced, and fails if there are fewer. */
function streamOf(
  pieces: readonly Piece[],
  file: OpenFile,
  chunkBytes = CHUNK_BYTES,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let index = 0;
  let within = 0;
  return new ReadableStream({
    async pull(controller) {
      const piece = pieces[index]!;
      try {
        const chunk = piece instanceof Uint8Array ? piece : await readChunk(file, piece, within, chunkBytes);
        controller.enqueue(chunk);
        within += chunk.length;
      } catch (error) {
        file[Symbol.dispose]();
        throw error;
      }
      if (within < lengthOf(piece)) return;
      within = 0;
      index += 1;
      if (index < pieces.length) return;
      file[Symbol.dispose]();
      controller.close();
    },
    cancel() {
      file[Symbol.dispose]();
    },
  }, { highWaterMark: 0 });
}

async function readChunk(file: OpenFile, range: ByteRange, within: number, most: number) {
  const start = range.start + within;
  const buffer = new Uint8Array(Math.min(most, range.end - start));
  const count = await file.read(start, buffer);
  // The headers have been sent: aborting is the only way to signal an incomplete body.
  if (count === 0) throw new Error("The file was truncated while being sent");
  return buffer.subarray(0, count);
}
