/**
 * PUT of a complete file (RFC 9110 section 9.3.4).
 *
 * @module
 */

import { contentLengthOf, readBody } from "../core/request_body.ts";
import { HttpError } from "../core/errors.ts";
import { withoutVariants } from "../http/etag.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import type { SitePath } from "../http/target.ts";
import { readable } from "../serving/rights.ts";
import type { Context } from "../core/types.ts";
import { countUpload, storedResponse, toldTo } from "./answers.ts";
import { parseDigests, Verification } from "./digest.ts";
import { answered } from "./refusals.ts";
import { operationsFor, withinRights } from "./rights.ts";
import type { UploadSite } from "./upload_site.ts";
import { wishOf } from "./wish.ts";

/** Stores the content of a request atomically. */
export async function putFile(site: UploadSite, request: Request, context: Context): Promise<Response> {
  const { path } = fileTarget(context);
  const { onConflict, stallMs } = site.settings;
  const wish = withinRights(site, context, path, wishOf(request.headers, context.target.query, onConflict));
  const expected = await checkPreconditions(site, request, context);
  const modified = modifiedOf(request.headers);
  const options = {
    onConflict: wish.policy,
    parents: !site.settings.isDav,
    length: contentLengthOf(request),
    check: verificationOf(request.headers),
    ...(expected !== undefined && { expected }),
    ...(modified !== null && { modified }),
  };
  const content = readBody(request.body, { stallMs });
  const operations = operationsFor(site, request, context);
  const stored = await answered(path, () => operations.create(path, content, options), wish.status);
  countUpload(context, stored);
  const response = storedResponse(site, request, context, toldTo(context, stored, path));
  // Not every source can set it.
  if (modified !== null && stored.stat.modified === modified) response.headers.set("x-oc-mtime", "accepted");
  return response;
}

/** The date that a client gives a file, as ownCloud's and rclone do; null for none, or one that no file can have. */
function modifiedOf(headers: Headers): number | null {
  const text = headers.get("x-oc-mtime")?.trim() ?? "";
  return /^\d{1,10}(?:\.\d{1,9})?$/.test(text) ? Math.floor(Number(text) * 1_000) : null;
}

/** The target as a file path; throws if it cannot be one, or if the content is encoded or partial. */
export function fileTarget({ target }: Context): { path: SitePath } {
  if (!target.slash) return { path: target.path };
  throw new HttpError(
    409,
    "The path ends in a slash, so it is a directory; use MKCOL to create one, or POST to send a form",
  );
}

/** Throws if the content of a request is encoded or partial. */
export function checkCoding(headers: Headers): void {
  // RFC 9110 section 14.4: ignoring it would store a part as the whole file.
  if (headers.has("content-range")) {
    throw new HttpError(400, "Content-Range is not supported; use PATCH to upload in parts");
  }
  const coding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return;
  throw new HttpError(415, "Content-Encoding is not supported; send the file unencoded", {
    headers: { "accept-encoding": "identity" },
  });
}

/**
 * Throws 412 if a precondition fails; a file that the client may not read counts as missing, because conditions would
 * tell its version and date. For conditions on a version, returns the one that must still exist when the file is
 * replaced.
 */
export async function checkPreconditions(
  site: UploadSite,
  request: Request,
  context: Context,
): Promise<string | undefined> {
  const { headers, method } = request;
  const conditions = ["if-match", "if-none-match", "if-unmodified-since"].filter((name) => headers.has(name));
  if (conditions.length === 0) return undefined;
  const { path } = context.target;
  const stat = await readable(site.store.source, context).stat(path);
  const lastModified = stat?.modified === undefined || stat.modified === null
    ? null
    : Math.floor(stat.modified / 1000) * 1000;
  // davfs2 sends weak tags back as strong ones, as soon as it has created the file. What a client of this server has
  // changed meanwhile has another version in any case; only a program on this machine can change a file unnoticed.
  const isWeak = stat?.stable === false && !site.settings.isDav;
  const etag = stat && `${isWeak ? "W/" : ""}"${stat.version}"`;
  const holds = stat === null
    ? !headers.has("if-match")
    : evaluatePreconditions(method, ofBytes(headers), { etag, lastModified }) === "proceed";
  if (!holds) {
    throw new HttpError(412, "The file does not match the conditions of the request", {
      problem: { name: path.name },
    });
  }
  const isOfVersion = conditions.some((name) => name !== "if-none-match") && headers.get("if-match")?.trim() !== "*";
  return isOfVersion ? stat?.version : undefined;
}

/**
 * Conditions compare content only: serving the same bytes with other headers does not invalidate a client's version.
 */
function ofBytes(headers: Headers): Headers {
  const asked = new Headers(headers);
  for (const name of ["if-match", "if-none-match"]) {
    const value = headers.get(name);
    if (value !== null) asked.set(name, withoutVariants(value));
  }
  return asked;
}

/** The verification of the digests in the header, over the whole file; null if there are none. */
function verificationOf(headers: Headers): Verification | null {
  const promised = ["content-digest", "repr-digest"].flatMap((name) => parseDigests(headers.get(name)) ?? []);
  return promised.length === 0 ? null : new Verification(promised);
}
