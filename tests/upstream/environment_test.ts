/** The environment of programs (RFC 3875 section 4.1). */

import { assert, assertEquals } from "@std/assert";
import { cgiEnvironment, type CgiEnvironmentInput } from "../../handlers/upstream/environment.ts";
import { derive, type Handler, mount, toFetch, type ToFetchOptions } from "@x/pyserve";
import type { LocalAddress, Program } from "@x/pyserve/handlers";
import { raw } from "../support/raw.ts";

const PROGRAM: Program = {
  command: "/usr/bin/php-cgi",
  args: ["/srv/a.php"],
  file: "/srv/a.php",
  directory: "/srv",
  name: "/a.php",
  pathInfo: "",
  pathTranslated: null,
  documentRoot: "/srv",
};

/** The input of an environment that tests vary. */
type Changes = Partial<Omit<CgiEnvironmentInput, "request" | "context">> & { readonly user?: string };

const REST = { program: PROGRAM, bodyLength: null, software: "pyserve/1", passAuth: false, inherited: {}, extra: {} };

function showing({ user, ...changes }: Changes): Handler {
  return (request, context) => {
    const checked = derive(context, { user: user ?? null });
    return Response.json(cgiEnvironment({ ...REST, ...changes, request, context: checked }));
  };
}

/** The environment of a request that was sent over the wire. */
async function sent(target: string, headers: readonly string[] = [], changes: Changes = {}, method = "GET") {
  let local: LocalAddress | null = null;
  const options: ToFetchOptions = { localAddress: () => local, hosts: "any" };
  const listen = { hostname: "127.0.0.1", port: 0, onListen() {} };
  await using server = Deno.serve(listen, toFetch(showing(changes), options));
  local = server.addr;
  const host = headers.some((header) => header.startsWith("Host:")) ? [] : ["Host: localhost"];
  const lines = [`${method} ${target} HTTP/1.1`, ...host, "Connection: close", ...headers, "", ""];
  const response = await raw(server.addr.port, lines.join("\r\n"));
  assertEquals(response.status, 200, response.text);
  return { environment: JSON.parse(response.text) as Record<string, string>, port: String(server.addr.port) };
}

/** The environment of a request made by hand. */
async function made(url: string, changes: Changes = {}, options: ToFetchOptions = {}, info = {}) {
  const response = await toFetch(showing(changes), { hosts: "any", ...options })(new Request(url), info);
  return await response.json() as Record<string, string>;
}

Deno.test("cgiEnvironment() has the variables of RFC 3875, and none without a value", async () => {
  const { environment, port } = await sent("/a%20b?c=%41&d");
  assert(/^\d+$/.test(environment.REMOTE_PORT!));
  delete environment.REMOTE_PORT;
  assertEquals(environment, {
    GATEWAY_INTERFACE: "CGI/1.1",
    SERVER_SOFTWARE: "pyserve/1",
    SERVER_PROTOCOL: "HTTP/1.1",
    SERVER_NAME: "localhost",
    SERVER_PORT: port,
    SERVER_ADDR: "127.0.0.1",
    REQUEST_METHOD: "GET",
    REQUEST_URI: "/a%20b?c=%41&d",
    REQUEST_SCHEME: "http",
    QUERY_STRING: "c=%41&d",
    SCRIPT_NAME: "/a.php",
    SCRIPT_FILENAME: "/srv/a.php",
    PATH_INFO: "",
    DOCUMENT_ROOT: "/srv",
    REMOTE_ADDR: "127.0.0.1",
    REMOTE_HOST: "127.0.0.1",
    REDIRECT_STATUS: "200",
    HTTP_HOST: "localhost",
  });
});

Deno.test("cgiEnvironment() describes a body, PATH_INFO and a redirect if there is one", async () => {
  const program = { ...PROGRAM, pathInfo: "/x", pathTranslated: "/srv/x" };
  const headers = ["Content-Type: text/x; a=b", "Content-Length: 0"];
  const { environment: e } = await sent("/", headers, { program, bodyLength: 12, redirectUrl: "/from" }, "BREW");
  assertEquals(
    [e.REQUEST_METHOD, e.CONTENT_LENGTH, e.CONTENT_TYPE, e.PATH_INFO, e.PATH_TRANSLATED, e.REDIRECT_URL],
    ["BREW", "12", "text/x; a=b", "/x", "/srv/x", "/from"],
  );
  assertEquals([e.HTTP_CONTENT_LENGTH, e.HTTP_CONTENT_TYPE, e.QUERY_STRING], [undefined, undefined, ""]);
  const none = { ...PROGRAM, documentRoot: null, name: "" };
  const { environment } = await sent("/", [], { program: none, bodyLength: 0 });
  assertEquals([environment.DOCUMENT_ROOT, environment.SCRIPT_NAME, environment.CONTENT_LENGTH], [undefined, "", "0"]);
});

