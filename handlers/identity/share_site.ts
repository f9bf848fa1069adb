/**
 * Share links at work: `/.pyserve/share/TOKEN/PATH` is the site as far as the share permits it.
 *
 * The path of the shared file stays in the URL, so that relative links, redirects and Destination headers mean what
 * they mean elsewhere.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import { internalsOf, keepPrivate, type Visitor } from "../core/internals.ts";
import { derive } from "../core/derive.ts";
import type { Awaitable, Context, Handler, Right } from "../core/types.ts";
import { SitePath } from "../http/target.ts";
import { answerDropBox } from "./drop_box.ts";
import { OWN_DIRECTORY } from "./forms.ts";
import type { AccessRules } from "./rules.ts";
import { commonParent, type Share, Shares } from "./shares.ts";
import type { ShareRecords } from "./share_records.ts";
import type { IdentityState, Revocations } from "./state.ts";
import type { Users } from "./users.ts";

/** What shares are judged by. */
export interface Sharing {
  readonly shares: Shares;
  readonly revocations: Revocations;
  readonly records: ShareRecords;
  /** The site of its shares, as recorded; empty where it is the only one with this state. */
  readonly site: string;
  readonly users: Users;
  readonly rules: AccessRules;
}

/**
 * The share links of servers with this state, for an application that makes links itself. The links are at
 * {@linkcode sharePath}, where `auth` serves them.
 *
 * @param site The same text as for `auth`; defaults to none. The command uses the real path of what it serves.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, SitePath, toFetch } from "@x/pyserve";
 * import { auth, environmentUser, sharePath, shares, volatileState } from "@x/pyserve/identity";
 *
 * const state = volatileState(); // or openState("/var/lib/files")
 * const layers = [auth({ users: environmentUser("ann:correct horse"), state })];
 * const fetch = toFetch(fileServer(memory({ "docs/a.txt": "a" }), { layers, log: false }));
 *
 * const paths = [SitePath.root.child("docs")!];
 * const terms = { paths, rights: new Set(["read"] as const), expires: Date.now() + 3_600_000 };
 * const { id, token } = shares(state).make(terms, "ann"); // never more than ann may do; null for the operator
 * const response = await fetch(new Request(`http://localhost${sharePath(token).href}/docs/a.txt`));
 * assert(await response.text() === "a");
 *
 * state.revocations.add(id, terms.expires);
 * assert((await fetch(new Request(`http://localhost${sharePath(token).href}/docs/a.txt`))).status === 404);
 * ```
 */
export function shares({ key, shareKey = () => key }: IdentityState, site = ""): Shares {
  return new Shares(shareKey, Date.now, site);
}

const DIRECTORY: readonly string[] = [OWN_DIRECTORY, "share"];

/**
 * The path of a share below the root of its server. The shared paths are below it as they are below the root:
 * `/docs/a.txt` is at `/.pyserve/share/TOKEN/docs/a.txt`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { sharePath } from "@x/pyserve/identity";
 *
 * assert(sharePath("TOKEN").href === "/.pyserve/share/TOKEN");
 * ```
 */
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
  const token = segments[2]!;
  const { notes } = internalsOf(context);
  notes.start = null;
  const share = by.shares.verify(token);
  if (share === null || by.revocations.has(share.id)) throw invalidLink();
  return then(isIssuerKnown(share, by.users), (isKnown) => {
    if (!isKnown) throw invalidLink();
    notes.start = context.base.join(sharePath(token));
    const path = context.target.path.below(sharePath(token))!;
    const response = answer(request, within(share, token, path, context, by.rules), share, next);
    return then(response, (response) => response && unlisted(response));
  });
}

/** Nothing tells whether a link was valid before. */
function invalidLink(): HttpError {
  return new HttpError(404, "This link has expired or was revoked. Ask whoever sent it for a new one");
}

/** A link is as good as a password: neither caches nor search engines keep what it shows, and other sites never see it. */
function unlisted(response: Response): Response {
  const { headers } = response;
  headers.set("x-robots-tag", "noindex");
  if (!headers.has("referrer-policy")) headers.set("referrer-policy", "same-origin");
  keepPrivate(headers);
  return response;
}

/** Whether the user exists, and the token with which the share was made. */
function isIssuerKnown({ by, token = null }: Share, users: Users): Awaitable<boolean> {
  if (by === null) return true;
  return then(users.find(by), (user) => user !== null && (token === null || (users.hasToken?.(by, token) ?? true)));
}

