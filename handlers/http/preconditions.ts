/**
 * The five preconditions of RFC 9110 section 13, in the order of section 13.2.2. Pure functions.
 *
 * @module
 */

import { parseHttpDate } from "./date.ts";
import { parseEtags, strongMatch, weakMatch } from "./etag.ts";

/** The validators of the selected representation. */
export interface Validators {
  /** The entity tag as sent, including quotes and `W/`; null if there is none. */
  readonly etag: string | null;
  /** Last-Modified as sent, in milliseconds since 1970, at whole seconds; null if there is none. */
  readonly lastModified: number | null;
}

/** `proceed`: ignore the preconditions. `not-modified`: 304. `failed`: 412. */
export type Precondition = "proceed" | "not-modified" | "failed";

/**
 * Evaluates If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since for a representation that exists.
 *
 * Only for requests that would otherwise succeed (section 13.2.1): check for 404, 301 and 405 first. If-Range is
 * handled by {@linkcode ifRangeHolds}, because it affects only the range.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { evaluatePreconditions } from "@x/pyserve/http";
 *
 * const headers = new Headers({ "if-none-match": '"a"' });
 * const verdict = evaluatePreconditions("GET", headers, { etag: '"a"', lastModified: null });
 * assert(verdict === "not-modified");
 * ```
 */
export function evaluatePreconditions(method: string, headers: Headers, validators: Validators): Precondition {
  const reading = method === "GET" || method === "HEAD";
  const ifMatch = headers.get("if-match");
  if (ifMatch !== null) {
    if (!anyTag(ifMatch, validators.etag, strongMatch)) return "failed";
  } else if (!unmodifiedSince(headers.get("if-unmodified-since"), validators)) {
    return "failed";
  }
  const ifNoneMatch = headers.get("if-none-match");
  if (ifNoneMatch !== null) {
    if (anyTag(ifNoneMatch, validators.etag, weakMatch)) return reading ? "not-modified" : "failed";
  } else if (reading && !modifiedSince(headers.get("if-modified-since"), validators)) {
    return "not-modified";
  }
  return "proceed";
}

/**
 * Whether If-Range permits the Range header (section 13.1.5): it is absent, or a strongly matching tag, or exactly the
 * Last-Modified date of a representation with a strong tag. Otherwise the full content is sent.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { ifRangeHolds } from "@x/pyserve/http";
 *
 * assert(!ifRangeHolds('W/"a"', { etag: 'W/"a"', lastModified: null }));
 * ```
 */
export function ifRangeHolds(ifRange: string | null, validators: Validators): boolean {
  if (ifRange === null) return true;
  const { etag, lastModified } = validators;
  if (ifRange.includes('"')) return etag !== null && strongMatch(ifRange.trim(), etag);
  // A file changed within the clock's resolution has a weak tag, and its date is not a strong validator either.
  return lastModified !== null && !etag?.startsWith("W/") && parseHttpDate(ifRange) === lastModified;
}

function anyTag(header: string, etag: string | null, match: (a: string, b: string) => boolean): boolean {
  const tags = parseEtags(header);
  if (tags === "*") return true;
  return etag !== null && tags.some((tag) => match(tag, etag));
}

function modifiedSince(header: string | null, { lastModified }: Validators): boolean {
  const date = header === null || lastModified === null ? null : parseHttpDate(header);
  return date === null || lastModified! > date;
}

function unmodifiedSince(header: string | null, { lastModified }: Validators): boolean {
  const date = header === null || lastModified === null ? null : parseHttpDate(header);
  return date === null || lastModified! <= date;
}
