/**
 * The environment of a program: the variables of RFC 3875 section 4.1, and others that programs rely on.
 *
 * @module
 */

import type { Context } from "../core/types.ts";
import { utf8OfHeader } from "./latin1.ts";
import type { Program } from "./program.ts";

/** The input of {@linkcode cgiEnvironment}. */
export interface CgiEnvironmentInput {
  /** The request as it is answered: after a local redirect, the one that the redirect makes. */
  readonly request: Request;
  /** What is known of it. */
  readonly context: Context;
  /** What is run. */
  readonly program: Program;
  /** Bytes that the program will find on its standard input, after transfer coding; null where there is no body. */
  readonly bodyLength: number | null;
  /** SERVER_SOFTWARE: `pyserve/0.1.0`. */
  readonly software: string;
  /** The path that a local redirect came from. */
  readonly redirectUrl?: string;
  /** Whether the program is told the client's Authorization, password included. */
  readonly passAuth: boolean;
  /** What it has from the server's own environment: PATH and little else. */
  readonly inherited: Readonly<Record<string, string>>;
  /** What the operator adds; it wins over all else. */
  readonly extra: Readonly<Record<string, string>>;
}

/**
 * Not passed on as `HTTP_*`: headers with a variable of their own, hop-by-hop headers, and `Proxy`, which programs would take
 * for the HTTP_PROXY of their operator (CVE-2016-5385, httpoxy).
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
 * The environment in which a program answers a request. It holds nothing of the server's own but `inherited`.
 *
 * PATH_INFO and QUERY_STRING are there when empty too: wsgiref's validator and others fail without. Headers whose name
 * has anything but letters, digits and hyphens are left out, so that `X_Real_IP` cannot pass for `X-Real-IP`.
 * Authorization is withheld unless `passAuth`, and REMOTE_USER is only ever what a layer of this server has checked
 * (`context.user`), never what a client says. Header bytes arrive as they were sent if they are UTF-8, else as Latin-1.
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
    ...clientVariables(context),
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
    // Without it a php-cgi built with cgi.force_redirect, as Debian's is, refuses to run.
    REDIRECT_STATUS: "200",
    REDIRECT_URL: redirectUrl ?? null,
  });
}

function serverVariables(request: Request, { local, secure, protocol }: Context, software: string) {
  const named = authorityOf(request);
  const hostname = local === null ? null : local.hostname;
  return present({
    SERVER_SOFTWARE: software,
    // Deno.serve does not say which version the request had.
    SERVER_PROTOCOL: protocol ?? "HTTP/1.1",
    SERVER_NAME: named?.host ?? (hostname === null ? "localhost" : bracketed(hostname)),
    // Where the request came in; a client may name any port.
    SERVER_PORT: String(local?.port ?? named?.port ?? (secure ? 443 : 80)),
    SERVER_ADDR: hostname,
  });
}

function clientVariables({ remoteAddress, remotePort, user }: Context) {
  // A Unix socket has no address, and RFC 3875 no word for it.
  const address = remoteAddress === "unix" ? "" : remoteAddress.replace(/%.*/s, "");
  return present({
    REMOTE_ADDR: address,
    // No reverse DNS lookup: section 4.1.9 allows the address.
    REMOTE_HOST: address,
    REMOTE_PORT: remotePort === null ? null : String(remotePort),
    AUTH_TYPE: user === null ? null : "Basic",
    REMOTE_USER: user,
  });
}

function headerVariables(headers: Headers, passAuth: boolean): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const [name, value] of headers) {
    const lower = name.toLowerCase();
    if (!/^[a-z0-9-]+$/.test(lower)) continue;
    if (WITHHELD.has(lower) && !(passAuth && lower === "authorization")) continue;
    const variable = "HTTP_" + lower.toUpperCase().replaceAll("-", "_");
    // Only Set-Cookie comes more than once from `Headers`; all else is joined already.
    const before = variables[variable];
    variables[variable] = (before === undefined ? "" : before + ", ") + utf8OfHeader(value);
  }
  return variables;
}

/** A host name or address, and a port. Anything else is not passed on: programs print it. */
const AUTHORITY = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d*))?$/;

/** The authority that the client named: that of an absolute target, else Host; the runtime's URL has the same order. */
function authorityOf(request: Request): { host: string; port: number | null } | null {
  const inUrl = /^[^:]+:\/\/([^/?#]*)/.exec(request.url)?.[1];
  for (const text of [inUrl, request.headers.get("host")]) {
    const [, host, port] = AUTHORITY.exec(text?.toLowerCase() ?? "") ?? [];
    if (host !== undefined) return { host, port: port ? Number(port) : null };
  }
  return null;
}

function bracketed(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

/** Leaves out null: to many programs an empty variable is not the same as none. */
function present(variables: Record<string, string | null>): Record<string, string> {
  const found: Record<string, string> = {};
  for (const [name, value] of Object.entries(variables)) if (value !== null) found[name] = value;
  return found;
}