/** The context of the shared site: its root is the root of the site, of which only the shared paths can be seen. */
function within(share: Share, token: string, path: SitePath, context: Context, rules: AccessRules): Context {
  const prefix = sharePath(token);
  const base = context.base.join(prefix);
  const { may, leads } = permissions(share, context, rules);
  const client = { name: null, hasLogin: false, hidden: base.segments.length, share: share.id };
  const visitor: Visitor = { ...client, ...(leads && { leads }) };
  return derive(context, {
    ...{ visitor },
    target: { ...context.target, path },
    base,
    user: null,
    may,
    view: `${context.view}|share ${token.slice(-32)}`,
  });
}

/**
 * What a share permits: never more than its user may do now, who also needs the right to share. Directories that lead
 * to shared paths can be read, from the deepest one that has all of them: only what leads to these is listed in them.
 */
function permissions(share: Share, context: Context, rules: AccessRules): Permissions {
  const issuer = share.by === null ? null : rules.of(share.by);
  const allowed = (right: Right, path: SitePath) =>
    share.rights.has(right) && context.may(right, path) &&
    (issuer === null || (issuer.may(right, path) && issuer.may("share", path)));
  const isDropBox = isWriteOnly(share);
  const covers = (path: SitePath) =>
    share.paths.some((shared) => {
      const depth = path.below(shared)?.segments.length;
      // An upload link is flat: what it does with a path below a directory would tell whether that exists.
      return depth !== undefined && (!isDropBox || depth <= 1);
    });
  const start = startOf(share);
  if (start === null) return { may: (right, path) => covers(path) && allowed(right, path), leads: null };
  const leads = (path: SitePath) =>
    path.below(start) !== null && !covers(path) && context.may("read", path) &&
    share.paths.some((shared) => shared.below(path) !== null && allowed("read", shared));
  return { may: (right, path) => covers(path) ? allowed(right, path) : right === "read" && leads(path), leads };
}

/** What a share permits. */
interface Permissions {
  readonly may: Context["may"];
  /** Whether a directory only leads to shared paths; null if there is no such directory. */
  readonly leads: ((path: SitePath) => boolean) | null;
}

/** The directory of the overview; null for one path, which needs none. */
function startOf({ paths, rights }: Share): SitePath | null {
  return paths.length > 1 && rights.has("read") ? commonParent(paths) : null;
}

function isWriteOnly({ rights }: Share): boolean {
  return !rights.has("read");
}

function answer(request: Request, context: Context, share: Share, next: Handler): Awaitable<Response | null> {
  const { target, may } = context;
  if (request.method === "GET" || request.method === "HEAD") {
    const start = startOf(share);
    if (target.path.parent === null && !may("read", target.path)) {
      const [only] = share.paths;
      if (start !== null || (share.paths.length === 1 && only!.parent !== null)) {
        return found(locationFor(context, start ?? only!, { slash: start !== null }));
      }
    }
    const isAsset = target.path.segments[0] === OWN_DIRECTORY;
    if (!isWriteOnly(share) && !isAsset && !may("read", target.path)) throw new HttpError(403);
  }
  return isWriteOnly(share) ? answerDropBox(request, context, share, next) : next(request, context);
}

function found(location: string): Response {
  return new Response(null, { status: 303, headers: { location } });
}

/**
 * Follows a share that has not been given away yet, so that no link is made that leads nowhere; tells which paths are
 * directories, null if unknown.
 *
 * @throws {HttpError} If it would not lead to one of the paths.
 */
export async function triedShare(
  share: Share,
  { url, headers }: Request,
  context: Context,
  { rules, shares }: Sharing,
  site: Handler,
): Promise<(boolean | null)[]> {
  const token = shares.tokenOf(share);
  const tried: (boolean | null)[] = [];
  for (const path of share.paths) {
    // The log and the cache must not take this for the request.
    const own = Object.create(context, { notes: { value: { ...internalsOf(context).notes } } }) as Context;
    const inner = within(share, token, path, own, rules);
    const method = isWriteOnly(share) ? "OPTIONS" : "HEAD";
    const target = { ...inner.target, slash: path.parent === null, query: "" };
    const host = headers.get("host");
    const request = new Request(url, { method, ...(host !== null && { headers: { host } }) });
    const response = await site(request, derive(inner, { target }));
    await response?.body?.cancel();
    tried.push(verdict(path, share, response));
  }
  return tried;
}

function verdict(path: SitePath, share: Share, response: Response | null): boolean | null {
  const { status = 404, headers } = response ?? {};
  if (isWriteOnly(share)) {
    const takesUploads = (headers?.get("allow") ?? "").split(/, */).includes("PUT");
    if (takesUploads) return null;
    throw new HttpError(409, "This server does not take uploads there");
  }
  if (status < 300 || status === 301) return status === 301 || path.parent === null;
  throw new HttpError(409, "This cannot be shared: it does not exist, or is a program, or a link to somewhere else", {
    problem: { path: path.href },
  });
}
