/**
 * The cache of finished responses: small files, listings, and names that are not there.
 *
 * It lies inside of everything that looks at each request (access log, layers of the user), and outside of everything
 * that makes responses the same for all: it keeps them with their headers and error pages, as templates. A clone shares
 * the bytes, so that a thousand slow readers of a file hold it once. A hit costs one stat of the file, and makes no new
 * Response.
 *
 * @module
 */

import { failureOf, markFailure } from "../core/errors.ts";
import { acceptedCodings } from "../http/coding.ts";
import { MAX_HEADER_BYTES } from "../http/header_size.ts";
import { judgeHost } from "../http/host.ts";
import { MAX_TARGET_LENGTH, rawTarget } from "../http/target.ts";
import { asksUnderOwnName } from "../core/own_hosts.ts";
import type { SettledHandler } from "../core/settle.ts";
import type { FreshnessCheck } from "../sources/types.ts";
import type { Context, HostNames, OfferedAbsence, OfferedResponse } from "../core/types.ts";

/** The largest file that is kept, in bytes; larger ones are sent as fast from disk. */
const MAX_FILE_BYTES = 1024 * 1024;

/** What an entry takes besides its bytes, roughly. */
const ENTRY_BYTES = 2048;

/** Files read into memory at once, so that many first requests cannot fill it. */
const MAX_LOADING = 16;

/** Absent names kept at most; and absent names remembered after their first request. */
const MAX_MISSING = 1000;

/** The longest Accept header for which an answer is kept; browsers send some 130 characters. */
const MAX_ACCEPT_LENGTH = 512;

/** Answers of one path that differ by Accept, at most; the oldest goes. Browsers and tools send a handful. */
const MAX_VARIANTS = 8;

/** Accept-Encoding headers of which the meaning is remembered; browsers and tools send a handful. */
const MAX_CODING_HEADERS = 100;

/** Request headers that bypass the cache. */
const BYPASSING = new Set(["range", "if-match", "if-unmodified-since", "content-length", "transfer-encoding"]);

/**
 * Headers that describe content, and that a 304 does not have (RFC 9110 section 15.4.5). Policies are not among them: what
 * a cache has stored gets those of the 304.
 */
const OF_CONTENT = [
  "accept-ranges",
  "content-encoding",
  "content-length",
  "content-type",
  "last-modified",
  "x-content-type-options",
];

/** What a handler tells the cache of a response. */
export type Offer = Omit<OfferedResponse, "response" | "notModified">;

interface Entry {
  readonly whole: Response;
  readonly notModified: Response | null;
  /** The 304 for clients that know the content by its date alone: made when one asks. */
  notModifiedSince: Response | null;
  readonly isFresh: FreshnessCheck;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly size: number;
  /** The Accept header that it is the answer to; undefined where it answers any. */
  readonly accept: string | null | undefined;
  /** Whether it is the answer whatever the query is. */
  readonly anyQuery: boolean;
  /** Whether it was asked for since the last eviction. */
  used: boolean;
}

/** How {@linkcode ResponseCache} keeps. */
export interface ResponseCacheOptions {
  /** Bytes kept at most; 0 keeps nothing. */
  readonly maxBytes: number;
  /** Gives a 304 the headers that the responses of the handler inside have; they are in the templates of all others. */
  readonly dress?: (response: Response) => Response;
  /**
   * Whether Accept-Encoding decides what is sent: then the codings that a client accepts are part of the key, as they are
   * where the context has encoders.
   */
  readonly coded?: boolean;
  /** Names of query parameters that belong to features: a request with one of them bypasses the cache. */
  readonly queries?: readonly string[];
  /** Whether the site is answered under its own names only, whatever the context says. */
  readonly ownNamesOnly?: boolean;
}

/**
 * Responses to GET. The key is all that the answers inside vary by: the path as sent, so that a hit need not parse it;
 * `context.view`, the set of rights; the accepted codings, where there are precompressed files; and Accept, where the
 * type is negotiated.
 */
export class ResponseCache {
  readonly #entries: Entries = new Map();
  readonly #missing: Entries = new Map();
  readonly #missed = new Set<string>();
  readonly #loading = new Set<string>();
  readonly #codings = new Map<string | null, string>();
  readonly #maxBytes: number;
  readonly #dress: (response: Response) => Response;
  readonly #isCoded: boolean;
  readonly #elsewhere: RegExp | null;
  readonly #ownNamesOnly: boolean;
  #bytes = 0;
  /** The last valid Host, what a URL with it begins with, and whether it is an own name of the server. */
  #host = "";
  #prefix = "";
  #isOwn = false;
  #hosts: HostNames | null = null;

