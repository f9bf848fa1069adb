/**
 * Responses to successful writes.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { formatHttpDate } from "../http/date.ts";
import { internalsOf } from "../core/internals.ts";
import { locationFor } from "../core/location.ts";
import type { Committed } from "../sources/writer.ts";
import type { SitePath } from "../http/target.ts";
import type { Context } from "../core/types.ts";
import type { UploadSite } from "./upload_site.ts";

/** A stored file, as described in JSON. */
export interface StoredFile {
  /** The name it was given. */
  readonly name: string;
  /** The URL at which it is served, relative to that of the request. */
  readonly href: string;
  readonly size: number;
  readonly etag: string;
  /** Modification time, ISO 8601. */
  readonly modified: string | null;
  /** Whether it replaced an existing file. */
  readonly replaced: boolean;
}

/**
 * What to tell a client of what it has written: one that may not read it does not learn that it got another name,
 * because the requested one was taken.
 */
export function toldTo(context: Context, committed: Committed, requested: SitePath): Committed {
  return context.may("read", committed.path) ? committed : { ...committed, path: requested };
}

/** Counts a stored file, where there are metrics. */
export function countUpload(context: Context, { stat }: Committed): void {
  const { counts } = internalsOf(context).notes;
  if (counts === null) return;
  counts.uploads += 1;
  counts.uploadedBytes += stat.size;
}

/** Describes a stored file. */
export function describeStored(site: UploadSite, context: Context, { path, stat, replaced }: Committed): StoredFile {
  const modified = stat.modified === null ? null : new Date(stat.modified).toISOString();
  const [href, etag] = [locationFor(context, path), site.settings.etagOf(path, stat)];
  return { name: path.name, href, size: stat.size, etag, modified, replaced };
}

/** 201 for a new file, 204 for a replaced one; 200 if the client requested a description. */
export function storedResponse(
  site: UploadSite,
  request: Request,
  context: Context,
  committed: Committed,
): Response {
  const { stat, path, replaced } = committed;
  const headers = new Headers({ etag: site.settings.etagOf(path, stat) });
  if (stat.modified !== null) headers.set("last-modified", formatHttpDate(Math.floor(stat.modified / 1000) * 1000));
  if (!replaced) headers.set("location", locationFor(context, path));
  const stored = describeStored(site, context, committed);
  if (wantsJson(request)) return Response.json(stored, { status: replaced ? 200 : 201, headers });
  return new Response(null, { status: replaced ? 204 : 201, headers });
}

/** Whether a client prefers JSON; without Accept it does not. */
export function wantsJson(request: Request): boolean {
  return accepts(request, "text/plain", "text/html", "application/json") === "application/json";
}

/** Whether a client prefers HTML. */
export function wantsPage(request: Request): boolean {
  return accepts(request, "text/plain", "application/json", "text/html") === "text/html";
}
