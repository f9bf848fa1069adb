/**
 * Files that are asked for again: kept in memory, and looked at on disk before every answer. So are listings, and names
 * that are asked for again and not there.
 *
 * What is kept is the finished response, headers of all layers included, as a template: a clone shares its bytes, so that
 * a thousand slow readers of a file hold it once. A hit costs one stat of the file, and makes no new Response.
 *
 * @module
 */

import { failureOf, markFailure } from "./errors.ts";
import { MAX_HEADER_BYTES } from "./http/header_size.ts";
import { judgeHost } from "./http/host.ts";
import { MAX_TARGET_LENGTH, rawTarget } from "./http/target.ts";
import { asksUnderOwnName } from "./own_hosts.ts";
import type { SettledHandler } from "./settle.ts";
import type { FreshnessCheck } from "./sources/types.ts";
import type { Context, HostNames } from "./types.ts";

/** The largest file that is kept, in bytes; larger ones are sent as fast from disk. */
const MAX_FILE_BYTES = 1024 * 1024;

/** What an entry takes besides its bytes, roughly. */
const ENTRY_BYTES = 2048;

/** Files read into memory at once, so that many first requests cannot fill it. */
const MAX_LOADING = 16;

/** Names kept that are not there, at most; and names remembered to have been asked for once. */
const MAX_MISSING = 1000;

/** Headers of which any makes a request one to think about. */
const UNUSUAL = new Set(["range", "if-match", "if-unmodified-since", "content-length", "transfer-encoding"]);

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

/** What is known of a response that may be kept. */
export interface Offer {
  /** Its body. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether it would be the same now. */
  readonly isFresh: FreshnessCheck;
  /** Whether Accept and the query decide what it is: then it is for requests with the same Accept and without a query. */
  readonly negotiated?: boolean;
}

interface Entry {
  readonly whole: Response;
  readonly notModified: Response | null;
  /** The 304 for clients that know the content by its date alone: made when one asks. */
  notModifiedSince: Response | null;
  readonly isFresh: FreshnessCheck;
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly size: number;
  /** The Accept header that the answer is for; undefined where it is for all. */
  readonly accept: string | null | undefined;
  /** Whether it is the answer whatever the query is. */
  readonly anyQuery: boolean;
  /** Whether it was asked for since the last time something had to go. */
  used: boolean;
}

/** How {@linkcode HotFiles} keeps. */
export interface HotFilesOptions {
  /** Bytes kept at most; 0 keeps nothing. */
  readonly maxBytes: number;
  /** Headers that every response has, also a 304. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Writes the line of the access log for a hit, if there is one to write. */
  readonly log: ((request: Request, context: Context, response: Response, milliseconds: number) => void) | null;
  /** Parameters of a query that make it a question to somebody else. */
  readonly queries?: readonly string[];
  /** Whether the site is answered under its own names only, whatever the context says. */
  readonly ownNamesOnly?: boolean;
}

/** The files that were asked for, by the path as it was sent, so that a hit need not take it apart. */
export class HotFiles {
  readonly #entries = new Map<string, Entry>();
  readonly #missing = new Map<string, Entry>();
  readonly #missed = new Set<string>();
  readonly #absences = new WeakMap<Request, FreshnessCheck>();
  readonly #loading = new Set<string>();
  readonly #offers = new WeakMap<Response, Offer>();
  readonly #maxBytes: number;
  readonly #everywhere: ReadonlySet<string>;
  readonly #log: HotFilesOptions["log"];
  readonly #elsewhere: RegExp | null;
  #bytes = 0;
  readonly #ownNamesOnly: boolean;
  /** The Host last seen to be one, what a URL with it begins with, and whether it is an own name of the server. */
  #host = "";
  #prefix = "";
  #isOwn = false;
  #hosts: HostNames | null = null;

  /** Makes an empty cache. */
  constructor({ maxBytes, headers, log, queries = [], ownNamesOnly = false }: HotFilesOptions) {
    this.#ownNamesOnly = ownNamesOnly;
    this.#elsewhere = queries.length > 0 ? new RegExp(`[?&](?:${queries.join("|")})(?:[=&]|$)`) : null;
    this.#maxBytes = maxBytes;
    this.#everywhere = new Set(headers.map(([name]) => name.toLowerCase()));
    this.#log = log;
  }

  /** Puts the cache in front of a handler: what is kept is not asked for, and what is offered is kept. */
  inFront(handler: SettledHandler): SettledHandler {
    return (request, context) => {
      const kept = this.answer(request, context);
      if (kept !== null) return kept;
      const answered = handler(request, context);
      if (answered instanceof Promise) return answered.then((response) => this.remember(request, context, response));
      return this.remember(request, context, answered);
    };
  }

