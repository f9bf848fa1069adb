/**
 * Headers for some paths.
 *
 * @module
 */

import { requireArray } from "../core/origin.ts";
import { matchedBy } from "../http/path_patterns.ts";
import { type HeaderField, type HeaderRule, putter } from "./headers.ts";

/**
 * Headers for the responses at some paths: for the option `headers` of `fileServer`, and the layer {@linkcode headers}.
 *
 * They take the place of headers that are already there; of several rules, the last one counts. Files, listings,
 * redirects, errors and 304 have them alike.
 *
 * @param patterns Names (`*.html`) or paths (`/assets/**`), decoded, without a query. `?` is one character and `*` any
 * number of them, excluding `/`; `**` is any number of any characters. A pattern without a slash matches the last
 * segment of a path, another one the whole path; that of a directory ends with a slash: `**` + `/` matches all of them.
 * Case makes no difference.
 * @param fields Name and value pairs; null as the value removes the header.
 * @throws {TypeError} For an invalid pattern or header.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { headersFor } from "@x/pyserve/layers";
 *
 * const site = memory({ "assets/a.css": "", "index.html": "" });
 * const headers = [headersFor("/assets/**", [["cache-control", "max-age=3600"]])];
 * const fetch = toFetch(fileServer(site, { headers, log: false }));
 * const policyOf = async (path: string) => {
 *   return (await fetch(new Request(`http://localhost${path}`, { method: "HEAD" }))).headers.get("cache-control");
 * };
 * assertEquals([await policyOf("/assets/a.css"), await policyOf("/")], ["max-age=3600", "no-cache"]);
 * ```
 *
 * @category Layers
 */
export function headersFor(patterns: string | readonly string[], fields: readonly HeaderField[]): HeaderRule {
  const all = typeof patterns === "string" ? [patterns] : patterns;
  requireArray(all, "the patterns of headersFor", "texts such as /assets/**");
  const predicates = all.map((pattern) => matchedBy(pattern));
  putter(fields); // validates them
  return { patterns: all, fields, appliesTo: (target) => predicates.some((matches) => matches(target)) };
}