  /** Makes an empty cache. */
  constructor({ maxBytes, dress, coded = false, queries = [], ownNamesOnly = false }: ResponseCacheOptions) {
    this.#ownNamesOnly = ownNamesOnly;
    this.#elsewhere = queries.length > 0 ? new RegExp(`[?&](?:${queries.join("|")})(?:[=&]|$)`) : null;
    this.#maxBytes = maxBytes;
    this.#dress = dress ?? ((response) => response);
    this.#isCoded = coded;
  }

  /** Puts the cache around a handler: it answers what is kept, and keeps what the handler offers. */
  around(handler: SettledHandler): SettledHandler {
    return (request, context) => {
      const kept = this.answer(request, context);
      if (kept !== null) return kept;
      const answered = handler(request, context);
      if (answered instanceof Promise) return answered.then((response) => this.#remember(request, context, response));
      return this.#remember(request, context, answered);
    };
  }

  /** The answer to a request for what is kept and has not changed, or null for the handler to work it out. */
  answer(request: Request, context: Context): Response | null {
    if (this.#entries.size + this.#missing.size === 0 || request.method !== "GET") return null;
    const { url } = request; // read once: the runtime makes the text anew each time
    const asked = fieldsOf(request.headers);
    if (asked === null) return null;
    const key = this.#keyOf(url, asked.acceptEncoding, context);
    const entry = entryFor(this.#entries.get(key), asked.accept) ??
      entryFor(this.#missing.get(key), asked.accept);
    if (entry === undefined) return null;
    const query = queryOf(url, context);
    // A fragment behind a query is refused, as one behind a path is.
    if (query !== null && (!entry.anyQuery || query.includes("#") || this.#elsewhere?.test(query))) return null;
    if (!this.#isUsual(request, url, context, asked.host)) return null;
    const template = templateFor(asked, entry);
    if (template === null) return null;
    if (!entry.isFresh()) {
      this.#forget(key, entry);
      return null;
    }
    entry.used = true;
    const response = template.clone();
    context.notes.refusal = null; // judged by comparing: it is what an accepted request was
    context.notes.dressed = context.notes.finished = response;
    const failure = entry.notModified === null ? failureOf(template) : null;
    return failure ? markFailure(response, failure) : response;
  }

  /** Takes a proof that nothing is at a path, if the path was asked for before. */
  offerAbsence(request: Request, context: Context, prove: () => FreshnessCheck | null): void {
    if (request.method !== "GET" || this.#maxBytes === 0) return;
    const key = this.#keyOfRequest(request, context);
    const isFresh = this.#missed.has(key) ? prove() : null;
    if (isFresh) context.notes.absence = { key, isFresh };
    else addTo(this.#missed, key);
  }

  /** Whether a response of this size should be offered, when it is sent whole for this request. */
  wants(request: Request, context: Context, size: number, { negotiated = false } = {}): boolean {
    if (request.method !== "GET" || size + ENTRY_BYTES > this.#maxBytes || size > MAX_FILE_BYTES) return false;
    const accept = request.headers.get("accept");
    if (negotiated && accept !== null && accept.length > MAX_ACCEPT_LENGTH) return false;
    const key = this.#keyOfRequest(request, context);
    if (this.#loading.size >= MAX_LOADING || this.#loading.has(key)) return false;
    // Clients that ask for the same in different ways do not take turns in having it read.
    if (entryFor(this.#entries.get(key), accept)?.isFresh()) return false;
    this.#loading.add(key);
    return true;
  }

  /** Takes what is needed to keep a response, until it comes out of the handler, dressed. */
  offer(context: Context, response: Response, offer: Offer): void {
    const headers = new Headers(response.headers);
    for (const name of OF_CONTENT) headers.delete(name);
    const notModified = new Response(null, { status: 304, headers });
    context.notes.offer = { ...offer, response, notModified };
  }

  /** Keeps a finished response if it was offered, and returns what is to be sent. */
  #remember(request: Request, context: Context, response: Response): Response {
    const { notes } = context;
    const { offer, absence } = notes;
    if (this.#loading.size > 0) this.#loading.delete(this.#keyOfRequest(request, context));
    if (offer === null && absence === null) return response;
    notes.offer = notes.absence = null; // a layer may ask again, for something else
    const kept = offer?.response === response
      ? this.#keep(request, context, offer)
      : absence !== null
      ? this.#keepMissing(request, context, response, absence)
      : response;
    // Clones stand for the response that they were made of.
    if (notes.dressed === response) notes.dressed = kept;
    return kept;
  }

  #keep(request: Request, context: Context, offer: OfferedResponse): Response {
    const entry = this.#entryOf(offer, offer.negotiated ? request.headers.get("accept") : undefined);
    this.#add(this.#entries, this.#keyOfRequest(request, context), entry);
    this.#makeRoom();
    return entry.whole.clone();
  }

  #keepMissing(request: Request, context: Context, response: Response, { key, isFresh }: OfferedAbsence): Response {
    const accept = request.headers.get("accept");
    const failure = response.status === 404 && key === this.#keyOfRequest(request, context)
      ? failureOf(response)
      : null;
    if (!failure || (accept !== null && accept.length > MAX_ACCEPT_LENGTH)) return response;
    const entry: Entry = {
      whole: response,
      notModified: null,
      notModifiedSince: null,
      isFresh,
      etag: null,
      lastModified: null,
      size: 0,
      accept,
      anyQuery: true,
      used: false,
    };
    if (this.#missing.size >= MAX_MISSING) this.#missing.delete(this.#missing.keys().next().value!);
    this.#add(this.#missing, key, entry);
    return markFailure(response.clone(), failure);
  }

  #keyOfRequest(request: Request, context: Context): string {
    return this.#keyOf(request.url, request.headers.get("accept-encoding"), context);
  }

  /**
   * The path as sent; where a layer or a mount has replaced it, the new one as well, with the path as sent because links
   * are relative to that. No path as sent looks like such a key, and none begins with a digit.
   */
  #keyOf(url: string, acceptEncoding: string | null, context: Context): string {
    const path = context.retargeted ? retargetedKey(context) : cutQuery(rawTarget(url));
    const { view, encoders } = context;
    const isCoded = this.#isCoded || encoders.length > 0;
    if (view === "" && !isCoded) return path;
    const codings = isCoded
      ? this.#codingsOf(acceptEncoding) + encoders.map(({ coding }) => `+${coding}`).join("")
      : "";
    return `${view.length}:${view}${codings} ${path}`;
  }

  #codingsOf(header: string | null): string {
    const known = this.#codings.get(header);
    if (known !== undefined) return known;
    const codings = acceptedCodings(header).join();
    if (this.#codings.size >= MAX_CODING_HEADERS) this.#codings.clear();
    this.#codings.set(header, codings);
    return codings;
  }

  /** Whether Host and URL have their usual form; the slow path judges all others. */
  #isUsual(request: Request, url: string, context: Context, host: string | null): boolean {
    if (host === null || context.retargeted) {
      return context.refusal === null && (!this.#ownNamesOnly || asksUnderOwnName(request, context.hosts));
    }
    if (url.length > MAX_TARGET_LENGTH) return false;
    if (host !== this.#host || context.hosts !== this.#hosts) {
      if (judgeHost(host, url) !== null) return false;
      this.#host = host;
      this.#prefix = url.slice(0, url.indexOf("://") + 3) + host;
      this.#hosts = context.hosts;
      this.#isOwn = context.hosts.isOwn(host);
    }
    if (!this.#isOwn && (this.#ownNamesOnly || context.hosts.areRequired(context))) return false;
    return url.charCodeAt(this.#prefix.length) === 0x2f && url.startsWith(this.#prefix);
  }

  #entryOf({ response, bytes, isFresh, notModified }: OfferedResponse, accept: string | null | undefined): Entry {
    const headers = new Headers(response.headers);
    return {
      whole: new Response(bytes, { status: 200, headers }),
      notModified: this.#dress(notModified),
      notModifiedSince: null,
      isFresh,
      etag: headers.get("etag"),
      lastModified: headers.get("last-modified"),
      size: bytes.length + ENTRY_BYTES,
      accept,
      anyQuery: accept === undefined,
      used: false,
    };
  }

  #add(entries: Entries, key: string, entry: Entry): void {
    const { accept } = entry;
    const others = accept === undefined
      ? []
      : (entries.get(key) ?? []).filter((other) => other.accept !== undefined && other.accept !== accept);
    this.#drop(entries, key);
    this.#set(entries, key, [entry, ...others.slice(0, MAX_VARIANTS - 1)]);
  }

  #forget(key: string, entry: Entry): void {
    for (const entries of [this.#entries, this.#missing]) {
      const variants = entries.get(key);
      if (!variants?.includes(entry)) continue;
      this.#drop(entries, key);
      if (variants.length > 1) this.#set(entries, key, variants.filter((other) => other !== entry));
    }
  }

  #set(entries: Entries, key: string, variants: readonly Entry[]): void {
    entries.set(key, variants);
    this.#bytes += sizeOf(variants);
  }

  #drop(entries: Entries, key: string): void {
    this.#bytes -= sizeOf(entries.get(key) ?? []);
    entries.delete(key);
  }

  /** Evicts the oldest that was not asked for since it was last looked at (second chance). */
  #makeRoom(): void {
    for (const [key, variants] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(this.#entries, key);
      if (!variants.some(({ used }) => used)) continue;
      for (const entry of variants) entry.used = false;
      this.#set(this.#entries, key, variants);
    }
  }
}

/** What is kept, by key: one entry, or one for each Accept. */
type Entries = Map<string, readonly Entry[]>;

function entryFor(variants: readonly Entry[] | undefined, accept: string | null): Entry | undefined {
  if (variants === undefined) return undefined;
  for (const entry of variants) if (entry.accept === undefined || entry.accept === accept) return entry;
  return undefined;
}

function sizeOf(variants: readonly Entry[]): number {
  return variants.reduce((sum, { size }) => sum + size, 0);
}

/** The fields that decide what answers a request. */
interface Fields {
  readonly host: string | null;
  readonly accept: string | null;
  readonly acceptEncoding: string | null;
  readonly noneMatch: string | null;
  readonly since: string | null;
}

/** Reads a header in one pass; null where it bypasses the cache. */
function fieldsOf(headers: Headers): Fields | null {
  let bytes = 0;
  let host: string | null = null;
  let accept: string | null = null;
  let acceptEncoding: string | null = null;
  let noneMatch: string | null = null;
  let since: string | null = null;
  for (const [name, value] of headers) {
    bytes += name.length + value.length;
    if (name === "host") host = value;
    else if (name === "accept") accept = value;
    else if (name === "accept-encoding") acceptEncoding = value;
    else if (name === "if-none-match") noneMatch = value;
    else if (name === "if-modified-since") since = value;
    else if (BYPASSING.has(name)) return null;
  }
  return bytes > MAX_HEADER_BYTES ? null : { host, accept, acceptEncoding, noneMatch, since };
}

/** What answers a request whose conditions can be judged by comparing text, or null. */
function templateFor({ noneMatch, since }: Fields, entry: Entry): Response | null {
  if (entry.notModified === null) return entry.whole;
  if (noneMatch !== null) return noneMatch === entry.etag ? entry.notModified : null;
  if (since !== null) return since === entry.lastModified ? notModifiedSince(entry) : null;
  return entry.whole;
}

/** The same 304 with the type, of which the date says nothing. */
function notModifiedSince(entry: Entry): Response {
  if (entry.notModifiedSince) return entry.notModifiedSince;
  const headers = new Headers(entry.notModified!.headers);
  for (const name of ["content-type", "x-content-type-options"]) {
    const value = entry.whole.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return entry.notModifiedSince = new Response(null, { status: 304, headers });
}

/** Adds to a set that holds so many at most; the oldest goes. */
function addTo(set: Set<string>, key: string): void {
  if (set.size >= MAX_MISSING) set.delete(set.keys().next().value!);
  set.add(key);
}

function retargetedKey({ base, target, requestTarget }: Context): string {
  // No name has a slash in it, so the depth says what a mount has taken off.
  const kind = target.slash ? "directory" : "name";
  return `${kind} ${target.path.segments.length} ${cutQuery(requestTarget)} ${base.join(target.path).text}`;
}

function cutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** What may be a query, from its question mark on, or null where there is none. */
function queryOf(url: string, context: Context): string | null {
  if (context.retargeted) return context.target.query === "" ? null : `?${context.target.query}`;
  const start = url.indexOf("?");
  return start < 0 ? null : url.slice(start);
}
