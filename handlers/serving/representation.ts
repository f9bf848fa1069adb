/**
 * Content, and which representation of it a request gets: content coding, decided in one place (RFC 9110 section
 * 12.5.3).
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import type { Awaitable, Encoder, Rewriter } from "../core/types.ts";
import { type CodingName, CODINGS, type CodingWeights, codingWeights } from "../http/coding.ts";
import type { ByteRange } from "../http/range.ts";
import type { FreshnessCheck, OpenFile } from "../sources/types.ts";

/** Receives a complete response and its bytes, to cache them. */
export type Keep = (response: Response, bytes: Uint8Array<ArrayBuffer>) => void;

/** Content to be sent: its metadata, and access to its bytes. */
export interface Content {
  /** Content-Type; `""` for none. */
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
  /** The coding of content that is available in no other; `codedIn` and encoders are not used then. */
  readonly coding?: CodingName;
  /**
   * Returns the content in a coding, or null if it is not available in that coding. Called for the codings accepted by
   * the client, in order of preference, until one is available. If given, all responses have `Vary: accept-encoding`.
   */
  readonly codedIn?: (coding: CodingName) => Awaitable<CodedContent | null>;
  /** Whether ranges are supported; defaults to true. */
  readonly ranges?: boolean;
  /** Whether the content is slow to produce: then even short content is streamed, so that a disconnect is noticed. */
  readonly slow?: boolean;
  /**
   * Opens the content. Called once for GET and HEAD with status 200 or 206, never for 412 and 416; for 304 only if
   * `typeOf` is needed, because the client revalidates by date alone.
   *
   * @param range The bytes that will be read, as for `FileSource.open`; absent for HEAD and for several ranges.
   */
  open(range?: ByteRange): Awaitable<OpenFile>;
}

/** Content that the response cache may keep. */
export interface CacheableContent extends Content {
  /**
   * Called when the full content is about to be sent, with the size of its representation (before encoding). If it
   * returns a function, the content is buffered regardless of size, and the function receives the response and its
   * bytes, to cache them.
   */
  readonly keep?: (size: number) => Keep | null;
  /** A check that the same request still gets this content; null if that cannot be guaranteed. */
  readonly freshness?: () => FreshnessCheck | null;
}

/** The same content in another coding: a separate representation with the type, date and headers of the content. */
export interface CodedContent {
  /** Its entity tag; must differ from those of the other codings (RFC 9110 section 8.8.3.3). */
  readonly etag: string | null;
  /** Its size in bytes, as coded. */
  readonly size: number;
  /** Opens the coded bytes. */
  open(range?: ByteRange): Awaitable<OpenFile>;
}

/** The representation of content that a request gets. */
export interface Representation extends CacheableContent {
  /** Whether other values of Accept-Encoding select other representations. */
  readonly varies?: boolean;
  /** The content without its coding, to determine the type; absent if it is the same. */
  readonly plain?: Content;
  /** Encodes the bytes while they are being sent. */
  readonly encoder?: Encoder;
  /** Change the bytes before they are encoded. */
  readonly rewriters?: readonly Rewriter[];
}

/**
 * Selects the representation with the highest weight. Among equal ones, stored codings come first (br, zstd, gzip),
 * then those of the encoders in their order, and content without a coding last.
 *
 * A client that refuses content without a coding (`identity;q=0`) gets it nevertheless if there is no other: 406 is
 * optional (section 15.5.7), and every client can decode it.
 */
export function representationOf(
  request: Request,
  content: CacheableContent,
  encoders: readonly Encoder[],
): Awaitable<Representation> {
  if (content.coding !== undefined) return content;
  const suitable = encodersFor(content, encoders);
  if (content.codedIn === undefined && suitable.length === 0) return content;
  const weights = codingWeights(request.headers.get("accept-encoding"));
  const stored = content.codedIn
    ? CODING_NAMES.map((coding) => ({ coding, find: () => storedIn(content, coding) }))
    : [];
  const computed = wantsRange(request, content) && !weights.refusesIdentity
    ? [] // only content of known length has ranges, so that a download can be resumed
    : suitable.map((encoder) => ({ coding: encoder.coding, find: () => encodedBy(content, encoder) }));
  return then(firstOf(preferred([...stored, ...computed], weights)), (found) => found ?? { ...content, varies: true });
}

