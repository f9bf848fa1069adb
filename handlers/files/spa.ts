/**
 * Single-page apps: one page answers all addresses that the app has.
 *
 * @module
 */

import { coveredBy } from "../http/path_patterns.ts";
import { varyBy } from "../http/vary.ts";
import { then } from "../core/awaitable.ts";
import { derive } from "../core/derive.ts";
import { internalsOf } from "../core/internals.ts";
import type { Context, Handler } from "../core/types.ts";
import { SitePath } from "../http/target.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import { filesWith, type RepresentationOptions } from "./files.ts";
import { pagePath } from "./page_path.ts";

/** Options of {@linkcode spa}. */
export interface SpaOptions extends RepresentationOptions {
  /** The path of the page, such as `/app.html`; defaults to the index file of the root. */
  readonly file?: string;
  /** Names of index files, tried in order; as for `files`. */
  readonly index?: readonly string[];
  /**
   * Addresses that the app does not have: names, paths (`/api`) and globs (`/v?/**`), with everything below. What is
   * missing there is declined.
   */
  readonly ignore?: readonly string[];
}

/**
 * Answers navigations with the page of a single-page app, status 200: GET and HEAD that accept `text/html`, for a path
 * whose last segment has no dot, and none of whose segments begins with one. Declines everything else: a script or an
 * image that is missing is a 404, and so is what a program asks for.
 *
 * Put it behind the handlers for what exists. Rights are respected: it declines where the client may not read the path,
 * or the page. Responses have `Vary: accept`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, memory, toFetch } from "@x/pyserve";
 * import { spa } from "@x/pyserve/handlers";
 *
 * const source = memory({ "index.html": "<div id=app></div>" });
 * const fetch = toFetch(chain(files(source), spa(source)));
 * const headers = { accept: "text/html" };
 * assert((await fetch(new Request("http://localhost/users/42", { headers }))).status === 200);
 * assert((await fetch(new Request("http://localhost/missing.js", { headers }))).status === 404);
 * ```
 *
 * @category Handlers
 */
export function spa(source: FileSource, options: SpaOptions = {}): Handler {
  requireSource(source, "the source of spa");
  const { file, ignore = [], ...representation } = options;
  const isIgnored = coveredBy(ignore);
  const page = file === undefined
    ? { path: SitePath.root, slash: true }
    : { path: pagePath(file, "the file of spa"), slash: false };
  const send = filesWith(source, representation, null);
  return (request, context) => {
    if (!isForApp(request, context) || isIgnored(context.target.path)) return null;
    const target = { ...context.target, ...page };
    return then(send(request, derive(context, { target })), (response) => {
      if (response) varyBy(response.headers, "accept");
      internalsOf(context).notes.absence = null; // a 404 must not be cached until there is a page
      return response;
    });
  };
}

function isForApp(request: Request, { target: { path }, refusal, may }: Context): boolean {
  if ((request.method !== "GET" && request.method !== "HEAD") || refusal !== null) return false;
  if (path.name.includes(".") || path.segments.some((segment) => segment.startsWith("."))) return false;
  return acceptsHtml(request.headers.get("accept") ?? "") && may("read", path);
}

/** Whether HTML is named, as by browsers that open a page: `*` + `/*` is what scripts and programs send. */
function acceptsHtml(accept: string): boolean {
  return accept.toLowerCase().split(",").some((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    if (type !== "text/html" && type !== "application/xhtml+xml") return false;
    return !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter));
  });
}
