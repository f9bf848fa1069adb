/**
 * The single function that sends content: preconditions, ranges, HEAD and validators, in the order of RFC 9110.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { then } from "../core/awaitable.ts";
import { BEGINNING_BYTES } from "../http/declared_charset.ts";
import { formatHttpDate } from "../http/date.ts";
import { evaluatePreconditions, ifRangeHolds, type Validators } from "../http/preconditions.ts";
import { type ByteRange, contentRange, selectRanges } from "../http/range.ts";
import { FileChanged, type OpenFile } from "../sources/types.ts";
import type { Awaitable } from "../core/types.ts";

/** Content up to this size is sent from one buffer; larger content is streamed. */
const WHOLE_BYTES = 65_536;

/** Chunk size of streams: large enough for throughput, small enough for many slow clients. */
const CHUNK_BYTES = 262_144;

/** Content to be sent: its metadata, and access to its bytes. */
export interface Content {
  /** Content-Type. */
  readonly type: string;
  /**
   * Determines Content-Type from the first bytes of the content (1,024, or all if there are fewer), overriding `type`:
   * for documents that declare their encoding.
   */
  readonly typeOf?: (beginning: Uint8Array) => string;
  /** The full size in bytes. */
  readonly size: number;
  /** Modification time, in milliseconds since 1970; null if there is none. */
  readonly modified: number | null;
  /** The entity tag including quotes and `W/`; null for none. */
  readonly etag: string | null;
  /**
   * Headers that a 304 has as well: Cache-Control, Vary, Content-Location, and policies such as
   * Content-Security-Policy, which caches then update (RFC 9111 section 4.3.4). Whatever they depend on must be part of
   * the entity tag.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers only for responses with content: Content-Encoding. */
  readonly contentHeaders?: Readonly<Record<string, string>>;
  /** Whether ranges are supported; defaults to true. */
  readonly ranges?: boolean;
  /**
   * If given, full responses are buffered regardless of size, and this callback receives the response and its bytes, to
   * cache them.
   */
  readonly keep?: (response: Response, bytes: Uint8Array<ArrayBuffer>) => void;
  /** Whether the content is slow to produce: then even short content is streamed, so that a disconnect is noticed. */
  readonly slow?: boolean;
  /** Whether the transport truncates a body at its Content-Length, so that native streams can be used. */
  readonly cutsAtLength?: boolean;
  /**
   * Opens the content. Called once for GET and HEAD with status 200 or 206, never for 412 and 416; for 304 only if
   * `typeOf` is needed, because the client revalidates by date alone.
   */
  open(): Awaitable<OpenFile>;
}