const HEADERS: readonly [sent: string, variable: string, value: string | undefined, why: string][] = [
  ["User-Agent: a b", "HTTP_USER_AGENT", "a b", "every header"],
  ["Git-Protocol: version=2", "HTTP_GIT_PROTOCOL", "version=2", "git needs it"],
  ["Content-Encoding: gzip", "HTTP_CONTENT_ENCODING", "gzip", "and this, as bodies are not touched"],
  ["xx-yy123: 4", "HTTP_XX_YY123", "4", "digits (lighttpd)"],
  ["X-Empty:", "HTTP_X_EMPTY", "", "set but empty"],
  ["Accept: a\r\nAccept: b", "HTTP_ACCEPT", "a, b", "several of a name are one list"],
  ["Cookie: a=1\r\nCookie: b=2", "HTTP_COOKIE", "a=1; b=2", "cookies by semicolon"],
  ["Set-Cookie: a\r\nSet-Cookie: b", "HTTP_SET_COOKIE", "a, b", "even where `Headers` does not join them"],
  ["X_Real_IP: 6.6.6.6", "HTTP_X_REAL_IP", undefined, "underscores would pass for hyphens"],
  ["X-Real-IP: 1.1.1.1\r\nX_Real_IP: 6.6.6.6", "HTTP_X_REAL_IP", "1.1.1.1", "and do not join in"],
  ["X.Real.IP: 6.6.6.6", "HTTP_X.REAL.IP", undefined, "nor does a dot"],
  ["X!a: 1", "HTTP_X!A", undefined, "nor anything else"],
  ["Proxy: http://evil", "HTTP_PROXY", undefined, "httpoxy"],
  ["Authorization: Basic eDp5", "HTTP_AUTHORIZATION", undefined, "withheld"],
  ["Authorization: Basic eDp5", "REMOTE_USER", undefined, "because the name is not verified"],
  ["Authorization: Basic eDp5", "AUTH_TYPE", undefined, "because the name is not verified"],
  ["Proxy-Authorization: x", "HTTP_PROXY_AUTHORIZATION", undefined, "withheld"],
  ["Keep-Alive: x", "HTTP_KEEP_ALIVE", undefined, "of the connection"],
  ["TE: trailers", "HTTP_TE", undefined, "of the connection"],
  ["X-Bytes: \xc3\xa9", "HTTP_X_BYTES", "é", "UTF-8 arrives as the bytes that were sent"],
  ["X-Bytes: \xe9", "HTTP_X_BYTES", "\xe9", "what is not UTF-8 as Latin-1"],
  ["X-Bytes: \xef\xbb\xbfa", "HTTP_X_BYTES", "\ufeffa", "a byte order mark stays"],
  ["Content-Type: \xc3\xa9", "CONTENT_TYPE", "é", "in this one, too"],
];

Deno.test("cgiEnvironment() passes headers on, and withholds some", async (t) => {
  for (const [header, variable, value, why] of HEADERS) {
    await t.step(`${header}: ${why}`, async () => {
      const { environment } = await sent("/", header.split("\r\n"));
      assertEquals(environment[variable], value);
    });
  }
});

Deno.test("cgiEnvironment() shows Authorization where asked to", async () => {
  const headers = ["Authorization: Bearer x", "Proxy-Authorization: y"];
  const { environment: e } = await sent("/", headers, { passAuth: true });
  assertEquals([e.HTTP_AUTHORIZATION, e.HTTP_PROXY_AUTHORIZATION, e.REMOTE_USER], ["Bearer x", undefined, undefined]);
});

Deno.test("cgiEnvironment() names the user that this server has authenticated", async () => {
  const { environment: e } = await sent("/", ["Authorization: Basic eDp5"], { user: "anna" });
  assertEquals([e.AUTH_TYPE, e.REMOTE_USER, e.HTTP_AUTHORIZATION], ["Basic", "anna", undefined]);
});

