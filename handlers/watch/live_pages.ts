/**
 * Inserts the module that reloads a page into HTML files.
 *
 * @module
 */

import { derive } from "../core/derive.ts";
import { internalsOf } from "../core/internals.ts";
import type { Context, Layer, Rewriter } from "../core/types.ts";
import { escapeHtml } from "../http/escape.ts";
import { relativeReference } from "../http/relative.ts";
import { assetFiles, SCRIPT_DIRECTORY } from "../page/script.ts";
import { insertedInHead } from "./html_insertion.ts";

/** The request header fields by which a navigation is told from other requests. */
const VARY = "accept, sec-fetch-dest";

/** Where browsers show documents. */
const SHOWN_IN = ["document", "iframe", "frame"];

/**
 * A layer that inserts the module into HTML that is sent for a navigation. Anything else gets the file as it is: scripts
 * that fetch it, downloads by tools, HEAD, ranges. Pages with a policy of their own do, too: sandboxed files, which could not
 * load the module, and generated pages.
 */
export function livePages(): Layer {
  return (next) => {
    return async (request, context) => {
      if (request.method !== "GET" && request.method !== "HEAD") return await next(request, context);
      const { version } = await assetFiles();
      const rewriter = isNavigation(request, context) ? inserting(context, version) : NOT_INSERTING;
      return await next(request, derive(context, { rewriters: [...context.rewriters, rewriter] }));
    };
  };
}

/** Browsers on plain HTTP, except on this machine, send no Sec-Fetch-Dest. */
function isNavigation(request: Request, context: Context): boolean {
  const { accept, fetchDest } = internalsOf(context).headOf(request);
  return accept !== null && accept.includes("text/html") && (fetchDest === null || SHOWN_IN.includes(fetchDest));
}

const NOT_INSERTING: Rewriter = { name: "live", vary: VARY, suits: isOpenPage, rewrite: null };

function inserting({ requestTarget, base }: Context, version: string): Rewriter {
  const module = base.child(SCRIPT_DIRECTORY)!.child(version)!.child("live.js")!;
  const url = relativeReference(requestTarget, module);
  const markup = `<script type="module" src="${escapeHtml(url)}"></script>`;
  return { ...NOT_INSERTING, name: `live-${version}`, rewrite: (content) => insertedInHead(content, markup) };
}

function isOpenPage({ type, headers = {} }: Parameters<Rewriter["suits"]>[0]): boolean {
  return /^text\/html\s*(?:;|$)/i.test(type) && !("content-security-policy" in headers);
}
