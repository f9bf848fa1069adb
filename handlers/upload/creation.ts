/**
 * POST as the creation of a resumable upload: of a named file, or in a directory, where the request provides the name.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource } from "../sources/types.ts";
import type { Context } from "../core/types.ts";
import { parseDisposition } from "./multipart.ts";
import { PARTIAL_UPLOAD } from "./upload_fields.ts";
import { operationsFor } from "./rights.ts";
import type { UploadSite } from "./upload_site.ts";

/** Whether a POST creates a resumable upload rather than submitting a form. */
export function isCreation({ headers }: Request): boolean {
  const type = (headers.get("content-type") ?? "").replace(/;.*/s, "").trim().toLowerCase();
  return type === PARTIAL_UPLOAD || (headers.has("upload-complete") && type !== "multipart/form-data");
}

/** Path of the file a POST creates: its target or, in a directory, the name the request provides. */
export async function createdPath(site: UploadSite, request: Request, context: Context): Promise<SitePath> {
  const { target } = context;
  const known = operationsFor(site, request, context).known("create");
  const there = target.slash ? await directoryAt(known, target.path) : await known.stat(target.path);
  if (there?.kind !== "directory") return target.path;
  const name = nameOf(request.headers) ?? `upload-${crypto.randomUUID().slice(0, 8)}`;
  const path = target.path.child(name);
  if (path === null) throw new HttpError(400, "Cannot use that name: it is not a file name", { problem: { name } });
  return path;
}

async function directoryAt(source: FileSource, path: SitePath) {
  const there = await source.stat(path);
  if (there?.kind === "directory") return there;
  throw there ? new HttpError(409, "A parent of the path is a file, not a directory") : new HttpError(404);
}

/** The file name in a request: from Content-Disposition (RFC 6266), or from tus metadata; null if there is none. */
function nameOf(headers: Headers): string | null {
  const disposition = headers.get("content-disposition");
  if (disposition !== null) return parseDisposition(disposition);
  const [, encoded] =
    /(?:^|,)\s*filename ([A-Za-z0-9+/]+={0,2})\s*(?:,|$)/.exec(headers.get("upload-metadata") ?? "") ?? [];
  if (encoded === undefined) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(encoded));
  } catch {
    throw new HttpError(400, "The filename in Upload-Metadata is invalid; it must be UTF-8, encoded as Base64");
  }
}
