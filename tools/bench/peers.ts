/** The servers measured: how to find each, its version, and its command line. */

import { fileURLToPath } from "node:url";
import { USERS } from "./login.ts";
import { run } from "./processes.ts";

/** The response that a load expects. */
export interface Answer {
  readonly status: number;
  readonly size: number;
}

/** Where to run an instance of a server. */
export interface Place {
  /** The directory to serve. */
  readonly root: string;
  /** The port to listen on at 127.0.0.1. */
  readonly port: number;
  /** A directory for its configuration. */
  readonly temp: string;
  /** Paths of a certificate and its key, for HTTPS. */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** Whether to run the programs in /cgi-bin. */
  readonly cgi: boolean;
  /** What a ceiling responds. */
  readonly answer: Answer;
}

/** A server that is installed. */
export interface Installed {
  readonly version: string;
  /** Creates the command line; writes configuration files to `place.temp`. */
  readonly command: (place: Place) => readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Peer {
  readonly name: string;
  /** Null if it is not installed. */
  readonly find: () => Promise<Installed | null>;
  /** How to install it. */
  readonly install?: string;
  /** It supports HTTPS. */
  readonly tls?: true;
  /** It supports CGI. */
  readonly cgi?: true;
  /** It cannot list directories. */
  readonly noLists?: true;
  /** Its CPU time cannot be measured. */
  readonly noCpu?: true;
  /** Only measured in the cases that name it. */
  readonly onlyNamed?: true;
  /** It has no files, but a single response. */
  readonly ceiling?: true;
}

const CHECKOUT = fileURLToPath(new URL("../../", import.meta.url));
const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const NODE_MODULES = new URL("./npm/node_modules/", import.meta.url);
const DENO = Deno.execPath();
const NPM = "cd tools/bench/npm && npm install --no-package-lock";

const WRITING = ["--upload", "--delete"];
const NATIVE = ["--engine", "native"];

/** The servers, ours first: it logs every request, to /dev/null. */
export const PEERS: readonly Peer[] = [
  { name: "pyserve", tls: true, cgi: true, find: () => findPyserve() },
  { name: "pyserve-quiet", onlyNamed: true, find: () => findPyserve({ options: () => ["--quiet"] }) },
  { name: "pyserve-upload", onlyNamed: true, find: () => findPyserve({ options: () => WRITING }) },
  { name: "pyserve-auth", onlyNamed: true, find: () => findPyserve({ options: authOptions }) },
  // With 300 MiB of additional memory, whose page tables a fork would have to copy.
  { name: "pyserve-300m", onlyNamed: true, cgi: true, find: () => findPyserve({ program: [here("heavy.ts"), "300"] }) },
  { name: "native", onlyNamed: true, find: () => findPyserve({ options: () => NATIVE }) },
  { name: "deno-x", onlyNamed: true, ceiling: true, find: () => findCeiling("deno-x") },
  { name: "native-x", onlyNamed: true, ceiling: true, find: () => findCeiling("native-x") },
  { name: "native-upload", onlyNamed: true, find: () => findPyserve({ options: () => [...WRITING, ...NATIVE] }) },
  { name: "ceiling", onlyNamed: true, ceiling: true, tls: true, find: () => findCeiling("ceiling") },
  { name: "ceiling-grown", onlyNamed: true, ceiling: true, find: () => findCeiling("ceiling-grown") },
  { name: "nginx", install: "apt-get install nginx-light", tls: true, find: () => findNginx("off") },
  { name: "nginx-log", onlyNamed: true, find: () => findNginx("/dev/null") },
  { name: "caddy", install: "apt-get install caddy", tls: true, find: findCaddy },
  { name: "apache", install: "apt-get install apache2-bin", onlyNamed: true, cgi: true, find: findApache },
  { name: "lighttpd", install: "apt-get install lighttpd", cgi: true, find: findLighttpd },
  // It forks for each connection and has the kernel reap the children, which loses their CPU times.
  { name: "busybox", install: "apt-get install busybox", cgi: true, noLists: true, noCpu: true, find: findBusybox },
  { name: "python", install: "apt-get install python3", cgi: true, find: findPython },
  { name: "std", install: "STD_HTTP=path of file_server.ts, or access to JSR", find: findStd },
  { name: "http-server", install: NPM, find: findHttpServer },
  { name: "serve", install: NPM, find: findServe },
  { name: "sirv", install: NPM, noLists: true, find: findSirv },
];

/** pyserve in another checkout, to compare this one with. */
export function otherCheckout(directory: string): Peer {
  return { name: "other", tls: true, cgi: true, find: () => findPyserve({ checkout: directory }) };
}

interface Pyserve {
  readonly checkout?: string;
  readonly program?: readonly string[];
  readonly options?: (place: Place) => readonly string[];
}

function findPyserve(pyserve: Pyserve = {}): Promise<Installed> {
  const { checkout = CHECKOUT, program = [`${checkout}/cli.ts`], options = () => [] } = pyserve;
  const command = (place: Place) => {
    const { root, port, tls, cgi } = place;
    const more = [...tls ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : [], ...cgi ? ["--cgi"] : []];
    const words = [root, String(port), "-b", "127.0.0.1", ...options(place), ...more];
    const asByTask = ["run", "-A", "--unstable-lazy-dynamic-imports"]; // deno task serve
    return [DENO, ...asByTask, "--config", `${checkout}/deno.json`, ...program, ...words];
  };
  return Promise.resolve({ version: `on Deno ${Deno.version.deno}`, command });
}

function authOptions(place: Place): string[] {
  const users = write(place, "users.txt", USERS);
  Deno.chmodSync(users, 0o600);
  return ["--auth", users, "--state", `${place.temp}/state`];
}

function findCeiling(name: string): Promise<Installed> {
  const command = ({ port, answer: { status, size }, tls }: Place) => {
    const words = [name, port, status, size, ...tls ? [tls.cert, tls.key] : []].map(String);
    return [DENO, "run", "-A", here("ceilings.ts"), ...words];
  };
  return Promise.resolve({ version: `on Deno ${Deno.version.deno}`, command });
}

async function findNginx(log: string): Promise<Installed | null> {
  const version = await versionOf(["nginx", "-v"]);
  if (version === null) return null;
  const command = (place: Place) => {
    const file = write(place, "nginx.conf", nginxConfig(place, log));
    return ["nginx", "-p", place.temp, "-e", "stderr", "-c", file];
  };
  return { version, command };
}

/** With more requests per connection than the default, because h2load does not reconnect. */
function nginxConfig({ root, port, temp, tls }: Place, log: string): string {
  const certificate = tls ? `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key};` : "";
  // All paths it may write to are in its own directory.
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((
    name,
  ) => `${name}_temp_path ${temp}/${name};`);
  return `
    daemon off; worker_processes 1; pid ${temp}/nginx.pid; error_log stderr crit;
    events { worker_connections 1024; }
    http {
      sendfile on; access_log ${log}; default_type text/plain; keepalive_requests 1000000; ${paths.join(" ")}
      server {
        listen 127.0.0.1:${port}${tls ? " ssl http2" : ""}; ${certificate}
        root ${root}; autoindex on;
      }
    }`;
}

async function findCaddy(): Promise<Installed | null> {
  const version = await versionOf(["caddy", "version"]);
  if (version === null) return null;
  const command = (place: Place) => {
    const file = write(place, "Caddyfile", caddyConfig(place));
    return ["env", `XDG_CONFIG_HOME=${place.temp}`, `XDG_DATA_HOME=${place.temp}`, "caddy", "run", "--config", file];
  };
  return { version, command, env: { GOMAXPROCS: "1" } };
}

function caddyConfig({ root, port, tls }: Place): string {
  return `{
  admin off
  auto_https off
}
${tls ? "https" : "http"}://127.0.0.1:${port} {
  bind 127.0.0.1
  ${tls ? `tls ${tls.cert} ${tls.key}` : ""}
  root * ${root}
  file_server browse
}
`;
}

async function findLighttpd(): Promise<Installed | null> {
  const version = await versionOf(["lighttpd", "-v"]);
  if (version === null) return null;
  const command = (place: Place) => ["lighttpd", "-D", "-f", write(place, "lighttpd.conf", lighttpdConfig(place))];
  return { version, command };
}

function lighttpdConfig({ root, port, cgi }: Place): string {
  return `
server.modules = ("mod_dirlisting"${cgi ? ', "mod_cgi"' : ""})
${cgi ? '$HTTP["url"] =~ "^/cgi-bin/" { cgi.assign = ("" => "") }' : ""}
server.bind = "127.0.0.1"
server.port = ${port}
server.document-root = "${root}"
dir-listing.activate = "enable"
mimetype.assign = (".txt" => "text/plain", "" => "application/octet-stream")
`;
}

/** With one process per connection, running programs by mod_cgi: the fastest configuration for few connections. */
async function findApache(): Promise<Installed | null> {
  const version = await versionOf(["apache2", "-v"]);
  if (version === null) return null;
  const command = (place: Place) => {
    return ["apache2", "-D", "FOREGROUND", "-f", write(place, "apache.conf", apacheConfig(place))];
  };
  return { version, command };
}

function apacheConfig({ root, port, temp }: Place): string {
  const modules = ["mpm_prefork", "authz_core", "alias", "cgi"];
  return `
ServerName localhost
ServerRoot ${temp}
DefaultRuntimeDir ${temp}
PidFile ${temp}/apache.pid
ErrorLog ${temp}/error.log
LogLevel crit
${modules.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join("\n")}
Listen 127.0.0.1:${port}
User nobody
Group nogroup
StartServers 10
MinSpareServers 10
MaxKeepAliveRequests 0
DocumentRoot ${root}
ScriptAlias /cgi-bin/ ${root}/cgi-bin/
`;
}

async function findBusybox(): Promise<Installed | null> {
  const version = await versionOf(["busybox"]);
  if (version === null) return null;
  return { version, command: ({ root, port }) => ["busybox", "httpd", "-f", "-p", `127.0.0.1:${port}`, "-h", root] };
}

async function findPython(): Promise<Installed | null> {
  // The real path: a version manager's wrapper in PATH would be measured too.
  const python = (await run(["python3", "-c", "import sys; print(sys.executable)"]))?.trim();
  if (!python) return null;
  const version = await versionOf([python, "--version"]) ?? "?";
  return {
    version,
    command: ({ root, port, cgi }) => {
      const more = cgi ? ["--cgi"] : [];
      return [python, "-m", "http.server", String(port), "-b", "127.0.0.1", "-d", root, ...more];
    },
  };
}

async function findStd(): Promise<Installed | null> {
  const checkout = Deno.env.get("STD_HTTP");
  // From JSR without our configuration, which substitutes a stand-in for @std/http.
  const program = checkout
    ? [DENO, "run", "-A", checkout]
    : [DENO, "run", "-A", "--no-config", "jsr:@std/http@^1/file-server"];
  const version = await versionOf([...program, "--version"]);
  if (version === null) return null;
  return { version, command: ({ root, port }) => [...program, root, "--port", String(port), "--host", "127.0.0.1"] };
}

async function findHttpServer(): Promise<Installed | null> {
  const found = await findNpm("http-server", "bin/http-server");
  return found && {
    version: found.version,
    command: ({ root, port }) => [...found.program, root, "-p", String(port), "-a", "127.0.0.1", "-s"],
  };
}

async function findServe(): Promise<Installed | null> {
  const found = await findNpm("serve", "build/main.js");
  return found && {
    version: found.version,
    command: ({ root, port }) => [...found.program, root, "-l", `tcp://127.0.0.1:${port}`, "-L", "-n"],
    env: { NO_UPDATE_CHECK: "1" },
  };
}

async function findSirv(): Promise<Installed | null> {
  const found = await findNpm("sirv-cli", "bin.js");
  return found && {
    version: found.version,
    command: ({ root, port }) => [...found.program, root, "-H", "127.0.0.1", "-p", String(port), "-q", "-e"],
  };
}

/** A package in tools/bench/npm/node_modules, run by Node. */
async function findNpm(name: string, script: string): Promise<{ version: string; program: readonly string[] } | null> {
  try {
    const { version } = JSON.parse(await Deno.readTextFile(new URL(`${name}/package.json`, NODE_MODULES)));
    const node = await versionOf(["node", "--version"]);
    if (node === null) return null;
    const path = decodeURIComponent(new URL(`${name}/${script}`, NODE_MODULES).pathname);
    return { version: `${version} on Node ${node}`, program: ["node", path] };
  } catch {
    return null;
  }
}

/** The first version number a program prints; null if it does not run. */
async function versionOf(command: readonly string[]): Promise<string | null> {
  const output = await run(command, 20);
  return output === null ? null : /\d+\.\d+[.\d]*/.exec(output)?.[0] ?? "?";
}

function write({ temp }: Place, name: string, text: string): string {
  Deno.writeTextFileSync(`${temp}/${name}`, text);
  return `${temp}/${name}`;
}
