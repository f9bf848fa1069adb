/**
 * The endpoint `/.pyserve/shares`: makes share links, lists those of a user, and revokes them.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import type { Awaitable, Context, Handler } from "../core/types.ts";
import { SitePath } from "../http/target.ts";
import { formOf, html, OWN_DIRECTORY, redirect, refuseOtherSites, requireMethod, textOf } from "./forms.ts";
import type { Identity } from "./identify.ts";
import { sharesPage, type ShownShare } from "./shares_page.ts";
import { type ShareRecord, TooManyShares } from "./share_records.ts";
import { sharePath, type Sharing, triedShare } from "./share_site.ts";
import { rightsOfShare, type ShareWish, wishOfForm, wishOfJson } from "./share_wish.ts";
import { outermost, type Share } from "./shares.ts";
import { RIGHTS } from "./rules.ts";
import type { UserRight } from "./user_rights.ts";
import type { Token } from "./users.ts";

const SHARES: SitePath = SitePath.root.child(OWN_DIRECTORY)!.child("shares")!;

const FOREIGN = "Pages of other sites cannot make or revoke share links";

/** A share as sent to programs. */
interface SentShare extends Omit<ShareRecord, "by" | "site"> {
  /** The link, relative to the URL of the request. */
  readonly link: string;
}

/** One request for the endpoint. */
interface Exchange {
  readonly request: Request;
  readonly context: Context;
  readonly user: string;
  /** The token with which the request was sent, or null. */
  readonly token: Token | null;
  readonly by: Sharing;
  /** The site, to find out whether a link leads to something. */
  readonly site: Handler;
}

/** Answers requests of users for the endpoint; null for other paths below it. */
export function sharesEndpoint(
  request: Request,
  context: Context,
  { user, token }: Identity,
  by: Sharing,
  site: Handler,
): Awaitable<Response | null> {
  const below = context.target.path.below(SHARES);
  if (below === null || below.segments.length > 1 || user === null) return null;
  if (token !== null && !token.rights.includes("share")) throw new HttpError(403);
  const exchange = { request, context, user: user.name, token, by, site };
  return below.parent === null ? list(exchange) : one(exchange, below.name);
}

/** Whether a request is for the endpoint, which requires a login. */
export function isSharesEndpoint({ target: { path } }: Context): boolean {
  return path.below(SHARES) !== null;
}

function list(exchange: Exchange): Awaitable<Response> {
  const { request } = exchange;
  requireMethod(request, "GET, HEAD, POST");
  if (request.method === "POST") return change(exchange);
  return wantsPage(request) ? listPage(exchange) : Response.json({ shares: ownShares(exchange).map(sent(exchange)) }, {
    headers: { "cache-control": "no-store", vary: "accept" },
  });
}

function listPage(exchange: Exchange): Response {
  const query = new URLSearchParams(exchange.context.target.query);
  const made = query.get("made");
  const shares: ShownShare[] = ownShares(exchange).map((record) => ({ ...record, link: linkOf(exchange, record) }));
  const body = sharesPage({
    paths: query.getAll("path"),
    mayUpload: query.get("upload") !== null,
    made: shares.find(({ id }) => id === made) ?? null,
    shares: shares.reverse(),
  });
  return html(200, body);
}

/** Makes a share, or revokes one: forms have no DELETE. */
async function change(exchange: Exchange): Promise<Response> {
  const { request, context } = exchange;
  refuseOtherSites(request, context, FOREIGN);
  const type = (request.headers.get("content-type") ?? "").replace(/;.*/s, "").trim().toLowerCase();
  if (type === "application/json") return created(exchange, await make(exchange, wishOfJson(await textOf(request))));
  if (type !== "application/x-www-form-urlencoded") {
    throw new HttpError(415, "Share links are made with a form or with JSON", {
      headers: { "accept-post": "application/json, application/x-www-form-urlencoded" },
    });
  }
  const form = await formOf(request);
  const revoked = form.get("revoke");
  if (revoked !== null) {
    revoke(exchange, revoked);
    return redirect(locationFor(context, SHARES));
  }
  const record = await make(exchange, wishOfForm(form));
  return wantsPage(request)
    ? redirect(locationFor(context, SHARES, { query: `made=${record.id}` }))
    : created(exchange, record);
}

function created(exchange: Exchange, record: ShareRecord): Response {
  const share = sent(exchange)(record);
  return Response.json(share, { status: 201, headers: { location: share.link, "cache-control": "no-store" } });
}