/**
 * The content as changed by rewriters. Its stored codings are of no use then, and the date does not say which version a
 * client has. HEAD and ranges get the content as it is: its length, and the bytes of a download that is resumed.
 */
export function rewrittenBy(
  request: Request,
  content: CacheableContent,
  rewriters: readonly Rewriter[],
): CacheableContent & Pick<Representation, "rewriters"> {
  const suitable = content.coding === undefined ? rewriters.filter((rewriter) => rewriter.suits(content)) : [];
  if (suitable.length === 0) return content;
  const vary = [content.headers?.vary ?? "", ...suitable.map(({ vary }) => vary)].filter((names) => names !== "");
  const varying = { ...content, headers: { ...content.headers, ...(vary.length > 0 && { vary: vary.join(", ") }) } };
  const active = suitable.filter(({ rewrite }) => rewrite !== null);
  if (active.length === 0 || request.method !== "GET" || request.headers.has("range")) return varying;
  const { codedIn: _codedIn, ...plain } = varying;
  const etag = active.reduce((tag, { name }) => variantTag(tag, name), content.etag);
  return { ...plain, etag, modified: null, ranges: false, rewriters: active };
}

/** How generated content is encoded. */
export interface Encoding {
  /** The encoder; null for none. */
  readonly encoder: Encoder | null;
  /** Whether it depends on Accept-Encoding. */
  readonly varies: boolean;
}

/**
 * Selects the encoder for generated content, which has no ranges.
 *
 * @param size Null for content that is generated while it is sent.
 */
export function encoderFor(
  request: Request,
  { type, size }: { readonly type: string; readonly size: number | null },
  encoders: readonly Encoder[],
): Encoding {
  if (!encoders.some((encoder) => encoder.suits(type, size))) return { encoder: null, varies: false };
  const accepted = request.headers.get("accept-encoding");
  if (accepted === null) return { encoder: null, varies: true };
  const suitable = encoders.filter((encoder) => encoder.suits(type, size));
  const [encoder = null] = preferred(suitable, codingWeights(accepted));
  return { encoder, varies: true };
}

/** Those that the client accepts, by weight, ties in the given order. */
function preferred<T extends { readonly coding: CodingName }>(offers: readonly T[], { of }: CodingWeights): T[] {
  return offers.filter(({ coding }) => of(coding) > 0).sort((a, b) => of(b.coding) - of(a.coding));
}

const CODING_NAMES = Object.keys(CODINGS) as readonly CodingName[];

interface Offer {
  readonly coding: CodingName;
  readonly find: () => Awaitable<Representation | null>;
}

function encodersFor({ type, size }: Content, encoders: readonly Encoder[]): readonly Encoder[] {
  if (encoders.length === 0 || size === 0) return [];
  return encoders.filter((encoder) => encoder.suits(type, size));
}

function wantsRange({ method, headers }: Request, { ranges = true }: Content): boolean {
  return ranges && method === "GET" && headers.has("range");
}

function firstOf(offers: readonly Offer[], at = 0): Awaitable<Representation | null> {
  if (at >= offers.length) return null;
  return then(offers[at]!.find(), (found) => found ?? firstOf(offers, at + 1));
}

function storedIn(content: CacheableContent, coding: CodingName): Awaitable<Representation | null> {
  return then(content.codedIn!(coding), (coded) => {
    if (coded === null) return null;
    const { etag, size } = coded;
    return { ...content, etag, size, coding, open: (range) => coded.open(range), plain: content, varies: true };
  });
}

function encodedBy(content: CacheableContent, encoder: Encoder): Representation {
  const { coding } = encoder;
  return { ...content, etag: variantTag(content.etag, coding), coding, encoder, ranges: false, varies: true };
}

/** Weak: another version of the encoder produces different bytes with the same meaning. */
function variantTag(etag: string | null, variant: string): string | null {
  return etag && `W/${etag.replace(/^W\//, "").slice(0, -1)}-${variant}"`;
}
