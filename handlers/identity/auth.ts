/**
 * The layer that identifies users and gives them their rights.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { errorResponse, HttpError, toHttpError } from "../core/errors.ts";
import { type Identified, internalsOf, keepPrivate } from "../core/internals.ts";
import { derive } from "../core/derive.ts";
import type { RequestHead } from "../core/request_head.ts";
import type { Awaitable, Context, Handler, Layer, Logger, Right } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { ENCODED_SLASH, parseTarget, SitePath } from "../http/target.ts";
import { countRejectedLogin, type Identification, identify, type Identity } from "./identify.ts";
import { keepUnstored, OWN_DIRECTORY } from "./forms.ts";
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
  /**
   * Tells sites with the same state apart: each accepts only its own share links. Any text, such as the path of what is
   * served; defaults to none, for a state that only one site has. Sessions are valid wherever the user has the same
   * password.
   */
  readonly site?: string;
  /** Checks passwords; give several layers the same one, so that its limits apply to all of them together. */
  readonly logins?: Logins;
  /** How long a session lasts, in milliseconds; defaults to seven days. */
  readonly lifetime?: number;
  /** Takes one line for each failed login; defaults to the log of the request. */
  readonly log?: Pick<Logger, "error">;
  /** Shown by clients that ask for a password; defaults to `pyserve`. */
  readonly realm?: string;
  /**
   * Whether WebDAV clients have to log in even where anyone may read: some of them use a password only if they are asked for
   * it at once. Defaults to false.
   */
  readonly davLogin?: boolean;
}

/** Methods that no page of a browser uses. */
const DAV_METHODS: ReadonlySet<string> = new Set(["PROPFIND", "PROPPATCH", "LOCK", "UNLOCK"]);

const DEFAULT_RULES = ["users:all"];

/** Bounds of what is remembered. */
const MAX_CLIENTS = 1_000;
const MAX_OPEN = 1_000;

const NO_RIGHTS: Pick<Context, "may" | "view"> = { may: () => false, view: "no rights" };

/**
 * A layer that identifies users, by the session cookie of its login page, Basic or a bearer token, and limits what
 * clients may do to what the rules grant: `context.may` and `context.user` tell handlers inside.
 *
 * Put it into the `layers` of `fileServer`, so that refusals are logged and get error pages. Requests without the right
 * are answered with a redirect to the login page (navigation in a browser), 401 (other clients that have not logged in)
 * or 403 (users).
 *
 * @throws {InvalidRule} If a rule is malformed.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { auth, environmentUser } from "@x/pyserve/identity";
 *
 * const users = environmentUser("ann:correct horse"); // or userFile("users.txt"), or your own `Users`
 * const layers = [auth({ users, rules: ["anyone:read@/pub", "users:all"] })];
 * const fetch = toFetch(fileServer(memory({ "pub/a.txt": "a", "b.txt": "b" }), { layers, log: false }));
 * assert((await fetch(new Request("http://localhost/pub/a.txt"))).status === 200);
 * assert((await fetch(new Request("http://localhost/b.txt"))).status === 401);
 * const headers = { authorization: `Basic ${btoa("ann:correct horse")}` };
 * assert(await (await fetch(new Request("http://localhost/b.txt", { headers }))).text() === "b");
 * ```
 */
export function auth(options: AuthOptions): Layer {
  const gate = new Gate(options);
  return (next) => (request, context) => gate.answer(request, context, next);
}

class Gate {
  readonly #by: Identification;
  readonly #rules: AccessRules;
  readonly #realm: string;
  readonly #davLogin: boolean;
  readonly #sharing: Sharing;
  #log: Pick<Logger, "error"> | null;
  /** By name; null stands for all who have not logged in. */
  readonly #clients = new Map<string | null, Identified>();
  /** Targets as sent, and to whom they are open, so that a familiar request is neither parsed nor judged again. */
  readonly #open = new Map<string, Set<Identified>>();

  constructor(options: AuthOptions) {
    const { users, rules = DEFAULT_RULES, state = volatileState(), site = "", lifetime, log, realm = "pyserve" } =
      options;
    this.#log = log ?? null;
    const { key, revocations, records = volatileRecords((id) => revocations.has(id)) } = state;
    const sessions = new Sessions({ key, ...(lifetime !== undefined && { lifetime }) });
    this.#by = { users, sessions, revocations, logins: options.logins ?? this.#loginsOf(users) };
    this.#rules = new AccessRules(rules.map((rule) => typeof rule === "string" ? parseAccessRule(rule) : rule));
    this.#sharing = { shares: shares(state, site), site, revocations, records, users, rules: this.#rules };
    this.#davLogin = options.davLogin ?? false;
    this.#realm = realm.replace(/[^ !#-[\]-~]/g, "");
  }

