/**
 * The single function that sends content: preconditions, ranges, HEAD and validators, in the order of RFC 9110.
 *
 * @module
 */

import { varyBy } from "../http/vary.ts";
import { HttpError } from "../core/errors.ts";
import { encodedBy } from "../core/origin.ts";
import { then } from "../core/awaitable.ts";
import { noteFileBody } from "../core/shortcuts.ts";
import { BEGINNING_BYTES } from "../http/declared_charset.ts";
import { formatHttpDate } from "../http/date.ts";
import { evaluatePreconditions, ifRangeHolds, type Validators } from "../http/preconditions.ts";
import { type ByteRange, contentRange, selectRanges } from "../http/range.ts";
import { openBytes } from "../sources/memory.ts";
import { FileChanged, type OpenFile } from "../sources/types.ts";
import type { InternalContext } from "../core/internals.ts";
import type { Awaitable, Encoder, Rewriter } from "../core/types.ts";
import {
  type CacheableContent,
  type CodedContent,
  type Content,
  type Keep,
  type Representation,
  representationOf,
  rewrittenBy,
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
  /** Changes to make to the content; defaults to none. */
  readonly rewriters?: readonly Rewriter[];
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
  const { encoders = [], rewriters = [], cutsAtLength = false, sendsFiles = false, repeat = null }: Partial<
    InternalContext
  > = options;
  const changed = rewriters.length === 0 ? content : rewrittenBy(request, content, rewriters);
  return then(
    representationOf(request, changed, encoders),
    (chosen) => send(request, chosen, { cutsAtLength, sendsFiles, repeat }),
  );
}

function send(request: Request, content: Representation, transport: Transport): Awaitable<Response> {
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
  const decided: Decided = { request, content, validators, ranges, transport };
  return then(
    content.open(bytesRead(decided)),
    (file) => content.encoder || content.rewriters ? transform(decided, file) : respond(decided, file),
  );
}

/** The values known before the content is opened. */
interface Decided {
  readonly request: Request;
  readonly content: Representation;
  readonly validators: Validators;
  readonly ranges: "whole" | readonly ByteRange[];
  readonly transport: Transport;
}

/** What the transport does with bodies. */
type Transport = Pick<InternalContext, "cutsAtLength" | "sendsFiles" | "repeat">;

/** The complete response: headers, and the pieces of its body. */
interface Plan {
  readonly status: 200 | 206;
  readonly fields: Fields;
  readonly pieces: readonly Piece[];
  readonly length: number;
}

