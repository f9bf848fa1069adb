/**
 * Upload links: a page to send files, and nothing that tells what is there, neither by what it shows nor by what it
 * refuses.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { errorResponse, HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import type { Awaitable, Context, Handler } from "../core/types.ts";
import { onDemand } from "../core/on_demand.ts";
import { html, redirect } from "./forms.ts";
import type { Share } from "./shares.ts";

/** Its script is hashed when it is loaded. */
const pages = onDemand(() => import("./drop_page.ts"));

/** What a client may do: all other methods need to know what is there. */
const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"];

/** Sentences without names and numbers, which could be those of what is there. */
const SENTENCES: Readonly<Record<number, string>> = {
  403: "This link only takes files for its own directory",
  404: "This link only takes files for its own directory",
  409: "The upload could not be finished; send the file again",
  413: "The file is too large",
  507: "There is not enough space",
};

/** Answers a request below an upload link. */
export function answerDropBox(
  request: Request,
  context: Context,
  { paths }: Share,
  next: Handler,
): Awaitable<Response | null> {
  const { method } = request;
  const { path, query } = context.target;
  const isResumable = new URLSearchParams(query).has("upload");
  if (!METHODS.includes(method) && !(method === "DELETE" && isResumable)) throw refused();
  const isBox = paths.some((shared) => shared.href === path.href) && context.may("create", path);
  if ((method === "GET" || method === "HEAD") && !isResumable) {
    if (!isBox) throw refused();
    return then(pages(), ({ dropPage, dropHeaders }) => html(200, dropPage(path.name, query === "done"), dropHeaders));
  }
  // Other paths may be directories, where the same request means something else.
  if (method === "POST" && !isBox) throw refused();
  if (!context.may("create", path)) throw refused();
  return then(next(request, context), (response) => response && concealed(request, context, response));
}

function refused(): HttpError {
  return new HttpError(403, SENTENCES[403]);
}

/** The answer to an upload without its names and links, which could tell what is there. */
function concealed(request: Request, context: Context, response: Response): Response {
  if (request.method === "OPTIONS") return response;
  response.body?.cancel().catch(() => {});
  const status = response.status === 405 ? 403 : response.status;
  if (status >= 400) return errorResponse(new HttpError(status, SENTENCES[status]));
  if (response.headers.has("upload-offset")) return progress(response);
  if (request.method !== "POST" || !(request.headers.get("accept") ?? "").includes("text/html")) {
    return new Response(null, { status: 201 });
  }
  return redirect(locationFor(context, context.target.path, { slash: true, query: "done" }));
}

/** The progress of a resumable upload: where it goes on, but not what the file is called in the end. */
function progress({ status, headers }: Response): Response {
  const kept = new Headers(headers);
  const isComplete = headers.get("upload-complete") !== "?0";
  for (const name of ["content-type", "etag", "last-modified", ...isComplete ? ["location"] : []]) kept.delete(name);
  return new Response(null, { status: status === 200 ? 204 : status, headers: kept });
}