Deno.test("cgiEnvironment() passes only allowed variables of the server, and the operator's override all", async () => {
  const inherited = { PATH: "/bin", HTTP_ACCEPT: "inherited", PATH_INFO: "inherited" };
  const extra = { PATH_INFO: "extra", GIT_PROJECT_ROOT: "/srv/git" };
  const { environment: e } = await sent("/", ["Accept: a"], { inherited, extra });
  assertEquals([e.PATH, e.HTTP_ACCEPT, e.PATH_INFO, e.GIT_PROJECT_ROOT], ["/bin", "a", "extra", "/srv/git"]);
  assertEquals(Object.keys(e).filter((name) => name === "HOME" || name === "USER"), []);
});

/** The server's name by Host and absolute target; the address if neither is a name. */
const NAMES: readonly [target: string, host: string, name: string][] = [
  ["/", "example.org", "example.org"],
  ["/", "example.org:81", "example.org"],
  ["/", "Example.ORG:", "example.org"],
  ["/", "[::1]:81", "[::1]"],
  ["/", "[FE80::A]", "[fe80::a]"],
  ["/", "a_b.example", "a_b.example"],
  ["/", "127.0.0.1", "127.0.0.1"],
  ["/", "a!$&'()*+,;=b", "127.0.0.1"],
  ["/", "a%41", "127.0.0.1"],
  ["http://other.example/", "example.org", "other.example"],
  ["http://Other.example:82/x", "example.org:81", "other.example"],
  ["http://[::2]:82/x", "example.org", "[::2]"],
];

Deno.test("cgiEnvironment() names the server as the client does", async (t) => {
  for (const [target, host, name] of NAMES) {
    await t.step(`${target} at ${host}`, async () => {
      const { environment, port } = await sent(target, [`Host: ${host}`]);
      // The port is that of the connection, whatever the client says.
      assertEquals([environment.SERVER_NAME, environment.SERVER_PORT], [name, port]);
      assertEquals(environment.HTTP_HOST, host);
      assertEquals(environment.REQUEST_URI, target.replace(/^http:\/\/[^/]*/, ""));
    });
  }
});

Deno.test("cgiEnvironment() works with unknown addresses", async () => {
  const nothing = await made("http://[::3]:83/");
  assertEquals([nothing.SERVER_NAME, nothing.SERVER_PORT, nothing.SERVER_ADDR], ["[::3]", "83", undefined]);
  assertEquals([nothing.REMOTE_ADDR, nothing.REMOTE_HOST, nothing.REMOTE_PORT], ["", "", undefined]);
  assertEquals((await made("http://h/")).SERVER_PORT, "80");
  const local = () => ({ hostname: "::1", port: 8000 });
  const six = await made("http+unix://%2Ftmp%2Fs/x", {}, { localAddress: local }, {
    remoteAddr: { transport: "tcp", hostname: "fe80::1%eth0", port: 5 },
  });
  assertEquals([six.SERVER_NAME, six.SERVER_ADDR, six.REMOTE_ADDR, six.REMOTE_PORT], ["[::1]", "::1", "fe80::1", "5"]);
  const mapped = await made("http://h/", {}, {}, {
    remoteAddr: { transport: "tcp", hostname: "::ffff:192.0.2.1", port: 5 },
  });
  assertEquals(mapped.REMOTE_ADDR, "192.0.2.1");
  const unix = await made("http+unix://%2Ftmp%2Fs/x", {}, {}, { remoteAddr: { transport: "unix", path: "/tmp/s" } });
  assertEquals([unix.SERVER_NAME, unix.REMOTE_ADDR, unix.REMOTE_HOST, unix.REMOTE_PORT], [
    "localhost",
    "",
    "",
    undefined,
  ]);
});

Deno.test("cgiEnvironment() says when the connection is encrypted", async () => {
  const secure = await made("https://h/");
  assertEquals([secure.HTTPS, secure.REQUEST_SCHEME, secure.SERVER_PORT], ["on", "https", "443"]);
  const plain = await made("http://h/");
  assertEquals([plain.HTTPS, plain.REQUEST_SCHEME], [undefined, "http"]);
});

Deno.test("cgiEnvironment() shows the whole target below a mount", async () => {
  const fetch = toFetch(mount("/docs", showing({})));
  const environment = await (await fetch(new Request("http://h/docs//a?b"))).json();
  assertEquals(environment.REQUEST_URI, "/docs//a?b");
});
