/**
 * The cache of finished responses: small files, listings, and missing paths.
 *
 * It sits inside everything that inspects each request (access log, layers of the user), and outside everything that is
 * the same for all responses: it stores them as templates, with their headers and error pages. Clones share the bytes,
 * so a thousand slow readers of a file need one copy. A hit costs one stat of the file, and creates no new Response.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { failureOf, markFailure } from "../core/errors.ts";
import { acceptedCodings, codingWeights } from "../http/coding.ts";
import { usesOwnHost } from "../core/own_hosts.ts";
import type { RequestHead } from "../core/request_head.ts";
import type { SettledHandler } from "../core/settle.ts";
import type { FreshnessCheck } from "../sources/types.ts";
import {
  internalsOf,
  isForUser,
  keepPrivate,
  type OfferedAbsence,
  type OfferedResponse,
  visitorKey,
} from "../core/internals.ts";
import type { Context, Encoder, Rewriter } from "../core/types.ts";

/** Maximum size of a cached file in bytes; larger ones are sent from disk at the same speed. */
const MAX_FILE_BYTES = 1024 * 1024;

/** Estimated size of an entry besides its bytes. */
const ENTRY_BYTES = 2048;

/** Maximum number of files read into memory at the same time, so that a burst of first requests cannot exhaust it. */
const MAX_LOADING = 16;

/** Maximum number of cached 404 responses, and of missing paths remembered after their first request. */
const MAX_MISSING = 1000;

/** Maximum length of an Accept header in a cache key; browsers send some 130 characters. */
const MAX_ACCEPT_LENGTH = 512;

/**
 * Maximum number of responses per path that differ by Accept; the oldest is evicted. Browsers and tools send a handful.
 */
const MAX_VARIANTS = 8;

/** Maximum number of parsed Accept-Encoding headers; browsers and tools send a handful. */
const MAX_CODING_HEADERS = 100;

/**
 * Headers that describe content, omitted from a 304 (RFC 9110 section 15.4.5). Policies are not among them: a cache
 * updates stored responses with those of the 304.
 */
const OF_CONTENT = [
  "accept-ranges",
  "content-encoding",
  "content-length",
  "content-type",
  "last-modified",
  "x-content-type-options",
];

/** The handler's information about a cacheable response. */
export type Offer = Omit<OfferedResponse, "response" | "notModified">;

interface Entry {
  readonly whole: Response;
  readonly notModified: Response | null;
  /** The 304 for clients that revalidate by date alone; created on demand. */
  notModifiedSince: Response | null;
  readonly isFresh: FreshnessCheck;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly size: number;
  /** The Accept header that the response depends on; undefined if it does not. */
  readonly accept: string | null | undefined;
  /** Whether the response is the same for any query. */
  readonly anyQuery: boolean;
  /** Whether it has been hit since the last eviction. */
  used: boolean;
}

/** A cache that can be made smaller. */
interface Member {
  /** Its current size in bytes. */
  readonly bytes: number;
  /** Evicts one entry. */
  evict(): void;
}

/**
 * A limit for the response caches of several file servers together, such as those of virtual hosts: pass the same one as
 * `cacheSize` to all of them. If it is exceeded, the largest cache evicts entries.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { CacheBudget, fileServer, hosts, memory, toFetch } from "@x/pyserve";
 *
 * const cacheSize = new CacheBudget(16 * 1024 * 1024);
 * const fetch = toFetch(hosts({
 *   "a.localhost": fileServer(memory({ "index.html": "A" }), { cacheSize, log: false }),
 *   "b.localhost": fileServer(memory({ "index.html": "B" }), { cacheSize, log: false }),
 * }));
 * assert(await (await fetch(new Request("http://b.localhost/"))).text() === "B");
 * ```
 *
 * @category Server
 */
export class CacheBudget {
  /** The limit in bytes; with 0, nothing is cached. */
  readonly maxBytes: number;
  readonly #members: Member[] = [];

  /** Defaults to 64 MiB. */
  constructor(maxBytes: number = 64 * 1024 * 1024) {
    this.maxBytes = maxBytes;
  }

  /**
   * The limit of a cache, given as the option `cacheSize`.
   *
   * @internal
   */
  static of(size: number | CacheBudget | undefined): CacheBudget {
    return size instanceof CacheBudget ? size : new CacheBudget(size);
  }

  /**
   * Adds a cache.
   *
   * @internal
   */
  join(member: Member): void {
    this.#members.push(member);
  }

