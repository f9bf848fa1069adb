/**
 * The page that a site has for what is not found.
 *
 * @module
 */

import { derive } from "../core/derive.ts";
import { internalsOf } from "../core/internals.ts";
import type { Context, Handler } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { readable } from "../serving/rights.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import { allHold } from "./siblings.ts";
import { filesWith, type RepresentationOptions } from "./files.ts";
import { pagePath } from "./page_path.ts";

/** Options of {@linkcode notFoundPage}. */
export interface NotFoundPageOptions extends RepresentationOptions {
  /** The path of the page, such as `/errors/404.html`; by default, the page is `404.html` of the nearest directory. */
  readonly file?: string;
}

const NAME = "404.html";

/** The most directories in which a page is looked for, from the nearest one. */
const MAX_DIRECTORIES = 32;

/**
 * Answers GET and HEAD with the page that a site has for what is not found, with status 404: `404.html` in the directory of
 * the request, or else in the nearest directory above. Declines if there is none, or none that the client may read.
 *
 * It has neither validators nor ranges: a 404 is not a representation of what was asked for. Links in it are relative to the
 * request, so let them begin with a slash.
 *
 * `fileServer` has it (`notFound`). For chains of your own, use it in `errorPages`, which sends it only to clients that ask
 * for HTML, or as the last handler.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorPages, files, memory, settle, toFetch, wrap } from "@x/pyserve";
 * import { notFoundPage } from "@x/pyserve/handlers";
 *
 * const source = memory({ "404.html": "<h1>Nothing here</h1>" });
 * const fetch = toFetch(wrap(settle(files(source)), errorPages({ notFound: notFoundPage(source) })));
 * const response = await fetch(new Request("http://localhost/a/b", { headers: { accept: "text/html" } }));
 * assert(response.status === 404 && await response.text() === "<h1>Nothing here</h1>");
 * ```
 *
 * @category Handlers
 */
export function notFoundPage(source: FileSource, options: NotFoundPageOptions = {}): Handler {
  requireSource(source, "the source of notFoundPage");
  const { file, ...representation } = options;
  const only = file === undefined ? null : pagePath(file, "the file of notFoundPage");
  const send = filesWith(source, representation, null);
  return (request, context) => {
    if ((request.method !== "GET" && request.method !== "HEAD") || context.refusal !== null) return null;
    return answer(request, context, { source, send, only });
  };
}

/** What is sent, and from where. */
interface Pages {
  readonly source: FileSource;
  readonly send: Handler;
  /** The only page; null for the nearest one. */
  readonly only: SitePath | null;
}

async function answer(request: Request, context: Context, { source, send, only }: Pages): Promise<Response | null> {
  const candidates = only ? [only] : nearestTo(context);
  const shown = readable(source, context);
  for (const path of candidates) {
    if ((await shown.stat(path))?.kind !== "file") continue;
    const target = { ...context.target, path, slash: false };
    const response = await send(unconditional(request), derive(context, { target }));
    if (response === null) continue;
    internalsOf(context).notes.absence = null; // the page may change
    return new Response(response.body, { status: 404, headers: response.headers });
  }
  keepWhileAbsent(shown, candidates, context);
  return null;
}

/** The pages in the directory of the target and above, the nearest first. */
function nearestTo({ target: { path, slash } }: Context): SitePath[] {
  const pages: SitePath[] = [];
  for (let at = slash ? path : path.parent; at !== null && pages.length < MAX_DIRECTORIES; at = at.parent) {
    const page = at.child(NAME);
    if (page) pages.push(page);
  }
  return pages;
}

/** Without preconditions and ranges, which are about something else; the content coding is negotiated as for any file. */
function unconditional({ url, method, headers }: Request): Request {
  const accepted = headers.get("accept-encoding");
  return new Request(url, { method, headers: accepted === null ? {} : { "accept-encoding": accepted } });
}

/** A cached 404 without a page of the site holds as long as there is none. */
function keepWhileAbsent(source: FileSource, pages: readonly SitePath[], context: Context): void {
  const { notes } = internalsOf(context);
  if (notes.absence === null) return;
  const isFresh = allHold([notes.absence.isFresh, ...pages.map((path) => source.absence?.(path))]);
  notes.absence = isFresh && { ...notes.absence, isFresh };
}
