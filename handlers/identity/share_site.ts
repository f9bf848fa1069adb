/**
 * Share links at work: `/.pyserve/share/TOKEN/PATH` is the site as far as the share permits it.
 *
 * The path of the shared file stays in the URL, so that relative links, redirects and Destination headers mean what they
 * mean elsewhere.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import type { Visitor } from "../core/internals.ts";
import { derive } from "../core/derive.ts";
import type { Awaitable, Context, Handler, Right } from "../core/types.ts";
import { SitePath } from "../http/target.ts";
import { FORM_HEADERS } from "../page/frame.ts";
import { dropPage } from "./login_page.ts";
import { OWN_DIRECTORY } from "./login.ts";
import type { AccessRules } from "./rules.ts";
import type { Share, Shares } from "./shares.ts";
import type { Revocations } from "./state.ts";
import type { Users } from "./users.ts";

/** What shares are judged by. */
export interface Sharing {
  readonly shares: Shares;
  readonly revocations: Revocations;
  readonly users: Users;
  readonly rules: AccessRules;
}

const DIRECTORY: readonly string[] = [OWN_DIRECTORY, "share"];

/** The path of a share, to which the shared path is appended. */
export function sharePath(token: string): SitePath {
  return [...DIRECTORY, token].reduce((path, name) => path.child(name)!, SitePath.root);
}

/** Answers a request below a share link; null if it is not below one. */
export function answerShared(
  request: Request,
  context: Context,
  by: Sharing,
  next: Handler,
): Awaitable<Response | null> {
  const { segments } = context.target.path;
  if (segments.length < 3 || DIRECTORY.some((name, index) => segments[index] !== name)) return null;
  const share = by.shares.verify(segments[2]!);
  if (share === null || by.revocations.has(share.id)) throw invalidLink();
  return then(isUserKnown(share, by.users), (isKnown) => {
    if (!isKnown) throw invalidLink();
    return answer(request, within(share, segments[2]!, context, by.rules), share, next);
  });
}

/** Nothing tells whether a link was valid before. */
function invalidLink(): HttpError {
  return new HttpError(404, "This link is not valid, or no longer");
}

function isUserKnown({ by }: Share, users: Users): Awaitable<boolean> {
  return by === null || then(users.find(by), (user) => user !== null);
}

/** The context of the shared site: its root is the root of the site, of which only the shared paths can be seen. */
function within(share: Share, token: string, context: Context, rules: AccessRules): Context {
  const prefix = sharePath(token);
  const issuer = share.by === null ? null : rules.of(share.by);
  const covers = (path: SitePath) => share.paths.some((shared) => path.below(shared) !== null);
  const visitor: Visitor = { name: null, hasLogin: false, hidden: prefix.segments.length };
  return derive(context, {
    ...{ visitor },
    target: { ...context.target, path: context.target.path.below(prefix)! },
    base: context.base.join(prefix),
    user: null,
    may: (right: Right, path: SitePath) =>
      share.rights.has(right) && covers(path) && context.may(right, path) &&
      (issuer === null || (issuer.may(right, path) && issuer.may("share", path))),
    view: `${context.view}|share ${token.slice(-32)}`,
  });
}

function answer(request: Request, context: Context, share: Share, next: Handler): Awaitable<Response | null> {
  const { target, may } = context;
  const isReading = request.method === "GET" || request.method === "HEAD";
  if (isReading && target.path.parent === null && !may("read", target.path) && share.paths.length === 1) {
    return new Response(null, { status: 303, headers: { location: locationFor(context, share.paths[0]!) } });
  }
  const isDropBox = !share.rights.has("read");
  if (isReading && isDropBox && may("create", target.path)) return dropBox(context, target.query === "done");
  if (isReading && target.path.segments[0] !== OWN_DIRECTORY && !may("read", target.path)) throw new HttpError(403);
  return then(
    next(request, context),
    (response) => isDropBox && response ? concealed(request, context, response) : response,
  );
}

function dropBox({ target: { path } }: Context, isDone: boolean): Response {
  const headers = { ...FORM_HEADERS, "content-type": "text/html; charset=utf-8", "cache-control": "no-store" };
  return new Response(dropPage(path.name, isDone), { headers });
}

/** The answer to an upload without its names and links, which could tell what is there. */
function concealed(request: Request, context: Context, response: Response): Response {
  if (response.status >= 400 || request.method === "OPTIONS") return response;
  response.body?.cancel().catch(() => {});
  if (!(request.headers.get("accept") ?? "").includes("text/html")) return new Response(null, { status: 201 });
  const { path, slash } = context.target;
  return new Response(null, {
    status: 303,
    headers: { location: locationFor(context, path, { slash, query: "done" }) },
  });
}
