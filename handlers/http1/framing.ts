/**
 * Request body framing (RFC 9112 section 6), with the checks that Python's http.server lacks (gh-150499).
 *
 * @module
 */

import { trimBlanks } from "../http/blanks.ts";
import type { Field } from "./header_fields.ts";
import { Rejection } from "./rejection.ts";
import { isAtLeast11 } from "./request_line.ts";

/** The framing of a body. */
export type Framing = { readonly kind: "length"; readonly length: number } | { readonly kind: "chunked" };

/**
 * Determines the framing of a request body; without either header, there is no body.
 *
 * 400 for a duplicate Content-Length (even with the same value), for Content-Length together with Transfer-Encoding or
 * with anything but digits, for Transfer-Encoding in HTTP/1.0, and if `chunked` is not the last coding; 501 for other
 * codings. A duplicate Host is 400 as well: two recipients could route the request differently.
 */
export function bodyFraming(fields: readonly Field[], version: readonly [number, number]): Framing | Rejection {
  const lengths = valuesOf(fields, "content-length");
  const codings = valuesOf(fields, "transfer-encoding");
  if (valuesOf(fields, "host").length > 1) return new Rejection("several-hosts");
  if (codings.length > 0) return codingFraming(codings.join(","), lengths, version);
  if (lengths.length > 1) return new Rejection("several-lengths");
  return lengthFraming(lengths[0] ?? "0");
}

function lengthFraming(text: string): Framing | Rejection {
  const length = /^\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(length) ? { kind: "length", length } : new Rejection("length", text);
}

function codingFraming(
  text: string,
  lengths: readonly string[],
  version: readonly [number, number],
): Framing | Rejection {
  if (lengths.length > 0) return new Rejection("length-beside-coding");
  if (!isAtLeast11(version)) return new Rejection("coding-in-http10");
  // Not trim(): whitespace other than OWS makes a coding name that recipients interpret differently.
  const codings = text.toLowerCase().split(",").map(trimBlanks);
  if (codings.at(-1) !== "chunked" || codings.indexOf("chunked") !== codings.length - 1 || codings.includes("")) {
    return new Rejection("coding", text);
  }
  return codings.length === 1 ? { kind: "chunked" } : new Rejection("unknown-coding");
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter(([field]) => field.length === name.length && field.toLowerCase() === name).map(([, value]) =>
    value
  );
}