  /**
   * Evicts entries until the limit is kept.
   *
   * @internal
   */
  makeRoom(): void {
    while (this.#members.reduce((sum, { bytes }) => sum + bytes, 0) > this.maxBytes) {
      const largest = this.#members.reduce((largest, member) => member.bytes > largest.bytes ? member : largest);
      largest.evict();
    }
  }
}

/** Options of {@linkcode ResponseCache}. */
export interface ResponseCacheOptions {
  /** The limit of its size, perhaps together with other caches. */
  readonly budget: CacheBudget;
  /** Adds to a 304 the headers that layers have already added to all other templates. */
  readonly dress?: (response: Response, context: Context) => Response;
  /**
   * Whether Accept-Encoding selects the content: then the codings accepted by the client are part of the key, as they
   * are if the context has encoders.
   */
  readonly coded?: boolean;
  /** The encoders of generated pages, at paths that end with a slash, if the context has none. */
  readonly pageEncoders?: readonly Encoder[];
  /** Query parameters handled by features: a request with one of them bypasses the cache. */
  readonly queries?: readonly string[];
  /** Whether own host names are required, regardless of the context. */
  readonly ownNamesOnly?: boolean;
}

/**
 * Responses to GET. The key contains everything that responses vary by: the path as sent, so that a hit does not need
 * to parse it; `context.view`, the set of rights; the accepted codings, if there are precompressed files; and Accept,
 * if the type is negotiated.
 */
export class ResponseCache {
  readonly #entries: Entries = new Map();
  readonly #missing: Entries = new Map();
  readonly #missed = new Set<string>();
  readonly #loading = new Set<string>();
  readonly #codings = new WeakMap<readonly Encoder[], Map<string | null, string>>();
  readonly #budget: CacheBudget;
  readonly #dress: (response: Response, context: Context) => Response;
  readonly #isCoded: boolean;
  readonly #pageEncoders: readonly Encoder[];
  readonly #elsewhere: RegExp | null;
  readonly #ownNamesOnly: boolean;
  #bytes = 0;

  /** Creates an empty cache. */
  constructor(
    { budget, dress, coded = false, pageEncoders = [], queries = [], ownNamesOnly = false }: ResponseCacheOptions,
  ) {
    this.#ownNamesOnly = ownNamesOnly;
    this.#elsewhere = queries.length > 0 ? new RegExp(`[?&](?:${queries.join("|")})(?:[=&]|$)`) : null;
    this.#budget = budget;
    budget.join(this);
    this.#dress = dress ?? ((response) => response);
    this.#isCoded = coded;
    this.#pageEncoders = pageEncoders;
  }

