/**
 * State of a request that is internal to this package.
 *
 * @module
 */

import type { Refusal } from "../http/refusal.ts";
import { SitePath } from "../http/target.ts";
import type { Repeat, Transfer } from "./shortcuts.ts";
import type { RequestHead } from "./request_head.ts";
import type { Context } from "./types.ts";

/** A cacheable response, offered to the cache. */
export interface OfferedResponse {
  /** The response as created by its handler. */
  readonly response: Response;
  /** The corresponding 304, without headers added by layers. */
  readonly notModified: Response;
  /** The response body. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether the response is still fresh. */
  readonly isFresh: () => boolean;
  /** Whether the response depends on Accept and the query. */
  readonly negotiated?: boolean;
}

/** A cacheable proof that a path does not exist. */
export interface OfferedAbsence {
  /** The cache key of the path. */
  readonly key: string;
  /** Whether the path still does not exist. */
  readonly isFresh: () => boolean;
}

/** What handlers count for a layer of metrics. */
export interface Counts {
  cacheHits: number;
  uploads: number;
  uploadedBytes: number;
  programRuns: number;
  programFailures: number;
  rejectedLogins: number;
}

/** The mutable state of one request, shared by all contexts derived for it: how handlers and layers communicate. */
export interface RequestNotes {
  /** Why the request is refused, or null; undefined until it has been checked. */
  refusal: Refusal | null | undefined;
  /** The user named by a layer; undefined if none has named one. */
  user: string | null | undefined;
  /** Whether the access log line has been written or is suppressed. */
  logged: boolean;
  /** The final response, to be sent unmodified, or null. */
  finished: Response | null;
  /** The response that already has its file server's headers and error page, or null. */
  dressed: Response | null;
  /** Where error pages lead: to the start of a share, or nowhere if null; to the start page if absent. */
  start?: SitePath | null;
  /** The response offered to the cache, or null. */
  offer: OfferedResponse | null;
  /** The proof of absence offered to the cache, or null. */
  absence: OfferedAbsence | null;
  /** Where handlers count what happens, or null without metrics. */
  counts: Counts | null;
}

/** The fields that a derived context replaces. */
export type ContextChanges = Partial<Context & Pick<InternalContext, "visitor">>;

/** What a layer knows of the client, and grants it. */
export interface Identified extends Pick<Context, "user" | "may" | "view"> {
  /** What pages show about the client. */
  readonly visitor: Visitor;
}

/** What pages show about the client. */
export interface Visitor {
  /** The name of the user; null for clients that have not logged in. */
  readonly name: string | null;
  /** Whether to offer logging in or out. */
  readonly hasLogin: boolean;
  /** The number of segments of `base` that are not shown: the token of a share. */
  readonly hidden: number;
  /** The id of the share link by which the client came; absent for others. */
  readonly share?: string;
  /** Directories that only lead to what is shared: their dates are not shown. Follows from the view. */
  readonly leads?: (path: SitePath) => boolean;
}

/** A context with its internal fields. Every context has them, because only `toFetch` creates contexts. */
export interface InternalContext extends Context {
  /** Whether a layer or a mount has replaced the target, so that it differs from the request's URL. */
  readonly retargeted: boolean;
  /**
   * Whether the transport truncates a body at its Content-Length, as Deno.serve does over HTTP/1: then a file can be
   * sent as a native stream, which may continue past it.
   */
  readonly cutsAtLength: boolean;
  /** Whether the transport sends an open file itself, if it is noted for the body. */
  readonly sendsFiles: boolean;
  /**
   * Whether the request is accepted (`refusal` is null), judged from fields that have been read already; the target is
   * not judged. Only for GET requests without a body. False in doubt.
   *
   * @param ownNamesOnly Whether own host names are required, regardless of the context.
   */
  accepts(url: string, head: RequestHead, ownNamesOnly: boolean): boolean;
  /**
   * The same as `derive`, at a fraction of the cost: an object that becomes a prototype is slow to create and to read.
   * Null if other fields than the usual ones are replaced, now or before.
   */
  derived(changes: ContextChanges): Context | null;
  /** The URL of a request, read once: the runtime builds it each time. */
  urlOf(request: Request): string;
  /** The target of a request as sent, cut from its URL once. */
  targetOf(request: Request): string;
  /** The head of a request, read once. */
  headOf(request: Request): RequestHead;
  /** The sending of the response; null if the transport does not see its end. */
  readonly transfer: Transfer | null;
  /** To be filled in if the response may be sent again by the transport; null if it must not. */
  readonly repeat: Repeat | null;
  /** The mutable state of this request. */
  readonly notes: RequestNotes;
  /** What pages show about the client; null on servers without users. Pages for directories are cached separately. */
  readonly visitor: Visitor | null;
}

/** The internal part of a context. */
export function internalsOf(context: Context): InternalContext {
  return context as InternalContext;
}

/** The path of the target for people: without the token of a share, which is as good as a password. */
export function shownPath(context: Context): SitePath {
  const { base, target, visitor } = internalsOf(context);
  const path = base.join(target.path);
  const hidden = visitor?.hidden ?? 0;
  return hidden === 0 ? path : path.segments.slice(hidden).reduce((path, name) => path.child(name)!, SitePath.root);
}

/** The part of a cache key that stands for what pages show about the client. */
export function visitorKey(visitor: Visitor | null): string {
  return visitor === null ? "" : JSON.stringify([visitor.name, visitor.hasLogin, visitor.hidden]);
}

/** Whether responses are for a user who has logged in. */
export function isForUser(context: Context): boolean {
  const name = internalsOf(context).visitor?.name;
  return name !== null && name !== undefined;
}

/** Shared caches must not store what a user gets: a cookie, unlike Authorization, does not tell them (RFC 9111 section 3.5). */
export function keepPrivate(headers: Headers): void {
  const policy = headers.get("cache-control") ?? "no-cache";
  if (/\b(?:private|no-store)\b/.test(policy) || isForAll(policy)) return;
  headers.set("cache-control", `private, ${policy.replace(/\bpublic\b,? */, "")}`);
}

/** Whether a response never changes and is the same for everyone, as a script of the page. */
export function isForAll(cacheControl: string): boolean {
  return /\bpublic\b/.test(cacheControl) && /\bimmutable\b/.test(cacheControl);
}
