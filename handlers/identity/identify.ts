/**
 * Determines who sent a request: session cookie, Basic, or bearer token.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { isCrossSite } from "../core/cross_site.ts";
import { HttpError } from "../core/errors.ts";
import { internalsOf } from "../core/internals.ts";
import type { Awaitable, Context } from "../core/types.ts";
import { clientOf } from "../http/client.ts";
import { cookieName, cookiesNamed } from "./cookies.ts";
import type { Session, Sessions } from "./sessions.ts";
import type { Revocations } from "./state.ts";
import { isDenied, type Logins } from "./logins.ts";
import type { Token, User, Users } from "./users.ts";

/** Who sent a request. */
export interface Identity {
  /** The user; null for clients that have not logged in. */
  readonly user: User | null;
  /** The token that limits what the client may do; null for all rights of the user. */
  readonly token: Token | null;
  /** The session, if the user has logged in on the login page. */
  readonly session: Session | null;
}

/** A client that has not logged in. */
export const ANONYMOUS: Identity = { user: null, token: null, session: null };

/** Methods that change nothing (RFC 9110 section 9.2.1). */
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);

/** Longer header fields are not credentials: names have at most 128 characters, passwords 1,024. */
const MAX_CREDENTIALS = 8_192;

/** Saves an access to the headers of the request, which is costly: see `readHead`. */
const NOT_FORWARDED = new Headers();

/** What identification needs. */
export interface Identification {
  readonly users: Users;
  readonly logins: Logins;
  readonly sessions: Sessions;
  readonly revocations: Revocations;
}

/**
 * Identifies a request; null if it has invalid credentials in Authorization. An invalid session is the same as none.
 *
 * A session cookie counts for unsafe methods only if the request was sent by a page of this server: SameSite alone lets
 * other servers on the same host send it.
 */
export function identify(request: Request, context: Context, by: Identification): Awaitable<Identity | null> {
  const { authorization, cookie } = internalsOf(context).headOf(request);
  if (authorization !== null) return byAuthorization(authorization, request, context, by);
  if (cookie === null || !cookie.includes("pyserve")) return ANONYMOUS;
  const session = sessionOf(cookiesNamed(cookieName(request, context), cookie), by);
  if (session === null) return ANONYMOUS;
  if (!SAFE.has(request.method) && isCrossSite(request, context.hosts)) return ANONYMOUS;
  return then(by.users.find(session.user), (user) => {
    return user && by.sessions.belongsTo(session, user) ? { user, token: null, session } : ANONYMOUS;
  });
}

/**
 * The session of a request. Where another server on this host has added a cookie of the same name, which is invalid, it
 * does not log the user out; with valid sessions of several users, nobody knows who sent the request.
 */
function sessionOf(cookies: readonly string[], { sessions, revocations }: Identification): Session | null {
  let found: Session | null = null;
  for (const cookie of cookies) {
    const session = sessions.verify(cookie);
    if (session === null || revocations.has(session.id, session)) continue;
    if (found !== null && found.user !== session.user) return null;
    found ??= session;
  }
  return found;
}

function byAuthorization(
  authorization: string,
  request: Request,
  context: Context,
  by: Identification,
): Awaitable<Identity | null> {
  const { logins } = by;
  if (authorization.length > MAX_CREDENTIALS) return null;
  const { isForwarded } = internalsOf(context).headOf(request);
  const client = clientOf(context.remoteAddress, isForwarded ? request.headers : NOT_FORWARDED);
  return then(logins.recognize(authorization, client), (user) => {
    return user ? identityOf(user) : byCredentials(authorization, client, by);
  });
}

function identityOf(user: User): Identity {
  return { user, token: null, session: null };
}

function byCredentials(
  authorization: string,
  client: string,
  { users, logins }: Identification,
): Awaitable<Identity | null> {
  const [, scheme = "", value = ""] = /^(\w+) +(\S+) *$/.exec(authorization) ?? [];
  if (/^bearer$/i.test(scheme)) {
    return then(users.token?.(value) ?? null, (token) => token && { user: token.user, token, session: null });
  }
  const basic = /^basic$/i.test(scheme) ? basicOf(value) : null;
  if (basic === null) return null;
  return then(checkLogin(logins, basic.name, basic.password, client), (user) => {
    if (user === null) return null;
    logins.remember(authorization, client, basic.name, basic.password);
    return identityOf(user);
  });
}

/** The user with this name and password; null if there is none. Throws 429 after too many failures. */
export function checkLogin(
  logins: Logins,
  name: string,
  password: string,
  client: string,
): Awaitable<User | null> {
  return then(logins.check(name, password, client), (result) => {
    if (!isDenied(result)) return result;
    if (result.retryAfter === null) return null;
    const headers = { "retry-after": String(result.retryAfter) };
    throw new HttpError(429, `Too many failed logins: wait ${secondsText(result.retryAfter)}`, { headers });
  });
}

/** Counts wrong credentials, and attempts that are refused because of earlier ones, where there are metrics. */
export function countRejectedLogin(context: Context): void {
  const { counts } = internalsOf(context).notes;
  if (counts) counts.rejectedLogins += 1;
}

/** A number of seconds, for people. */
export function secondsText(count: number): string {
  return count === 1 ? "1 second" : `${count} seconds`;
}

/** Name and password (RFC 7617), in UTF-8 as announced by the challenge. */
function basicOf(value: string): { readonly name: string; readonly password: string } | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(value));
    const colon = text.indexOf(":");
    return colon < 0 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) };
  } catch {
    return null;
  }
}