  /** Logs to the log of the requests unless an option names another one. */
  #loginsOf(users: Users): Logins {
    return new Logins(users, { log: { error: (line) => this.#log?.error(line) } });
  }

  answer(request: Request, context: Context, next: Handler): Awaitable<Response | null> {
    this.#log ??= context.log;
    const open = this.#openTo(request, context);
    if (open !== null) return this.#answerOwn(request, context, next, open);
    if (context.refusal !== null) return this.#answerRefused(request, context, context.refusal, next);
    const shared = failing(() => answerShared(request, context, this.#sharing, next));
    return then(shared, (response) => response ?? this.#answerOwn(request, context, next));
  }

  /** Who sent the request, null for invalid credentials, or a refusal; both are counted. */
  #identify(request: Request, context: Context): Awaitable<Identity | Response | null> {
    return then(failing(() => identify(request, context, this.#by)), (identity) => {
      if (identity === null || identity instanceof Response) countRejectedLogin(context);
      return identity;
    });
  }

  /** The clients for which a target is known to be open. It has been accepted before, and is no endpoint of this layer. */
  #openTo(request: Request, context: Context): ReadonlySet<Identified> | null {
    if (request.method !== "GET" || context.view !== "") return null;
    return this.#open.get(context.requestTarget) ?? null;
  }

  /**
   * A refused request is answered without a look at the client, and without any rights: a handler may accept it after
   * all, as programs do with an encoded slash. For these, the client is identified.
   */
  #answerRefused(
    request: Request,
    context: Context,
    refusal: Refusal,
    next: Handler,
  ): Awaitable<Response | null> {
    if (refusal !== ENCODED_SLASH) return next(request, derive(context, NO_RIGHTS));
    return then(this.#identify(request, context), (identity) => {
      if (identity instanceof Response) return identity;
      if (identity === null) return this.#challenge(request, context, problemOf(request, context));
      return this.#pass(request, contextFor(this.#clientOf(identity, context), context), next);
    });
  }

  #answerOwn(
    request: Request,
    context: Context,
    next: Handler,
    open: ReadonlySet<Identified> | null = null,
  ): Awaitable<Response | null> {
    const identity = this.#identify(request, context);
    return then(identity, (identity) => {
      if (identity instanceof Response) return identity;
      if (identity === null) return this.#challenge(request, context, problemOf(request, context));
      const client = this.#clientOf(identity, context);
      if (!open?.has(client)) return this.#identified(request, context, identity, next);
      return this.#pass(request, contextFor(client, context), next);
    });
  }

  #identified(request: Request, context: Context, identity: Identity, next: Handler): Awaitable<Response | null> {
    const client = this.#clientOf(identity, context);
    const inner = contextFor(client, context);
    // The host, and what else may be wrong about a request, has only been judged if the target is not a familiar one.
    if (context.refusal !== null) return this.#answerRefused(request, context, context.refusal, next);
    return then(failing(() => loginEndpoints(request, inner, identity, this.#by)), (own) => {
      if (own !== null) return own;
      if (isSharesEndpoint(inner)) return this.#shares(request, inner, identity, next);
      if (!this.#isOpen(request, inner)) return this.#refused(request, inner);
      this.#remember(request, context, client);
      return this.#pass(request, inner, next);
    });
  }

  #pass(request: Request, inner: Context, next: Handler): Awaitable<Response | null> {
    return then(next(request, inner), (response) => response && this.#checked(request, inner, response));
  }

  /** Remembers that a target is open to a client. Rules do not change, and neither does what a target means. */
  #remember(request: Request, context: Context, client: Identified): void {
    const isOwn = context.target.path.segments[0] === OWN_DIRECTORY;
    if (request.method !== "GET" || context.view !== "" || isOwn || !this.#isKnown(client)) return;
    const { requestTarget } = context;
    const clients = this.#open.get(requestTarget) ?? new Set();
    if (clients.size >= MAX_OPEN) clients.clear();
    clients.add(client);
    if (this.#open.size >= MAX_OPEN) this.#open.delete(this.#open.keys().next().value!);
    this.#open.set(requestTarget, clients);
  }

  #shares(request: Request, context: Context, identity: Identity, site: Handler): Awaitable<Response | null> {
    if (identity.user === null) return this.#challenge(request, context);
    return failing(() => sharesEndpoint(request, context, identity, this.#sharing, site));
  }

  /** What a client may do; always the same object for a user without a token. */
  #clientOf({ user, token }: Identity, context: Context): Identified {
    const name = user?.name ?? null;
    if (token !== null || context.view !== "") return this.#limited(this.#clientNamed(name), token, context);
    return this.#clientNamed(name);
  }

  #clientNamed(name: string | null): Identified {
    const known = this.#clients.get(name);
    if (known) return known;
    const { may, view } = this.#rules.of(name);
    const client = { user: name, may, view: `|${view}`, visitor: { name, hasLogin: true, hidden: 0 } };
    if (this.#clients.size >= MAX_CLIENTS) this.#clients.clear();
    this.#clients.set(name, client);
    return client;
  }

  #isKnown(client: Identified): boolean {
    return this.#clients.get(client.user) === client;
  }

  /** The same client with a token, and with what outer layers permit. */
  #limited(client: Identified, token: Token | null, context: Context): Identified {
    const limit = token && limitOf(token);
    const terms = token && [token.id, token.rights, token.path];
    return {
      ...client,
      may: (right, path) =>
        client.may(right, path) && (limit === null || limit(right, path)) && context.may(right, path),
      // A name could imitate a token, and the rights of a token could change.
      view: `${context.view}|${JSON.stringify([client.view, terms])}`,
    };
  }

  /** Whether to ask the handlers at all: for reading, if there is a right to the path; otherwise they decide. */
  #isOpen({ method }: Request, { target: { path }, may, user }: Context): boolean {
    if (this.#davLogin && user === null && DAV_METHODS.has(method)) return false;
    if (method === "PROPFIND") return may("read", path);
    if (path.segments[0] === OWN_DIRECTORY || (method !== "GET" && method !== "HEAD")) return true;
    return may("read", path) || may("run", path);
  }

  #refused(request: Request, context: Context): Response {
    return context.user === null ? this.#challenge(request, context) : errorResponse(new HttpError(403));
  }

