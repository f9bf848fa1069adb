/**
 * The endpoints for logging in and out: `/.pyserve/login` and `/.pyserve/logout`.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { HttpError } from "../core/errors.ts";
import { locationFor } from "../core/location.ts";
import type { Awaitable, Context } from "../core/types.ts";
import { clientOf } from "../http/client.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, SitePath } from "../http/target.ts";
import { setCookie } from "./cookies.ts";
import { FORM_HEADERS } from "../page/frame.ts";
import { formOf, html, OWN_DIRECTORY, redirect, refuseOtherSites, requireMethod } from "./forms.ts";
import { countRejectedLogin, type Identification, type Identity, secondsText } from "./identify.ts";
import { isDenied } from "./logins.ts";
import { accountPage, loginPage } from "./login_page.ts";

const FOREIGN = "Forms of other sites cannot log in or out";

const LOGIN: SitePath = SitePath.root.child(OWN_DIRECTORY)!.child("login")!;

/** Answers requests for the endpoints; null for all others. */
export function loginEndpoints(
  request: Request,
  context: Context,
  identity: Identity,
  by: Identification,
): Awaitable<Response | null> {
  const { segments } = context.target.path;
  if (segments.length !== 2 || segments[0] !== OWN_DIRECTORY) return null;
  if (segments[1] === "login") return login(request, context, identity, by);
  return segments[1] === "logout" ? logout(request, context, identity, by) : null;
}

/** The redirect to the login page, which leads back to the requested page. */
export function redirectToLogin(context: Context): Response {
  const { path, slash, query } = context.target;
  const to = `${path.href}${slash && path.parent !== null ? "/" : ""}${query === "" ? "" : `?${query}`}`;
  return redirect(locationFor(context, LOGIN, { query: `to=${encodeURIComponent(to)}` }));
}

function login(request: Request, context: Context, { user }: Identity, by: Identification): Awaitable<Response> {
  if (request.method === "POST") return enter(request, context, by);
  requireMethod(request, "GET, HEAD, POST");
  if (user !== null) return html(200, accountPage(user.name));
  const to = new URLSearchParams(context.target.query).get("to") ?? "/";
  return html(200, loginPage({ name: "", problem: null, to }));
}

async function enter(request: Request, context: Context, by: Identification): Promise<Response> {
  refuseOtherSites(request, context, FOREIGN);
  const form = await formOf(request);
  const [name, password, to] = ["username", "password", "to"].map((field) => form.get(field) ?? "") as [
    string,
    string,
    string,
  ];
  const isScript = wantsJson(request);
  const refused = (status: number, problem: string, headers: Readonly<Record<string, string>> = {}) => {
    if (isScript) throw new HttpError(status, problem, { headers });
    return html(status, loginPage({ name, problem, to }), { ...FORM_HEADERS, ...headers });
  };
  const result = await by.logins.check(name, password, clientOf(context.remoteAddress, request.headers));
  if (isDenied(result)) {
    countRejectedLogin(context);
    const { retryAfter } = result;
    if (retryAfter === null) return refused(403, "The name or the password is wrong.");
    const problem = `Too many failed logins. Try again in ${secondsText(retryAfter)}.`;
    return refused(429, problem, { "retry-after": String(retryAfter) });
  }
  const { text, session } = by.sessions.issue(result);
  const seconds = Math.floor((session.expires - Date.now()) / 1_000);
  const response = isScript
    ? Response.json({ user: result.name }, { headers: { "cache-control": "no-store" } })
    : redirect(pageAt(to, context));
  return withCookie(response, setCookie(request, context, text, seconds));
}

/** Whether the form was sent by the script of a page, which stays open. */
function wantsJson(request: Request): boolean {
  return accepts(request, "text/html", "application/json") === "application/json";
}

/**
 * Ends the session everywhere, and removes what the browser has cached, so that going back shows nothing. Not what
 * pages have stored: behind a proxy, other applications can have the same origin, and this one stores only settings.
 */
function logout(request: Request, context: Context, { session }: Identity, by: Identification): Response {
  requireMethod(request, "POST");
  refuseOtherSites(request, context, FOREIGN);
  if (session !== null) by.revocations.add(session.id, session.expires, session.user);
  const response = redirect(locationFor(context, LOGIN));
  response.headers.set("clear-site-data", '"cache"');
  return withCookie(response, setCookie(request, context, "", 0));
}

/** A path of this site to go on with. Anything else leads to the start page: an open redirect would help phishing. */
function pageAt(to: string, context: Context): string {
  const target = to.startsWith("/") ? parseTarget(to) : new Refusal(400, "");
  if (target instanceof Refusal) return locationFor(context, SitePath.root, { slash: true });
  return locationFor(context, target.path, { slash: target.slash, query: target.query });
}

function withCookie(response: Response, cookie: string): Response {
  response.headers.append("set-cookie", cookie);
  return response;
}