  /** The answer to a request for a file that is kept and has not changed, or null: then it is to be worked out. */
  answer(request: Request, context: Context): Response | null {
    if (this.#entries.size + this.#missing.size === 0 || request.method !== "GET") return null;
    const start = this.#log === null ? 0 : performance.now();
    const { url } = request; // asked for once: the runtime makes the text anew each time
    const key = keyOf(url, context);
    const entry = this.#entries.get(key) ?? this.#missing.get(key);
    if (entry === undefined) return null;
    const query = queryOf(url, context);
    // A fragment behind a query is refused, as one behind a path is.
    if (query !== null && (!entry.anyQuery || query.includes("#") || this.#elsewhere?.test(query))) return null;
    const asked = fieldsOf(request.headers);
    if (asked === null || !this.#isUsual(request, url, context, asked.host)) return null;
    const template = templateFor(asked, entry);
    if (template === null) return null;
    if (!entry.isFresh()) {
      this.#drop(key, entry);
      return null;
    }
    entry.used = true;
    if (this.#log === null) context.notes.logged = true;
    else this.#log(request, context, template, performance.now() - start);
    const response = template.clone();
    context.notes.refusal = null; // judged by comparing: it is what an accepted request was
    context.notes.finished = response;
    const failure = entry.whole.status === 404 ? failureOf(template) : null;
    return failure ? markFailure(response, failure) : response;
  }

  /** Takes how to prove that nothing is at a path, if it is one that is asked for again. */
  offerAbsence(request: Request, context: Context, prove: () => FreshnessCheck | null): void {
    if (request.method !== "GET" || this.#maxBytes === 0) return;
    const key = keyOf(request.url, context);
    const isFresh = this.#missed.has(key) ? prove() : null;
    if (isFresh) this.#absences.set(request, isFresh);
    else addTo(this.#missed, key);
  }

  /** Whether a file of this size should be offered, when it is sent whole for this request. */
  wants(request: Request, context: Context, size: number): boolean {
    if (request.method !== "GET" || size + ENTRY_BYTES > this.#maxBytes || size > MAX_FILE_BYTES) return false;
    const key = keyOf(request.url, context);
    if (this.#loading.size >= MAX_LOADING || this.#loading.has(key)) return false;
    // Clients that ask for the same in different ways do not take turns in having it read.
    if (this.#entries.get(key)?.isFresh()) return false;
    this.#loading.add(key);
    return true;
  }

  /** Takes what is needed to keep a response, until {@linkcode remember} has it with the headers of all layers. */
  offer(response: Response, offer: Offer): void {
    this.#offers.set(response, offer);
  }

  /** Keeps a finished response if it was offered; gives back what is to be sent. */
  remember(request: Request, context: Context, response: Response): Response {
    const key = keyOf(request.url, context);
    if (this.#loading.size > 0) this.#loading.delete(key);
    const offer = this.#offers.get(response);
    if (offer === undefined) return this.#rememberMissing(request, key, response);
    const entry = this.#entryOf(request, response, offer);
    const old = this.#entries.get(key);
    if (old) this.#drop(key, old);
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
    this.#makeRoom();
    return entry.whole.clone();
  }

  #rememberMissing(request: Request, key: string, response: Response): Response {
    const isFresh = this.#absences.get(request);
    const failure = isFresh && response.status === 404 ? failureOf(response) : null;
    if (!failure) return response;
    const accept = request.headers.get("accept");
    const entry: Entry = {
      whole: response,
      notModified: null,
      notModifiedSince: null,
      isFresh: isFresh!,
      etag: null,
      lastModified: null,
      size: 0,
      accept,
      anyQuery: true,
      used: false,
    };
    if (this.#missing.size >= MAX_MISSING) this.#missing.delete(this.#missing.keys().next().value!);
    this.#missing.set(key, entry);
    return markFailure(response.clone(), failure);
  }

  /** Whether Host and URL are what they mostly are: where not, the slow way judges them. */
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

  #entryOf(request: Request, response: Response, { bytes, isFresh, negotiated = false }: Offer): Entry {
    const headers = new Headers(response.headers);
    const without = new Headers(headers);
    for (const name of OF_CONTENT) if (!this.#everywhere.has(name)) without.delete(name);
    return {
      whole: new Response(bytes, { status: 200, headers }),
      notModified: new Response(null, { status: 304, headers: without }),
      notModifiedSince: null,
      isFresh,
      etag: headers.get("etag"),
      lastModified: headers.get("last-modified"),
      size: bytes.length + ENTRY_BYTES,
      accept: negotiated ? request.headers.get("accept") : undefined,
      anyQuery: !negotiated,
      used: false,
    };
  }

  #drop(key: string, entry: Entry): void {
    if (this.#entries.delete(key)) this.#bytes -= entry.size;
    else this.#missing.delete(key);
  }

  /** Lets the oldest go that was not asked for since it was last looked at (second chance). */
  #makeRoom(): void {
    for (const [key, entry] of this.#entries) {
      if (this.#bytes <= this.#maxBytes) return;
      this.#drop(key, entry);
      if (!entry.used) continue;
      entry.used = false;
      this.#entries.set(key, entry);
      this.#bytes += entry.size;
    }
  }
}

/** The fields that decide what answers a request. */
interface Fields {
  readonly host: string | null;
  readonly accept: string | null;
  readonly noneMatch: string | null;
  readonly since: string | null;
}

/** Reads a header in one pass; null where it is one to think about. */
function fieldsOf(headers: Headers): Fields | null {
  let bytes = 0;
  let host: string | null = null;
  let accept: string | null = null;
  let noneMatch: string | null = null;
  let since: string | null = null;
  for (const [name, value] of headers) {
    bytes += name.length + value.length;
    if (name === "host") host = value;
    else if (name === "accept") accept = value;
    else if (name === "if-none-match") noneMatch = value;
    else if (name === "if-modified-since") since = value;
    else if (UNUSUAL.has(name)) return null;
  }
  return bytes > MAX_HEADER_BYTES ? null : { host, accept, noneMatch, since };
}

/** What answers a request whose conditions can be judged by comparing text, or null. */
function templateFor({ accept, noneMatch, since }: Fields, entry: Entry): Response | null {
  if (entry.accept !== undefined && accept !== entry.accept) return null;
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

/**
 * The path as sent; where a layer or a mount has replaced it, the new one as well, with the path as sent because links are
 * relative to that. No path as sent looks like such a key.
 */
function keyOf(url: string, context: Context): string {
  if (!context.retargeted) return cutQuery(rawTarget(url));
  const { base, target, requestTarget } = context;
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
