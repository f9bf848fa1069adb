/**
 * Serves one file, regardless of the request's target.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { HttpError } from "../core/errors.ts";
import { toFetch } from "../core/fetch.ts";
import { settle } from "../core/settle.ts";
import { SitePath } from "../http/target.ts";
import { disk } from "../sources/disk.ts";
import type { FileSource } from "../sources/types.ts";
import { derive } from "../core/derive.ts";
import type { Context, Handler } from "../core/types.ts";
import { files, type RepresentationOptions } from "./files.ts";
import { pathIn } from "./page_path.ts";

/** Options of {@linkcode serveFile}. */
export interface ServeFileOptions extends RepresentationOptions {
  /** The source of the file; by default, the path is one on disk. */
  readonly source?: FileSource;
  /**
   * The context of the request, inside a handler or a layer: error causes then go to its log, and large files are sent
   * as native streams. The rights of the client are not checked: the caller has decided to send this file.
   */
  readonly context?: Context;
}

/**
 * Responds with one file, by the same rules as {@linkcode files}: types, validators, preconditions, ranges, HEAD. The
 * URL of the request is not used, so that the client does not choose the file; a request whose Host or target is
 * invalid is still refused (400).
 *
 * Always responds: 404 if there is no such file, 405 for other methods, 403 if it cannot be read. Errors are bare
 * responses, which `errorPages` or an enclosing `fileServer` render. It neither lists directories nor looks for an
 * index file.
 *
 * @param request The request: its method and headers determine the response.
 * @param path A path on disk, whose symlinks are followed; or, with `source`, a decoded path in that source (`/docs/a
 * b.txt`). It must not come from the client: for that, use `files`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { memory, serveFile } from "@x/pyserve";
 *
 * const source = memory({ "index.html": "<h1>Hello</h1>" });
 * const request = new Request("http://localhost/anything", { headers: { range: "bytes=4-8" } });
 * const response = await serveFile(request, "/index.html", { source });
 * assert(response.status === 206 && await response.text() === "Hello");
 * ```
 *
 * @category Handlers
 */
export async function serveFile(request: Request, path: string, options: ServeFileOptions = {}): Promise<Response> {
  const { context, ...rest } = options;
  const send: Handler = (request, context) => sendFile(request, context, path, rest);
  return await (context ? settle(send)(request, context) : toFetch(send)(request));
}

async function sendFile(
  request: Request,
  context: Context,
  path: string,
  { source, ...options }: ServeFileOptions,
): Promise<Response | null> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    throw new HttpError(405, undefined, { headers: { allow: "GET, HEAD" } });
  }
  const { from, at } = source ? { from: source, at: pathIn(path) } : onDisk(path);
  if (from === null || at === null || (await from.stat(at))?.kind !== "file") return null;
  const target = { ...context.target, path: at, slash: false };
  return await files(from, options)(request, derive(context, { target, may: () => true, view: "serveFile" }));
}

/** A file on disk, as an entry of its directory. */
function onDisk(path: string): { from: FileSource | null; at: SitePath | null } {
  const directory = dirname(path);
  const from = Deno.statSync(directory).isDirectory ? disk(directory, { followLinks: true }) : null;
  return { from, at: SitePath.root.child(basename(path)) };
}