/**
 * Answers GET or HEAD with content: 200, 206, 304, 412 or 416, depending on the request headers.
 *
 * A body never exceeds its Content-Length; if the source ends early, the connection is aborted instead of ending
 * cleanly. 412 and 416 are thrown as {@linkcode HttpError}, for `settle` to answer.
 *
 * @param request A GET or HEAD request.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { openBytes, sendContent } from "@x/pyserve";
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
export function sendContent(request: Request, content: Content): Awaitable<Response> {
  const validators = validatorsOf(content);
  const verdict = evaluatePreconditions(request.method, request.headers, validators);
  if (verdict === "failed") throw new HttpError(412, "The file does not match the conditions of the request");
  if (verdict === "not-modified") return notModified(request, content);
  const ranges = rangesOf(request, content, validators);
  if (ranges === "unsatisfiable") {
    const headers = { "content-range": contentRange(null, content.size) };
    throw new HttpError(416, "The range is outside the file", { headers });
  }
  const decided: Decided = { request, content, validators, ranges };
  return then(content.open(), (file) => respond(decided, file));
}

/** What is known before the content is opened. */
interface Decided {
  readonly request: Request;
  readonly content: Content;
  readonly validators: Validators;
  readonly ranges: "whole" | readonly ByteRange[];
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
function notModified(request: Request, content: Content): Awaitable<Response> {
  const headers = new Headers(content.headers);
  if (content.etag !== null) headers.set("etag", content.etag);
  if (request.headers.has("if-none-match")) return new Response(null, { status: 304, headers });
  return then(content.typeOf ? typeOfUnread(content) : content.type, (type) => {
    headers.set("content-type", type);
    headers.set("x-content-type-options", "nosniff");
    return new Response(null, { status: 304, headers });
  });
}

function typeOfUnread(content: Content): Awaitable<string> {
  return then(content.open(), (file) => {
    return then(typeFrom(content, file), (type) => {
      file[Symbol.dispose]();
      return type;
    });
  });
}

/** The type of the content, which may require reading its beginning. */
function typeFrom(content: Content, file: OpenFile): Awaitable<string> {
  return content.typeOf ? typeOfBeginning(content, content.typeOf, file) : content.type;
}

async function typeOfBeginning({ size }: Content, typeOf: NonNullable<Content["typeOf"]>, file: OpenFile) {
  const beginning = new Uint8Array(Math.min(size, BEGINNING_BYTES));
  try {
    await readFully(file, 0, beginning);
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
  return typeOf(beginning);
}

function planOf({ content, validators, ranges }: Decided, type: string): Plan {
  const headers = new Headers({ "content-type": type, ...content.headers, ...content.contentHeaders });
  headers.set("x-content-type-options", "nosniff");
  if (validators.lastModified !== null) headers.set("last-modified", formatHttpDate(validators.lastModified));
  if (content.etag !== null) headers.set("etag", content.etag);
  if (content.ranges ?? true) headers.set("accept-ranges", "bytes");
  if (ranges === "whole") return plan(200, headers, [{ start: 0, end: content.size }]);
  if (ranges.length > 1) return multipart(headers, ranges, type, content.size);
  headers.set("content-range", contentRange(ranges[0]!, content.size));
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
      `Content-Type: ${type}`,
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
  const isRead = content.keep !== undefined || (content.size <= WHOLE_BYTES && !content.slow);
  if (isWhole && isRead) return sendWhole(decided, file);
  return then(typeFrom(content, file), (type) => sendPieces(planOf(decided, type), decided, file));
}

/** Reads the full content, and determines its type from the same buffer. */
async function sendWhole(decided: Decided, file: OpenFile): Promise<Response> {
  using _closing = file;
  const { content } = decided;
  const bytes = new Uint8Array(content.size);
  await readFully(file, 0, bytes);
  const type = content.typeOf?.(bytes.subarray(0, BEGINNING_BYTES)) ?? content.type;
  const { status, headers } = planOf(decided, type);
  const response = new Response(bytes, { status, headers });
  content.keep?.(response, bytes);
  return response;
}

function sendPieces(plan: Plan, { request, content }: Decided, file: OpenFile): Awaitable<Response> {
  const init = { status: plan.status, headers: plan.headers };
  if (request.method === "HEAD" || plan.length === 0) {
    // HEAD opens the file too, so that an unreadable file fails as it does for GET.
    file[Symbol.dispose]();
    return new Response(null, init);
  }
  if (plan.length > WHOLE_BYTES || content.slow) return new Response(bodyOf(plan.pieces, content, file), init);
  return readPieces(plan, file).then((bytes) => new Response(bytes, init));
}

/** Uses a native stream for a single piece if the transport truncates it; otherwise counts bytes here. */
function bodyOf(pieces: readonly Piece[], content: Content, file: OpenFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  const [piece] = pieces;
  const native = pieces.length === 1 && content.cutsAtLength && !(piece instanceof Uint8Array);
  return (native ? file.stream?.((piece as ByteRange).start) : undefined) ?? streamOf(pieces, file);
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

/** Reads on demand; never sends more bytes than announced, and fails if there are fewer. */
function streamOf(pieces: readonly Piece[], file: OpenFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  let index = 0;
  let within = 0;
  return new ReadableStream({
    async pull(controller) {
      const piece = pieces[index]!;
      try {
        const chunk = piece instanceof Uint8Array ? piece : await readChunk(file, piece, within);
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

async function readChunk(file: OpenFile, range: ByteRange, within: number): Promise<Uint8Array<ArrayBuffer>> {
  const start = range.start + within;
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, range.end - start));
  const count = await file.read(start, buffer);
  // The headers have been sent: aborting is the only way to signal an incomplete body.
  if (count === 0) throw new Error("The file was truncated while being sent");
  return buffer.subarray(0, count);
}