async function make({ context, user, token: own, by, site, request }: Exchange, wish: ShareWish): Promise<ShareRecord> {
  for (const { path } of wish.paths) requireRights(context, wish, path);
  if (!wish.rights.includes("read") && wish.paths.length > 1) {
    throw new HttpError(400, "An upload link leads to one directory");
  }
  const paths = outermost(wish.paths.map(({ path }) => path));
  const made = Date.now();
  const terms = {
    paths,
    rights: rightsOfShare(wish.rights),
    expires: Math.min(made + wish.duration, own?.expires ?? Infinity),
  };
  const { id, token } = by.shares.make(terms, user, own?.id ?? null);
  if (by.shares.isTooLong(token)) {
    throw new HttpError(400, "Too many paths for one link: share their directory instead");
  }
  const tried = await triedShare({ id, by: user, token: own?.id ?? null, ...terms }, request, context, by, site);
  const hrefs = paths.map((path, index) => {
    const isDirectory = tried[index] ?? wish.paths.some((each) => each.slash && each.path.href === path.href);
    return path.href + (isDirectory && path.parent !== null ? "/" : "");
  });
  const expires = terms.expires === Infinity ? null : terms.expires;
  const bound = { ...(own !== null && { token: own.id }), ...(by.site !== "" && { site: by.site }) };
  const record = { id, by: user, ...bound, paths: hrefs, rights: wish.rights, made, expires };
  add(by, record);
  return record;
}

function missingRight({ may }: Context, { rights }: ShareWish, path: SitePath): UserRight | undefined {
  return (["share", ...rights] as const).find((right) => !may(RIGHTS[right], path));
}

function requireRights(context: Context, wish: ShareWish, path: SitePath): void {
  const missing = missingRight(context, wish, path);
  if (missing === undefined) return;
  const sentence = missing === "share" ? "You may not share this" : `You cannot share what you may not do: ${missing}`;
  throw new HttpError(403, sentence, { problem: { right: missing, path: path.href } });
}

function add({ records }: Sharing, record: ShareRecord): void {
  try {
    records.add(record);
  } catch (error) {
    throw error instanceof TooManyShares ? new HttpError(409, error.message) : error;
  }
}

function one(exchange: Exchange, id: string): Response {
  const { request, context } = exchange;
  requireMethod(request, "DELETE");
  refuseOtherSites(request, context, FOREIGN);
  revoke(exchange, id);
  return new Response(null, { status: 204 });
}

/** Only one's own: a share of another user does not exist. */
function revoke(exchange: Exchange, id: string): void {
  const record = ownShares(exchange).find((each) => each.id === id);
  if (record === undefined) throw new HttpError(404, "You have no such share link");
  exchange.by.revocations.add(id, record.expires ?? Infinity);
}

/** The shares of the user on this site; with a token, those that could be made with it. */
function ownShares({ user, token, by, context }: Exchange): ShareRecord[] {
  return by.records.all().filter((record) =>
    record.by === user && (record.site ?? "") === by.site && !by.revocations.has(record.id) &&
    (token === null || mayShare(context, record))
  );
}

function mayShare(context: Context, { paths, rights }: ShareRecord): boolean {
  const wish = wishOfJson(JSON.stringify({ paths, rights }));
  return wish.paths.every(({ path }) => missingRight(context, wish, path) === undefined);
}

function sent(exchange: Exchange): (record: ShareRecord) => SentShare {
  return ({ by: _, site: __, ...record }) => ({ ...record, link: linkOf(exchange, { by: exchange.user, ...record }) });
}

/** The link of a recorded share. The record has no secret: the token is computed again. */
function linkOf({ context, by }: Exchange, record: ShareRecord): string {
  const { token, path, slash } = startOf(record, by);
  return locationFor(context, sharePath(token).join(path), { slash });
}

/** The token of a recorded share, and where in the shared site it leads: to the only path, or to the overview. */
export function startOf(
  record: ShareRecord,
  { shares }: Pick<Sharing, "shares">,
): { readonly token: string; readonly path: SitePath; readonly slash: boolean } {
  const wish = wishOfJson(JSON.stringify({ paths: record.paths, rights: record.rights, for: "0" }));
  const share: Share = {
    id: record.id,
    by: record.by,
    token: record.token ?? null,
    paths: wish.paths.map(({ path }) => path),
    rights: rightsOfShare(wish.rights),
    expires: record.expires ?? Infinity,
  };
  const only = wish.paths.length === 1 ? wish.paths[0]! : { path: SitePath.root, slash: true };
  return { token: shares.tokenOf(share), ...only };
}

function wantsPage(request: Request): boolean {
  return accepts(request, "application/json", "text/html") === "text/html";
}
