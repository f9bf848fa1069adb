/**
 * The environment of a CGI program: the variables of RFC 3875 section 4.1, and others that programs rely on.
 *
 * @module
 */

import type { Context } from "../core/types.ts";
import { urlHost } from "../http/host.ts";
import { withoutSessions } from "../identity/cookies.ts";
import { utf8OfHeader } from "./latin1.ts";
import type { Program } from "./program.ts";

/** The input of {@linkcode cgiEnvironment}. */
export interface CgiEnvironmentInput {
  /** The request being answered: after a local redirect, the one created by the redirect. */
  readonly request: Request;
  /** Its context. */
  readonly context: Context;
  /** The program to run. */
  readonly program: Program;
  /** Length of the program's standard input, after transfer decoding; null if the request has no body. */
  readonly bodyLength: number | null;
  /** SERVER_SOFTWARE: `pyserve/0.1.0`. */
  readonly software: string;
  /** The path that issued a local redirect. */
  readonly redirectUrl?: string;
  /** Whether to pass the client's Authorization header, password included, and session cookies. */
  readonly passAuth: boolean;
  /** Variables inherited from the server's environment: PATH and little else. */
  readonly inherited: Readonly<Record<string, string>>;
  /** Variables set by the operator; they override all others. */
  readonly extra: Readonly<Record<string, string>>;
}

/**
 * Headers not passed on as `HTTP_*`: those with a variable of their own, hop-by-hop headers, and `Proxy`, because
 * HTTP_PROXY configures the outgoing proxy of many programs (CVE-2016-5385, httpoxy).
 */
