/**
 * Where the body of a request ends (RFC 9112 section 6): the checks that Python's http.server does not make (gh-150499).
 *
 * @module
 */

import { trimBlanks } from "../http/blanks.ts";
import type { Field } from "./header_fields.ts";
import { Rejection } from "./rejection.ts";
import { isAtLeast11 } from "./request_line.ts";

/** How a body is framed. */
export type Framing = { readonly kind: "length"; readonly length: number } | { readonly kind: "chunked" };

/**
 * Decides how the body of a request is framed; a request without either field has none.
 *
 * Content-Length given twice, even with the same value, beside Transfer-Encoding, or as anything but digits is 400, as is
 * Transfer-Encoding in HTTP/1.0 or one that does not end in `chunked`; codings other than chunked are 501. Host given
 * twice is 400 as well: two readers would send the request to two sites.
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
  // Not trim(): other white space than OWS makes a coding that some servers know and others do not.
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