/** Names and values of headers, in order; a later value replaces an earlier one, except for Vary. */
type Fields = readonly (readonly [name: string, value: string])[];

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
  const fields = commonFields(content);
  if (request.headers.has("if-none-match")) return responseOf(null, 304, fields);
  return then(typeOfUnread(content.plain ?? content), (type) => {
    return responseOf(null, 304, [...fields, ...typeFields(type)]);
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

/**
 * Creates a response, and sets its headers one by one: passed to the constructor as an object, they take three times as
 * long, and as `Headers` five times.
 */
function responseOf(body: BodyInit | null, status: number, fields: Fields): Response {
  const response = new Response(body, { status });
  const { headers } = response;
  for (const [name, value] of fields) {
    if (name === "vary") varyBy(headers, value);
    else headers.set(name, value);
  }
  return response;
}

/** Headers common to 200, 206 and 304. */
function commonFields({ headers = {}, etag, varies }: Representation): Fields {
  const fields: [string, string][] = Object.entries(headers);
  if (varies) fields.push(["vary", VARY.vary!]);
  if (etag !== null) fields.push(["etag", etag]);
  return fields;
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

function fieldsOf({ content, validators }: Decided, type: string): Fields {
  const fields: [string, string][] = [];
  if (content.coding !== undefined) fields.push(["content-encoding", content.coding]);
  if (validators.lastModified !== null) fields.push(["last-modified", formatHttpDate(validators.lastModified)]);
  if (content.ranges ?? true) fields.push(["accept-ranges", "bytes"]);
  return [...commonFields(content), ...typeFields(type), ...fields];
}

/** Where there is no type, clients are meant to guess. */
function typeFields(type: string): Fields {
  return type === "" ? [] : [["content-type", type], ["x-content-type-options", "nosniff"]];
}

function planOf(decided: Decided, type: string): Plan {
  const { content: { size }, ranges } = decided;
  const fields = fieldsOf(decided, type);
  if (ranges === "whole") return plan(200, fields, [{ start: 0, end: size }]);
  if (ranges.length > 1) return multipart(fields, ranges, type, size);
  return plan(206, [...fields, ["content-range", contentRange(ranges[0]!, size)]], ranges);
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
function multipart(fields: Fields, ranges: readonly ByteRange[], type: string, size: number): Plan {
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
  return plan(206, [...fields, ["content-type", `multipart/byteranges; boundary=${boundary}`]], pieces);
}

function plan(status: 200 | 206, fields: Fields, pieces: readonly Piece[]): Plan {
  const length = pieces.reduce((sum, piece) => sum + lengthOf(piece), 0);
  return { status, fields: [...fields, ["content-length", String(length)]], pieces, length };
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
function sendWhole(decided: Decided, file: OpenFile, keep: Keep | null): Awaitable<Response> {
  const bytes = new Uint8Array(decided.content.size);
  return then(closing(file, () => readFully(file, 0, bytes)), () =>
    then(typeOfWhole(decided, bytes), (type) => {
      const { status, fields } = planOf(decided, type);
      const response = responseOf(bytes, status, fields);
      keep?.(response, bytes);
      return response;
    }));
}

function typeOfWhole({ content }: Decided, bytes: Uint8Array): Awaitable<string> {
  if (content.plain) return typeOfUnread(content.plain);
  return content.typeOf?.(bytes.subarray(0, BEGINNING_BYTES)) ?? content.type;
}

/** Sends content through rewriters and an encoder. The length is known only if buffered, so HEAD does not have it. */
function transform(decided: Decided, file: OpenFile): Awaitable<Response> {
  const { request, content } = decided;
  const keep = request.method === "GET" ? content.keep?.(content.size) ?? null : null;
  const isBuffered = keep !== null || (content.size <= WHOLE_BYTES && !content.slow);
  if (request.method === "GET" && isBuffered) return transformWhole(decided, file, keep);
  return then(typeFrom(decided, file), (type) => {
    const fields = fieldsOf(decided, type);
    if (request.method === "GET") return responseOf(transformed(content, file, content.size), 200, fields);
    file[Symbol.dispose]();
    return responseOf(null, 200, fields);
  });
}

async function transformWhole(decided: Decided, file: OpenFile, keep: Keep | null): Promise<Response> {
  using _closing = file;
  const plain = new Uint8Array(decided.content.size);
  await readFully(file, 0, plain);
  const fields = fieldsOf(decided, await typeOfWhole(decided, plain));
  const bytes = await new Response(transformed(decided.content, openBytes(plain), plain.length)).bytes();
  const response = responseOf(bytes, 200, [...fields, ["content-length", String(bytes.length)]]);
  keep?.(response, bytes);
  return response;
}

/** The changed and encoded content; closes the file if a rewriter or the encoder fails. */
function transformed(
  { encoder, rewriters = [] }: Representation,
  file: OpenFile,
  size: number,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  try {
    const chunkBytes = encoder ? ENCODED_CHUNK_BYTES : CHUNK_BYTES;
    const plain = streamOf([{ start: 0, end: size }], file, chunkBytes);
    const changed = rewriters.reduce((stream, rewriter) => rewriter.rewrite?.(stream) ?? stream, plain);
    return encoder ? encodedBy(encoder, changed) : changed;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function sendPieces(plan: Plan, decided: Decided, file: OpenFile): Awaitable<Response> {
  const { request, content } = decided;
  const { status, fields } = plan;
  if (request.method === "HEAD" || plan.length === 0) {
    // HEAD opens the file too, so that an unreadable file fails as it does for GET.
    file[Symbol.dispose]();
    return responseOf(null, status, fields);
  }
  if (plan.length > WHOLE_BYTES || content.slow) return responseOf(bodyOf(plan.pieces, decided, file), status, fields);
  return then(readPieces(plan, file), (bytes) => responseOf(bytes, status, fields));
}

/**
 * Lets the transport send a single piece from the open file if it can, or uses a native stream if the transport
 * truncates it; otherwise counts bytes here.
 */
function bodyOf(
  pieces: readonly Piece[],
  { content, transport: { cutsAtLength, sendsFiles, repeat } }: Decided,
  file: OpenFile,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const [piece] = pieces;
  if (pieces.length > 1 || piece instanceof Uint8Array) return streamOf(pieces, file);
  const { descriptor } = file;
  if (sendsFiles && descriptor !== undefined) {
    const { start: offset, end } = piece!;
    if (repeat !== null) repeat.isFresh = content.freshness?.() ?? null;
    return noteFileBody(streamOf(pieces, file), {
      descriptor,
      offset,
      length: end - offset,
      [Symbol.dispose]: () => file[Symbol.dispose](),
    });
  }
  return (cutsAtLength ? file.stream?.() : undefined) ?? streamOf(pieces, file);
}

function readPieces({ pieces, length }: Plan, file: OpenFile): Awaitable<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const [only] = pieces;
  const read = pieces.length === 1 && !(only instanceof Uint8Array)
    ? () => readFully(file, only!.start, bytes)
    : () => readEach(pieces, file, bytes);
  return then(closing(file, read), () => bytes);
}

async function readEach(pieces: readonly Piece[], file: OpenFile, into: Uint8Array): Promise<void> {
  let at = 0;
  for (const piece of pieces) {
    if (piece instanceof Uint8Array) into.set(piece, at);
    else await readFully(file, piece.start, into.subarray(at, at + lengthOf(piece)));
    at += lengthOf(piece);
  }
}

/**
 * Fills the buffer; synchronously if the file can be read synchronously. Nothing has been sent yet, so a file that ends
 * early is reported as changed, and its handler retries.
 */
function readFully(file: OpenFile, offset: number, into: Uint8Array): Awaitable<void> {
  for (let at = 0; at < into.length;) {
    const count = file.read(offset + at, into.subarray(at));
    if (count instanceof Promise) return readOn(file, offset, into, at, count);
    if (count === 0) throw new FileChanged();
    at += count;
  }
}

async function readOn(
  file: OpenFile,
  offset: number,
  into: Uint8Array,
  filled: number,
  reading: Promise<number>,
): Promise<void> {
  const count = await reading;
  if (count === 0) throw new FileChanged();
  const at = filled + count;
  await readFully(file, offset + at, into.subarray(at));
}

/** Closes the file once the work is done or has failed. */
function closing<T>(file: OpenFile, work: () => Awaitable<T>): Awaitable<T> {
  let result: Awaitable<T>;
  try {
    result = work();
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
  if (result instanceof Promise) return result.finally(() => file[Symbol.dispose]());
  file[Symbol.dispose]();
  return result;
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