  /** Wraps a handler: responds from the cache, and stores responses offered by the handler. */
  around(handler: SettledHandler): SettledHandler {
    return (request, context) => {
      const kept = this.answer(request, context);
      if (kept !== null) return kept;
      return then(handler(request, context), (response) => this.#remember(request, context, response));
    };
  }

  /** The cached response to a request if it is still fresh; null on a miss. */
  answer(request: Request, context: Context): Response | null {
    if (this.#entries.size + this.#missing.size === 0 || request.method !== "GET") return null;
    const internals = internalsOf(context);
    const url = internals.urlOf(request);
    const head = internals.headOf(request);
    if (head.isUnusual) return null;
    const key = this.#keyOf(internals.targetOf(request), head.acceptEncoding, context);
    const entry = entryFor(this.#entries.get(key), head.accept) ??
      entryFor(this.#missing.get(key), head.accept);
    if (entry === undefined) return null;
    const query = queryOf(url, context);
    // A fragment after the query is refused, like one after a path.
    if (query !== null && (!entry.anyQuery || query.includes("#") || this.#elsewhere?.test(query))) return null;
    if (!this.#isAccepted(request, url, context, head)) return null;
    const template = templateFor(head, entry);
    if (template === null) return null;
    if (!entry.isFresh()) {
      this.#forget(key, entry);
      return null;
    }
    entry.used = true;
    if (internals.repeat !== null) internals.repeat.isFresh = entry.isFresh;
    const response = template.clone();
    const { notes } = internals;
    if (notes.counts) notes.counts.cacheHits += 1;
    notes.refusal = null; // known valid: an accepted request had the same key
    notes.dressed = notes.finished = response;
    const failure = entry.notModified === null ? failureOf(template) : null;
    return failure ? markFailure(response, failure) : response;
  }

  /** Accepts a proof that a path does not exist, if the path has been requested before. */
  offerAbsence(request: Request, context: Context, prove: () => FreshnessCheck | null): void {
    if (request.method !== "GET" || this.#budget.maxBytes === 0) return;
    const key = this.#keyOfRequest(request, context);
    const isFresh = this.#missed.has(key) ? prove() : null;
    if (isFresh) internalsOf(context).notes.absence = { key, isFresh };
    else addTo(this.#missed, key);
  }

  /** Whether a response of this size is worth offering, if it is sent in full for this request. */
  wants(request: Request, context: Context, size: number, { negotiated = false } = {}): boolean {
    if (request.method !== "GET" || size + ENTRY_BYTES > this.#budget.maxBytes || size > MAX_FILE_BYTES) return false;
    const accept = internalsOf(context).headOf(request).accept;
    if (negotiated && accept !== null && accept.length > MAX_ACCEPT_LENGTH) return false;
    const key = this.#keyOfRequest(request, context);
    if (this.#loading.size >= MAX_LOADING || this.#loading.has(key)) return false;
    // Requests for the same path that differ in Accept must not evict each other's entry in turn.
    if (entryFor(this.#entries.get(key), accept)?.isFresh()) return false;
    this.#loading.add(key);
    return true;
  }

  /** Records how to cache a response, until its layers have been applied. */
  offer(context: Context, response: Response, offer: Offer): void {
    const headers = new Headers(response.headers);
    for (const name of OF_CONTENT) headers.delete(name);
    const notModified = new Response(null, { status: 304, headers });
    internalsOf(context).notes.offer = { ...offer, response, notModified };
  }

  /** Caches a finished response if it was offered, and returns the response to send. */
  #remember(request: Request, context: Context, response: Response): Response {
    const { notes } = internalsOf(context);
    const { offer, absence } = notes;
    if (this.#loading.size > 0) this.#loading.delete(this.#keyOfRequest(request, context));
    if (offer === null && absence === null) return response;
    notes.offer = notes.absence = null; // a layer may call again with another request
    const kept = offer?.response === response
      ? this.#keep(request, context, offer)
      : absence !== null
      ? this.#keepMissing(request, context, response, absence)
      : response;
    // The clone takes the place of the original.
    if (notes.dressed === response) notes.dressed = kept;
    return kept;
  }

  #keep(request: Request, context: Context, offer: OfferedResponse): Response {
    const notModified = this.#dress(offer.notModified, context);
    if (isForUser(context)) keepPrivate(notModified.headers);
    const accept = offer.negotiated ? internalsOf(context).headOf(request).accept : undefined;
    const entry = this.#entryOf({ ...offer, notModified }, accept);
    this.#add(this.#entries, this.#keyOfRequest(request, context), entry);
    this.#budget.makeRoom();
    return entry.whole.clone();
  }

  #keepMissing(request: Request, context: Context, response: Response, { key, isFresh }: OfferedAbsence): Response {
    const accept = internalsOf(context).headOf(request).accept;
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
    const internals = internalsOf(context);
    return this.#keyOf(internals.targetOf(request), internals.headOf(request).acceptEncoding, context);
  }

  /**
   * The path as sent; if a layer or a mount has replaced it, the new path as well, along with the original, because
   * links are relative to that. No path as sent can be mistaken for such a key, since none begins with a digit.
   */
  #keyOf(target: string, acceptEncoding: string | null, context: Context): string {
    const path = internalsOf(context).retargeted ? retargetedKey(context) : cutQuery(target);
    const encoders = context.encoders.length === 0 && path.endsWith("/") ? this.#pageEncoders : context.encoders;
    const view = viewOf(path, context);
    const isCoded = this.#isCoded || encoders.length > 0;
    const { rewriters } = context;
    const codings = isCoded ? this.#codingsOf(acceptEncoding, encoders) : "";
    if (view === "" && codings === "" && rewriters.length === 0) return path;
    return `${view.length}:${view}${codings}${rewriters.length === 0 ? "" : changesOf(rewriters)} ${path}`;
  }

  /** The part of the key for the codings that a client accepts; most requests resemble the one before. */
  #codingsOf(header: string | null, encoders: readonly Encoder[]): string {
    let known = this.#codings.get(encoders);
    if (known === undefined) this.#codings.set(encoders, known = new Map());
    let codings = known.get(header);
    if (codings !== undefined) return codings;
    codings = codingsOf(header, encoders);
    if (known.size >= MAX_CODING_HEADERS) known.clear();
    known.set(header, codings);
    return codings;
  }

  /** Whether the request is accepted, as far as the key does not prove it: an accepted one had the same target. */
  #isAccepted(request: Request, url: string, context: Context, head: RequestHead): boolean {
    if (head.host !== null && !internalsOf(context).retargeted) {
      return internalsOf(context).accepts(url, head, this.#ownNamesOnly);
    }
    return context.refusal === null && (!this.#ownNamesOnly || usesOwnHost(request, context.hosts));
  }

  #entryOf({ response, bytes, isFresh, notModified }: OfferedResponse, accept: string | null | undefined): Entry {
    const headers = new Headers(response.headers);
    return {
      whole: new Response(bytes, { status: 200, headers }),
      notModified,
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

  /** The size of all entries in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Evicts the oldest entry that has not been hit since its last check (second chance). */
  evict(): void {
    for (const [key, variants] of this.#entries) {
      this.#drop(this.#entries, key);
      if (!variants.some(({ used }) => used)) return;
      for (const entry of variants) entry.used = false;
      this.#set(this.#entries, key, variants);
    }
  }
}

/** The entries by key: one, or one per Accept. */
type Entries = Map<string, readonly Entry[]>;

function entryFor(variants: readonly Entry[] | undefined, accept: string | null): Entry | undefined {
  if (variants === undefined) return undefined;
  for (const entry of variants) if (entry.accept === undefined || entry.accept === accept) return entry;
  return undefined;
}

function sizeOf(variants: readonly Entry[]): number {
  return variants.reduce((sum, { size }) => sum + size, 0);
}

/** The template for a request whose conditions can be evaluated by string comparison, or null. */
function templateFor({ noneMatch, modifiedSince: since }: RequestHead, entry: Entry): Response | null {
  if (entry.notModified === null) return entry.whole;
  if (noneMatch !== null) return noneMatch === entry.etag ? entry.notModified : null;
  if (since !== null) return since === entry.lastModified ? notModifiedSince(entry) : null;
  return entry.whole;
}

/** The same 304 with Content-Type, which the date does not cover. */
function notModifiedSince(entry: Entry): Response {
  if (entry.notModifiedSince) return entry.notModifiedSince;
  const headers = new Headers(entry.notModified!.headers);
  for (const name of ["content-type", "x-content-type-options"]) {
    const value = entry.whole.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return entry.notModifiedSince = new Response(null, { status: 304, headers });
}

/** Stored codings are selected by order alone; encoders come after them, so ties matter as well. */
function codingsOf(header: string | null, encoders: readonly Encoder[]): string {
  const codings = acceptedCodings(header);
  if (encoders.length === 0) return codings.join();
  const { of } = codingWeights(header);
  const ties = codings.map((coding, at) => at > 0 && of(coding) === of(codings[at - 1]!) ? "=" : ">");
  return `${codings.join()}${ties.join("")}+${encoders.map(({ coding }) => coding).join()}`;
}

/** The part of a key that stands for the changes made to content. */
function changesOf(rewriters: readonly Rewriter[]): string {
  return rewriters.map(({ name, rewrite }) => `!${rewrite === null ? "" : name}`).join("");
}

/** Pages of directories show who has logged in; files are the same for all users with the same rights. */
function viewOf(path: string, context: Context): string {
  const { visitor, view } = internalsOf(context);
  return visitor !== null && path.endsWith("/") ? `${view} ${visitorKey(visitor)}` : view;
}

/** Adds to a bounded set, evicting the oldest element. */
function addTo(set: Set<string>, key: string): void {
  if (set.size >= MAX_MISSING) set.delete(set.keys().next().value!);
  set.add(key);
}

function retargetedKey({ base, target, requestTarget }: Context): string {
  // Names contain no slash, so the depth identifies the part of the path above the mount.
  const kind = target.slash ? "directory" : "name";
  return `${kind} ${target.path.segments.length} ${cutQuery(requestTarget)} ${base.join(target.path).text}`;
}

function cutQuery(target: string): string {
  const query = target.indexOf("?");
  return query < 0 ? target : target.slice(0, query);
}

/** The possible query, including the question mark; null if there is none. */
function queryOf(url: string, context: Context): string | null {
  if (internalsOf(context).retargeted) return context.target.query === "" ? null : `?${context.target.query}`;
  const start = url.indexOf("?");
  return start < 0 ? null : url.slice(start);
}