const WITHHELD = new Set([
  "authorization",
  "connection",
  "content-length",
  "content-type",
  "keep-alive",
  "proxy",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/**
 * Builds the environment for running a program. Nothing of the server's own environment is included except `inherited`.
 *
 * PATH_INFO and QUERY_STRING are set even if empty, because wsgiref's validator and others require them. Headers whose
 * names contain anything but letters, digits and hyphens are dropped, so that `X_Real_IP` cannot pass for `X-Real-IP`.
 * Authorization and the session cookies of this server are withheld unless `passAuth` is set, and REMOTE_USER is only
 * ever a user authenticated by a layer of this server (`context.user`), never a claim of the client. Header values that
 * are valid UTF-8 are passed unchanged, others as Latin-1.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toFetch } from "@x/pyserve";
 *
 * const program = {
 *   ...{ command: "/srv/cgi-bin/a.sh", args: [], file: "/srv/cgi-bin/a.sh", directory: "/srv/cgi-bin" },
 *   ...{ name: "/cgi-bin/a.sh", pathInfo: "/b", pathTranslated: "/srv/b", documentRoot: "/srv" },
 * };
 * const fetch = toFetch((request, context) => {
 *   const options = { bodyLength: null, software: "me/1", passAuth: false, inherited: {}, extra: {} };
 *   return Response.json(cgiEnvironment({ request, context, program, ...options }));
 * });
 * const response = await fetch(new Request("http://localhost/cgi-bin/a.sh/b?c", { headers: { "Proxy": "evil" } }));
 * const environment = await response.json();
 * assert(environment.PATH_INFO === "/b" && environment.QUERY_STRING === "c" && !("HTTP_PROXY" in environment));
 * ```
 */
export function cgiEnvironment(input: CgiEnvironmentInput): Record<string, string> {
  const { request, context, passAuth, inherited, extra } = input;
  return {
    ...inherited,
    ...headerVariables(request.headers, passAuth),
    ...serverVariables(request, context, input.software),
    ...clientVariables(request, context),
    ...requestVariables(input),
    ...extra,
  };
}

function requestVariables({ request, context, program, bodyLength, redirectUrl }: CgiEnvironmentInput) {
  const { pathInfo, pathTranslated, documentRoot } = program;
  const type = request.headers.get("content-type");
  return present({
    GATEWAY_INTERFACE: "CGI/1.1",
    REQUEST_METHOD: request.method,
    REQUEST_URI: context.target.raw,
    REQUEST_SCHEME: context.secure ? "https" : "http",
    HTTPS: context.secure ? "on" : null,
    QUERY_STRING: context.target.query,
    SCRIPT_NAME: program.name,
    SCRIPT_FILENAME: program.file,
    PATH_INFO: pathInfo,
    PATH_TRANSLATED: pathTranslated,
    DOCUMENT_ROOT: documentRoot,
    CONTENT_LENGTH: bodyLength === null ? null : String(bodyLength),
    CONTENT_TYPE: type === null ? null : utf8OfHeader(type),
    // A php-cgi built with cgi.force_redirect, as on Debian, refuses to run without it.
    REDIRECT_STATUS: "200",
    REDIRECT_URL: redirectUrl ?? null,
  });
}

function serverVariables(request: Request, { local, secure, protocol }: Context, software: string) {
  const named = authorityOf(request);
  const hostname = local === null ? null : local.hostname;
  return present({
    SERVER_SOFTWARE: software,
    // Deno.serve does not expose the HTTP version of the request.
    SERVER_PROTOCOL: protocol ?? "HTTP/1.1",
    SERVER_NAME: named?.host ?? (hostname === null ? "localhost" : urlHost(hostname)),
    // The actual port: the port in Host is chosen by the client.
    SERVER_PORT: String(local?.port ?? named?.port ?? (secure ? 443 : 80)),
    SERVER_ADDR: hostname,
  });
}

function clientVariables({ headers }: Request, { remoteAddress, remotePort, user }: Context) {
  // RFC 3875 does not cover Unix sockets, which have no address.
  const address = remoteAddress === "unix" ? "" : remoteAddress.replace(/%.*/s, "");
  return present({
    REMOTE_ADDR: address,
    // No reverse DNS lookup: section 4.1.9 permits the address.
    REMOTE_HOST: address,
    REMOTE_PORT: remotePort === null ? null : String(remotePort),
    AUTH_TYPE: user === null ? null : authTypeOf(headers),
    REMOTE_USER: user,
  });
}

/** The scheme of the credentials (RFC 3875 section 4.1.1); `form` for a session, as in Apache. */
function authTypeOf(headers: Headers): string {
  const authorization = headers.get("authorization");
  if (authorization === null) return "form";
  return /^bearer /i.test(authorization) ? "Bearer" : "Basic";
}

function headerVariables(headers: Headers, passAuth: boolean): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9-]+$/.test(lower)) continue;
    if (WITHHELD.has(lower) && !(passAuth && lower === "authorization")) continue;
    const variable = "HTTP_" + lower.toUpperCase().replaceAll("-", "_");
    // `Headers` combines repeated fields, except Set-Cookie.
    const before = variables[variable];
    const shown = lower === "cookie" && !passAuth ? withoutSessions(value) : value;
    if (shown !== null) variables[variable] = (before === undefined ? "" : before + ", ") + utf8OfHeader(shown);
  }
  return variables;
}

/** A host name or address with an optional port. Nothing else is passed on, because programs print it. */
const AUTHORITY = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d*))?$/;

/**
 * The authority named by the client: from an absolute target, otherwise from Host; the runtime's URL uses the same
 * order.
 */
function authorityOf(request: Request): { host: string; port: number | null } | null {
  const inUrl = /^[^:]+:\/\/([^/?#]*)/.exec(request.url)?.[1];
  for (const text of [inUrl, request.headers.get("host")]) {
    const [, host, port] = AUTHORITY.exec(text?.toLowerCase() ?? "") ?? [];
    if (host !== undefined) return { host, port: port ? Number(port) : null };
  }
  return null;
}

/** Omits null values: many programs distinguish an empty variable from an unset one. */
function present(variables: Record<string, string | null>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) if (value !== null) found[name] = value;
  return found;
}
