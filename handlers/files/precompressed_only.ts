/**
 * Files that exist precompressed only: `app.js.br` without `app.js`.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { derive } from "../core/derive.ts";
import { internalsOf } from "../core/internals.ts";
import { acceptedCodings, type CodingName, CODINGS } from "../http/coding.ts";
import type { SitePath } from "../http/target.ts";
import { varyBy } from "../http/vary.ts";
import { DEFAULT_INDEX } from "../serving/resolve.ts";
import { readable } from "../serving/rights.ts";
import { requireSource } from "../sources/require_source.ts";
import { recordView } from "../sources/shown.ts";
import type { FileSource } from "../sources/types.ts";
import type { Context, Handler } from "../core/types.ts";
import { type FilesOptions, filesWith } from "./files.ts";

const NAMES = Object.keys(CODINGS) as CodingName[];

/**
 * Answers for `NAME`, where it does not exist, with `NAME.br`, `NAME.zst` or `NAME.gz` as the client accepts, and for a
 * directory without an index file with a precompressed one. The response is the same as `files` would give for `NAME`
 * in this coding. Clients that accept none of those that exist get 406. Declines everything else.
 *
 * Put it behind `files`, and before `listing`. Each response for what does not exist costs a look at the three names.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, memory, toFetch } from "@x/pyserve";
 * import { precompressedOnly } from "@x/pyserve/handlers";
 *
 * const source = memory({ "app.js.br": "(compressed)" });
 * const fetch = toFetch(chain(files(source), precompressedOnly(source)));
 * const ask = (coding: string) => {
 *   return fetch(new Request("http://localhost/app.js", { headers: { "accept-encoding": coding } }));
 * };
 * const { status, headers } = await ask("gzip, br");
 * assert(status === 200 && headers.get("content-encoding") === "br");
 * assert(headers.get("content-type") === "text/javascript; charset=utf-8");
 * assert((await ask("gzip")).status === 406);
 * ```
 *
 * @category Handlers
 */
export function precompressedOnly(source: FileSource, options: FilesOptions = {}): Handler {
  requireSource(source, "the source of precompressedOnly");
  const { index = DEFAULT_INDEX, cleanUrls: _clean, trailingSlash: _slash, ...representation } = options;
  const send = new Map(NAMES.map((coding) => {
    const variant = `${options.variant ?? ""} ${coding}`;
    return [coding, filesWith(variantsOf(source, coding), { ...representation, precompressed: false, variant }, null)];
  }));
  return async (request, context) => {
    if ((request.method !== "GET" && request.method !== "HEAD") || context.refusal !== null) return null;
    internalsOf(context).notes.absence = null; // a 404 must not be cached until there is a variant
    const found = await find(readable(source, context), context, index);
    if (found === null) return null;
    const coding = acceptedCodings(request.headers.get("accept-encoding")).find((coding) =>
      found.codings.includes(coding)
    );
    if (coding === undefined) throw notAcceptable(found.codings);
    // What is compressed is neither compressed again nor rewritten.
    const inner = derive(context, {
      target: { ...context.target, path: found.path, slash: false },
      encoders: [],
      rewriters: [],
    });
    const response = await send.get(coding)!(request, inner);
    if (response === null) return null;
    varyBy(response.headers, "accept-encoding");
    if (response.ok) response.headers.set("content-encoding", coding);
    return response;
  };
}

/** A file without its original. */
interface Found {
  /** The path of the original. */
  readonly path: SitePath;
  /** The codings in which it exists; at least one. */
  readonly codings: readonly CodingName[];
}

/** What a request is for; null if the original exists, or nothing at all. */
async function find(source: FileSource, { target, may }: Context, index: readonly string[]): Promise<Found | null> {
  const paths = target.slash ? index.flatMap((name) => target.path.child(name) ?? []) : [target.path];
  for (const path of paths) {
    if (path.parent === null || isCompressed(path) || !may("read", path) || await source.stat(path) !== null) continue;
    const codings: CodingName[] = [];
    for (const coding of NAMES) if ((await statOf(source, path, coding))?.kind === "file") codings.push(coding);
    if (codings.length > 0) return { path, codings };
  }
  return null;
}

/** Compressed SVG has a coding of its own. */
function isCompressed({ name }: SitePath): boolean {
  return name.toLowerCase().endsWith(".svgz");
}

function notAcceptable(codings: readonly CodingName[]): HttpError {
  const names = codings.join(" or ");
  return new HttpError(406, `This file exists compressed only: it takes a client that accepts ${names}`, {
    headers: { vary: "accept-encoding" },
  });
}

function variantOf(path: SitePath, coding: CodingName): SitePath | null {
  return path.sibling(path.name + CODINGS[coding]);
}

function statOf(source: FileSource, path: SitePath, coding: CodingName): ReturnType<FileSource["stat"]> {
  const variant = variantOf(path, coding);
  return variant && source.stat(variant);
}

/** A source in which the variants of a coding have the names of their originals. */
function variantsOf(source: FileSource, coding: CodingName): FileSource {
  return recordView({
    stat: (path) => statOf(source, path, coding),
    list: () => null,
    open: (path, seen, range) => source.open(variantOf(path, coding)!, seen, range),
    ...(source.canonical && { canonical: (path, seen) => source.canonical!(variantOf(path, coding)!, seen) }),
  }, source);
}
