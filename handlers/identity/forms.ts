/**
 * What the endpoints below `/.pyserve/` have in common: forms, redirects and pages that are not stored.
 *
 * @module
 */

import { isCrossSite } from "../core/cross_site.ts";
import { HttpError } from "../core/errors.ts";
import { isForAll } from "../core/internals.ts";
import { readBody } from "../core/request_body.ts";
import type { Context } from "../core/types.ts";
import { FORM_HEADERS } from "../page/frame.ts";

/** The directory of the endpoints; the page's script is below it, too. */
export const OWN_DIRECTORY = ".pyserve";

/** A form has a few names and paths. */
const MAX_FORM_BYTES = 32_768;
const FORM_STALL_MS = 10_000;

/** The text of a small body. */
export async function textOf(request: Request, max = MAX_FORM_BYTES): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const bytes of readBody(request.body, { max, stallMs: FORM_STALL_MS })) {
    text += decoder.decode(bytes, { stream: true });
  }
  return text + decoder.decode();
}

/** The fields of a form (`application/x-www-form-urlencoded`). */
export async function formOf(request: Request, max?: number): Promise<URLSearchParams> {
  return new URLSearchParams(await textOf(request, max));
}

/** Throws 403 for a request that was sent by a page of another site. */
export function refuseOtherSites(request: Request, context: Context, sentence: string): void {
  if (isCrossSite(request, context.hosts)) throw new HttpError(403, sentence);
}

/** Throws 405 unless the method is one of a list as in Allow. */
export function requireMethod({ method }: Request, allow: string): void {
  if (!allow.split(", ").includes(method)) throw new HttpError(405, undefined, { headers: { allow } });
}

/** A page with forms. */
export function html(status: number, body: string, more: Readonly<Record<string, string>> = FORM_HEADERS): Response {
  const headers = { ...more, "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
  return new Response(body, { status, headers });
}

/** A redirect after a form was sent. */
export function redirect(location: string): Response {
  return new Response(null, { status: 303, headers: { location, "cache-control": "no-store" } });
}

/**
 * Keeps a response that a browser shows as a page to a user out of its cache and its memory: after logout, going back
 * would show it. Clear-Site-Data removes neither the page with the logout button, nor anything over plain HTTP on a
 * network.
 */
export function keepUnstored(headers: Headers): void {
  if (!isForAll(headers.get("cache-control") ?? "")) headers.set("cache-control", "no-store");
}
