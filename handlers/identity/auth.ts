/**
 * The layer that identifies users and gives them their rights.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { errorResponse, HttpError, toHttpError } from "../core/errors.ts";
import type { Visitor } from "../core/internals.ts";
import { derive } from "../core/derive.ts";
import type { Awaitable, Context, Handler, Layer, Logger, Right } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { ENCODED_SLASH, parseTarget, SitePath } from "../http/target.ts";
import { type Identification, identify, type Identity } from "./identify.ts";
import { keepPrivate, OWN_DIRECTORY } from "./forms.ts";
import { loginEndpoints, redirectToLogin } from "./login.ts";
import { Logins } from "./logins.ts";
import { type AccessRule, AccessRules, parseAccessRule, RIGHTS } from "./rules.ts";
import { answerShared, shares, type Sharing } from "./share_site.ts";
import { isSharesEndpoint, sharesEndpoint } from "./share_endpoint.ts";
import { volatileRecords } from "./share_records.ts";
import { Sessions } from "./sessions.ts";
import { type IdentityState, volatileState } from "./state.ts";
import type { Token, Users } from "./users.ts";

/** Options of {@linkcode auth}. */
export interface AuthOptions {
  /** The users. */
  readonly users: Users;
  /**
   * Who may do what, as parsed rules or texts such as `ann:read,upload@/team`; defaults to `users:all`: everything the
   * server is configured for, and nothing for clients that have not logged in.
   */
  readonly rules?: readonly (AccessRule | string)[];
  /** The key and the revocations; by default they end with the process, and with them all sessions. */
  readonly state?: IdentityState;
  /** How long a session lasts, in milliseconds; defaults to seven days. */
  readonly lifetime?: number;
  /** Takes one line for each failed login; defaults to the log of the request. */
  readonly log?: Pick<Logger, "error">;
  /** Shown by clients that ask for a password; defaults to `pyserve`. */
  readonly realm?: string;
}

const DEFAULT_RULES = ["users:all"];

const NO_RIGHTS: Pick<Context, "may" | "view"> = { may: () => false, view: "no rights" };

/**
 * A layer that identifies users, by the session cookie of its login page, Basic or a bearer token, and limits what clients
 * may do to what the rules grant: `context.may` and `context.user` tell handlers inside.
 *
 * Put it into the `layers` of `fileServer`, so that refusals are logged and get error pages. Requests without the right are
 * answered with a redirect to the login page (navigation in a browser), 401 (other clients that have not logged in) or
 * 403 (users).
 *
 * @throws {InvalidRule} If a rule is malformed.
 */
export function auth(options: AuthOptions): Layer {
  const gate = new Gate(options);
  return (next) => (request, context) => gate.answer(request, context, next);
}

class Gate {
  readonly #by: Identification;
  readonly #rules: AccessRules;
  readonly #realm: string;
  readonly #sharing: Sharing;

  constructor(
    { users, rules = DEFAULT_RULES, state = volatileState(), lifetime, log, realm = "pyserve" }: AuthOptions,
  ) {
    const { key, revocations, records = volatileRecords((id) => revocations.has(id)) } = state;
    const sessions = new Sessions({ key, ...(lifetime !== undefined && { lifetime }) });
    this.#by = { users, sessions, revocations, logins: new Logins(users, { ...(log && { log }) }) };
    this.#rules = new AccessRules(rules.map((rule) => typeof rule === "string" ? parseAccessRule(rule) : rule));
    this.#sharing = { shares: shares(state), revocations, records, users, rules: this.#rules };
    this.#realm = realm.replace(/[^ !#-[\]-~]/g, "");
  }