  /** A client that has not logged in is asked to, instead of being told that a method is forbidden or unknown. */
  #checked(request: Request, context: Context, response: Response): Response {
    if (context.user !== null) this.#keepFromOthers(request, context, response);
    const { status } = response;
    if (context.user !== null || (status !== 403 && status !== 405) || !this.#couldMore(request, context)) {
      return response;
    }
    response.body?.cancel().catch(() => {});
    return this.#challenge(request, context);
  }

  #keepFromOthers(request: Request, context: Context, response: Response): void {
    if (isNavigation(request, internalsOf(context).headOf(request))) keepUnstored(response.headers);
    else if (internalsOf(context).notes.dressed !== response) keepPrivate(response.headers);
  }

  #couldMore({ method }: Request, { target: { path }, may }: Context): boolean {
    if (method === "OPTIONS") return false;
    return !(["create", "change", "run"] as const).every((right) => may(right, path));
  }

  #challenge(request: Request, context: Context, problem = "Log in first"): Response {
    const head = internalsOf(context).headOf(request);
    if (isNavigation(request, head)) return redirectToLogin(context);
    // A browser would show a dialog of its own for Basic, which has no logout. KDE's WebDAV client is named like one.
    const isPage = isBrowser(head) && (head.fetchMode !== null || !DAV_METHODS.has(request.method));
    const scheme = isPage ? "Bearer" : "Basic";
    const charset = scheme === "Basic" ? ', charset="UTF-8"' : "";
    return errorResponse(
      new HttpError(401, problem, {
        headers: { "www-authenticate": `${scheme} realm="${this.#realm}"${charset}` },
      }),
    );
  }
}

function contextFor(client: Identified, context: Context): Context {
  internalsOf(context).notes.user = client.user;
  return internalsOf(context).derived(client) ?? derive(context, client);
}

/** What is wrong with the credentials of a request; it is the same for an unknown name. */
function problemOf(request: Request, context: Context): string {
  const [scheme] = (internalsOf(context).headOf(request).authorization ?? "").toLowerCase().split(" ", 1);
  if (scheme === "basic") return "The name or the password is wrong";
  return scheme === "bearer" ? "This token is not valid" : "Log in first";
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
function isNavigation({ method }: Request, head: RequestHead): boolean {
  if (head.authorization !== null || (method !== "GET" && method !== "HEAD" && method !== "POST")) return false;
  // Downloads (`<a download>`) have no destination: they must not save the login page.
  if (head.fetchMode !== null) return head.fetchMode === "navigate" && head.fetchDest !== "empty";
  return isNamedLikeBrowser(head) && (head.accept ?? "").includes("text/html");
}

/** Sec-Fetch-Mode is only sent to trustworthy origins, so not over plain HTTP on a network. */
function isBrowser(head: RequestHead): boolean {
  return head.fetchMode !== null || isNamedLikeBrowser(head);
}

function isNamedLikeBrowser({ userAgent }: RequestHead): boolean {
  return userAgent?.startsWith("Mozilla/") ?? false;
}