  answer(request: Request, context: Context, next: Handler): Awaitable<Response | null> {
    if (context.refusal !== null) return this.#answerRefused(request, context, context.refusal, next);
    const shared = failing(() => answerShared(request, context, this.#sharing, next));
    return then(shared, (response) => response ?? this.#answerOwn(request, context, next));
  }

  /**
   * A refused request is answered without a look at the client, and without any rights: a handler may accept it after all,
   * as programs do with an encoded slash. For these, the client is identified.
   */
  #answerRefused(
    request: Request,
    context: Context,
    refusal: Refusal,
    next: Handler,
  ): Awaitable<Response | null> {
    if (refusal !== ENCODED_SLASH) return next(request, derive(context, NO_RIGHTS));
    return then(failing(() => identify(request, context, this.#by)), (identity) => {
      if (identity instanceof Response) return identity;
      if (identity === null) return this.#challenge(request, context);
      const inner = this.#withRights(context, identity);
      return then(next(request, inner), (response) => response && this.#checked(request, inner, response));
    });
  }

  #answerOwn(request: Request, context: Context, next: Handler): Awaitable<Response | null> {
    const identity = failing(() => identify(request, context, this.#by));
    return then(identity, (identity) => {
      if (identity instanceof Response) return identity;
      if (identity === null) return this.#challenge(request, context);
      return this.#identified(request, context, identity, next);
    });
  }

  #identified(request: Request, context: Context, identity: Identity, next: Handler): Awaitable<Response | null> {
    const inner = this.#withRights(context, identity);
    return then(failing(() => loginEndpoints(request, inner, identity, this.#by)), (own) => {
      if (own !== null) return own;
      if (isSharesEndpoint(inner)) return this.#shares(request, inner, identity, next);
      if (!this.#isOpen(request, inner)) return this.#refused(request, inner);
      return then(next(request, inner), (response) => response && this.#checked(request, inner, response));
    });
  }

  #shares(request: Request, context: Context, identity: Identity, site: Handler): Awaitable<Response | null> {
    if (identity.user === null) return this.#challenge(request, context);
    return failing(() => sharesEndpoint(request, context, identity, this.#sharing, site));
  }

  #withRights(context: Context, { user, token }: Identity): Context {
    const name = user?.name ?? null;
    const { may, view } = this.#rules.of(name);
    const limit = token && limitOf(token);
    const visitor: Visitor = { name, hasLogin: true, hidden: 0 };
    return derive(context, {
      ...{ visitor },
      user: name,
      may: (right: Right, path: SitePath) =>
        may(right, path) && (limit === null || limit(right, path)) && context.may(right, path),
      view: `${context.view}|${view}${token ? ` token ${token.id}` : ""}`,
    });
  }

  /** Whether to ask the handlers at all: for reading, if there is a right to the path; otherwise they decide. */
  #isOpen({ method }: Request, { target: { path }, may }: Context): boolean {
    if (path.segments[0] === OWN_DIRECTORY || (method !== "GET" && method !== "HEAD")) return true;
    return may("read", path) || may("run", path);
  }

  #refused(request: Request, context: Context): Response {
    return context.user === null ? this.#challenge(request, context) : errorResponse(new HttpError(403));
  }

  /** A client that has not logged in is asked to, instead of being told that a method is forbidden or unknown. */
  #checked(request: Request, context: Context, response: Response): Response {
    if (context.user !== null) keepPrivate(response.headers, isNavigation(request));
    const { status } = response;
    if (context.user !== null || (status !== 403 && status !== 405) || !this.#couldMore(request, context)) {
      return response;
    }
    response.body?.cancel().catch(() => {});
    return this.#challenge(request, context);
  }

  #couldMore({ method }: Request, { target: { path }, may }: Context): boolean {
    if (method === "OPTIONS") return false;
    return !(["create", "change", "run"] as const).every((right) => may(right, path));
  }

  #challenge(request: Request, context: Context): Response {
    if (isNavigation(request)) return redirectToLogin(context);
    // A browser would show a dialog of its own for Basic, which has no logout.
    const scheme = isBrowser(request) ? "Bearer" : "Basic";
    const charset = scheme === "Basic" ? ', charset="UTF-8"' : "";
    return errorResponse(
      new HttpError(401, "Log in first", {
        headers: { "www-authenticate": `${scheme} realm="${this.#realm}"${charset}` },
      }),
    );
  }
}

/** What a token permits. */
function limitOf({ rights, path }: Token): (right: Right, path: SitePath) => boolean {
  const allowed = new Set(rights.map((name) => RIGHTS[name]));
  const target = parseTarget(path);
  const prefix = target instanceof Refusal ? SitePath.nowhere : target.path;
  return (right, path) => allowed.has(right) && path.below(prefix) !== null;
}

/** A layer returns its refusals, and does not throw them. */
function failing<T>(answer: () => Awaitable<T>): Awaitable<T | Response> {
  try {
    const value = answer();
    return value instanceof Promise ? value.catch((thrown) => errorResponse(toHttpError(thrown))) : value;
  } catch (thrown) {
    return errorResponse(toHttpError(thrown));
  }
}

/** Whether a browser is about to show the response as a page. */
function isNavigation({ headers, method }: Request): boolean {
  if (headers.has("authorization") || (method !== "GET" && method !== "HEAD" && method !== "POST")) return false;
  const mode = headers.get("sec-fetch-mode");
  // Downloads (`<a download>`) have no destination: they must not save the login page.
  if (mode !== null) return mode === "navigate" && headers.get("sec-fetch-dest") !== "empty";
  return isBrowser({ headers }) && (headers.get("accept") ?? "").includes("text/html");
}

/** Sec-Fetch-Mode is only sent to trustworthy origins, so not over plain HTTP on a network. */
function isBrowser({ headers }: Pick<Request, "headers">): boolean {
  return headers.has("sec-fetch-mode") || (headers.get("user-agent") ?? "").startsWith("Mozilla/");
}
