/** Under which host names the server answers: no page of another site becomes same-origin by DNS rebinding. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { isLoopback, isOwnHost } from "../../handlers/http/own_host.ts";
import {
  cgi,
  cgiFeature,
  CGIHTTPRequestHandler,
  chain,
  disk,
  fastcgi,
  fastCgiFeature,
  type Feature,
  type FetchFunction,
  files,
  fileServer,
  type Layer,
  mount,
  SimpleHTTPRequestHandler,
  ThreadingHTTPServer,
  toFetch,
  type ToFetchOptions,
  upload,
  uploadFeatures,
} from "@x/pyserve";
import type { Hosts } from "@x/pyserve/handlers";
import { makeCertificate } from "../support/certificate.ts";
import { CLOCK_AHEAD, runCommand, start, startProcess } from "../support/command.ts";
import { CLI, fromFileUrl, ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { raw } from "../support/raw.ts";
import { oldTree, type TempTree, tempTree } from "../support/tree.ts";
import { freePort } from "../support/port.ts";

Deno.test("addresses and localhost are always own names, others are if they are given", () => {
  const own = ["127.0.0.1", "127.0.0.1:8000", "[::1]:8000", "192.0.2.7:1", "localhost", "LOCALHOST:8", "a.localhost."];
  const others = [
    "",
    "example.org",
    "localhost.example.org",
    "notlocalhost",
    "127.0.0.1.example.org",
    "1.2.3.4.5",
    "::1",
  ];
  for (const host of own) assertEquals([host, isOwnHost(host, [])], [host, true]);
  for (const host of others) assertEquals([host, isOwnHost(host, [])], [host, false]);
  assertEquals(isOwnHost("Files.Example.org:80", ["files.example.ORG"]), true);
  assertEquals(isOwnHost("a.b.example.org", ["*.example.org"]), true);
  assertEquals(isOwnHost("example.org", ["*.example.org"]), false);
  assertEquals(isOwnHost("evilexample.org", ["*.example.org"]), false);
});

Deno.test("a trailing dot makes no difference", () => {
  for (const host of ["localhost.", "files.example.:80", "FILES.example", "sub.example."]) {
    assertEquals([host, isOwnHost(host, ["files.example.", "*.example."])], [host, true]);
  }
  for (const host of [".", ":80", "..", "[", "example."]) {
    assertEquals([host, isOwnHost(host, ["", ".", "*.example"])], [host, false]);
  }
});

Deno.test("isLoopback() knows the addresses that only this machine can reach", () => {
  for (const address of ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1", "localhost"]) {
    assertEquals([address, isLoopback(address)], [address, true]);
  }
  for (const address of ["", "0.0.0.0", "::", "192.0.2.127", "::ffff:192.0.2.1", "::127.0.0.1", "::11"]) {
    assertEquals([address, isLoopback(address)], [address, false]);
  }
});

// --- At every door ---

/** Names as a browser sends them, and whether they are the server's own. */
const NAMES: readonly (readonly [host: string, isOwn: boolean])[] = [
  ["evil.example", false],
  ["127.0.0.1.evil.example", false],
  ["localhost.evil.example", false],
  ["evil", false],
  ["127.0.0.1", true],
  ["[::1]", true],
  ["localhost", true],
  ["LocalHost.", true],
  ["site.localhost", true],
  [Deno.hostname().toUpperCase(), true],
  [`${Deno.hostname().split(".")[0]}.local.`, true],
  ["files.example", true],
  ["FILES.example.", true],
  ["evil-files.example", false],
];

/** A server, and the status of a request to it under a name. */
interface Door extends AsyncDisposable {
  readonly port: number;
  status?(host: string, method: string, target: string): Promise<number>;
}

const HOSTS = ["files.example"];

async function statusAs(port: number, host: string, method = "GET", target = "/a.txt"): Promise<number> {
  const content = ["PUT", "PATCH", "POST"].includes(method) ? "Content-Length: 1\r\n\r\nx" : "\r\n";
  const head = `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${content}`;
  return (await raw(port, head)).status;
}

function overHttp(fetch: FetchFunction, listen: Deno.ServeTcpOptions = { hostname: "127.0.0.1" }): Door {
  const server = Deno.serve({ port: 0, onListen() {}, ...listen }, fetch);
  return { port: server.addr.port, [Symbol.asyncDispose]: () => server.shutdown() };
}

async function command(args: readonly string[]): Promise<Door> {
  const process = await start([...args, "--quiet"], { clockAhead: true });
  return { port: process.port, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

/** HTTPS with curl as the client, which sends the name as `:authority` over HTTP/2. */
async function tls(args: readonly string[], version: string, tree: TempTree): Promise<Door> {
  const { options } = await makeCertificate(tree.path);
  const door = await command([...args, ...options]);
  const status = async (host: string, method: string, target: string) => {
    const authority = `${host}:${door.port}`;
    const { stdout } = await new Deno.Command("curl", {
      args: [version, "-gskm", "20", "-o", tree.at("out"), "-w", "%{http_code}", "-X", method]
        .concat(["--connect-to", `::127.0.0.1:${door.port}`, `https://${authority}${target}`]),
    }).output();
    return Number(new TextDecoder().decode(stdout));
  };
  return { ...door, status };
}

async function denoServe({ path }: TempTree, env: Record<string, string> = {}): Promise<Door> {
  const port = freePort();
  const process = await startProcess(Deno.execPath(), [
    ...[
      "serve",
      "-A",
      "--no-lock",
      ...CLOCK_AHEAD,
      "--config",
      `${ROOT}/deno.json`,
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
    ],
    fromFileUrl("../testdata/deno_serve.ts"),
  ], { env: { TEST_ROOT: path, TEST_PORT: String(port), ...env } });
  // The module prints its line before the runtime listens.
  while (await statusAs(port, "localhost").catch(() => 0) === 0) await new Promise((done) => setTimeout(done, 20));
  return { port, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() };
}

const PHP = { address: { transport: "unix", path: "/nowhere/php.sock" }, extensions: [".php"] } as const;
const greeting: Layer = (next) => (request, context) => next(request, context);
const RIGHTS = { rights: { create: true, change: true } };
const WRITING = ["--all", "--allow-host", "files.example"];

const WRITING_DOORS: Readonly<Record<string, (tree: TempTree) => Door | Promise<Door>>> = {
  "the command": ({ path }) => command([path, ...WRITING]),
  "the command on all interfaces": ({ path }) => command([path, ...WRITING, "-b", "0.0.0.0"]),
  "HTTP/1.0": ({ path }) => command([path, ...WRITING, "-p", "HTTP/1.0"]),
  "two workers": ({ path }) => command([path, ...WRITING, "--workers=2"]),
  "HTTPS": (tree) => tls([tree.path, ...WRITING], "--http1.1", tree),
  "HTTP/2": (tree) => tls([tree.path, ...WRITING], "--http2", tree),
  "deno serve": (tree) => denoServe(tree, { TEST_FEATURES: "upload", TEST_HOSTS: HOSTS.join() }),
  "the library": ({ path }) =>
    overHttp(toFetch(fileServer(path, { features: uploadFeatures(RIGHTS), log: false }), { hosts: HOSTS })),
  "a layer around it, mounted": ({ path }) => {
    const site = greeting(fileServer(path, { features: uploadFeatures(RIGHTS), log: false }));
    return overHttp(toFetch(chain(mount("/none", () => null), mount("/", site)), { hosts: HOSTS }));
  },
  "a chain": ({ path }) => {
    const source = disk(path);
    return overHttp(toFetch(chain(upload(source, RIGHTS), files(source)), { hosts: HOSTS }));
  },
};

const ignoreDoor = (name: string) =>
  (name === "two workers" && Deno.build.os !== "linux") || (name.startsWith("HTTP") && missing("openssl", "curl"));

for (const [name, open] of Object.entries(WRITING_DOORS)) {
  Deno.test({ name: `nothing is read or written under another name: ${name}`, ignore: ignoreDoor(name) }, async () => {
    await using tree = await oldTree({ "a.txt": "a" });
    await using door = await open(tree);
    const status = (host: string, method: string, target: string) =>
      door.status?.(host, method, target) ?? statusAs(door.port, host, method, target);
    // Three times, so that the last response comes from the cache.
    for (let i = 0; i < 3; i++) assertEquals(await status("localhost", "GET", "/a.txt"), 200);
    for (const [index, [host, isOwn]] of NAMES.entries()) {
      assertEquals([host, await status(host, "GET", "/a.txt")], [host, isOwn ? 200 : 421]);
      assertEquals([host, await status(host, "PUT", `/${index}.txt`)], [host, isOwn ? 201 : 421]);
      assertEquals([host, await status(host, "DELETE", `/${index}.txt`)], [host, isOwn ? 204 : 421]);
    }
  });
}

Deno.test("a port makes no difference to a name", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  await using door = await command([tree.path, ...WRITING]);
  assertEquals(await statusAs(door.port, "files.example:1"), 200);
  assertEquals(await statusAs(door.port, "evil.example:80"), 421);
});

/** Servers without configured names. */
const READING_DOORS: Readonly<Record<string, (tree: TempTree) => Door | Promise<Door>>> = {
  "the command": ({ path }) => command([path]),
  "HTTP/1.0": ({ path }) => command([path, "-p", "HTTP/1.0"]),
  "HTTPS": (tree) => tls([tree.path], "--http1.1", tree),
  "HTTP/2": (tree) => tls([tree.path], "--http2", tree),
  "deno serve": (tree) => denoServe(tree),
  "the library": ({ path }) => overHttp(toFetch(fileServer(path, { log: false }))),
  "a mount": ({ path }) => overHttp(toFetch(mount("/", greeting(fileServer(path, { log: false }))))),
  "a chain": ({ path }) => overHttp(toFetch(chain(() => null, files(disk(path))))),
  "SimpleHTTPRequestHandler": ({ path }) => served(SimpleHTTPRequestHandler, path, "127.0.0.1"),
  "CGIHTTPRequestHandler": ({ path }) => served(CGIHTTPRequestHandler, path, "0.0.0.0"),
};

function served(Handler: typeof SimpleHTTPRequestHandler, directory: string, bind: string): Door {
  class Served extends Handler {
    override directory = directory;
    override log_message() {}
  }
  const server = new ThreadingHTTPServer([bind, 0], Served);
  const ended = server.serve_forever();
  return {
    port: server.server_port,
    async [Symbol.asyncDispose]() {
      await server.server_close();
      await ended;
    },
  };
}

for (const [name, open] of Object.entries(READING_DOORS)) {
  Deno.test({
    name: `a server on loopback is not read under another name: ${name}`,
    ignore: ignoreDoor(name),
  }, async () => {
    await using tree = await oldTree({ "a.txt": "a" });
    await using door = await open(tree);
    const status = (host: string, target = "/a.txt") =>
      door.status?.(host, "GET", target) ?? statusAs(door.port, host, "GET", target);
    for (let i = 0; i < 3; i++) assertEquals(await status("localhost"), 200);
    for (const [host, isOwn] of NAMES) {
      const own = isOwn && !/files/i.test(host);
      assertEquals([host, await status(host)], [host, own ? 200 : 421]);
      if (!own) assertEquals([host, await status(host, "/absent")], [host, 421]);
    }
  });
}

Deno.test("a public server is read under any name, also from the cache, but not written", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  await using open = await command([tree.path, "-b", "0.0.0.0"]);
  for (const host of ["evil.example", "localhost", "evil.example", "evil.example"]) {
    assertEquals(await statusAs(open.port, host), 200);
  }
  await using simple = served(SimpleHTTPRequestHandler, tree.path, "0.0.0.0");
  assertEquals(await statusAs(simple.port, "evil.example"), 200);
});

Deno.test("handlers that write or run programs check the name themselves, however they are composed", async () => {
  await using tree = await tempTree({ "a.txt": "a", "cgi-bin/run": "#!/bin/sh\necho; touch ../ran\n", "a.php": "" });
  await Deno.chmod(tree.at("cgi-bin/run"), 0o755).catch(() => {}); // Windows has no modes
  const source = disk(tree.path);
  const site = chain(upload(source), cgi(source), fastcgi(source, PHP), files(source));
  const everywhere = { localAddress: () => ({ hostname: "0.0.0.0", port: 1 }), log: { access() {}, error() {} } };
  await using door = overHttp(toFetch(mount("/", greeting(site)), everywhere));
  assertEquals(await statusAs(door.port, "evil.example"), 200);
  for (const method of ["PUT", "PATCH", "POST", "MKCOL", "COPY", "DELETE", "MOVE"]) {
    assertEquals(await statusAs(door.port, "evil.example", method, "/new"), 421);
  }
  assertEquals(await statusAs(door.port, "evil.example", "GET", "/a.txt?upload=an-upload-of-mine"), 421);
  assertEquals(await statusAs(door.port, "evil.example", "GET", "/cgi-bin/run"), 421);
  assertEquals(await statusAs(door.port, "evil.example", "GET", "/a.php"), 421);
  assertEquals([...Deno.readDirSync(tree.path)].map(({ name }) => name).sort(), ["a.php", "a.txt", "cgi-bin"]);
  assertEquals(await statusAs(door.port, "localhost", "GET", "/a.php"), 502);
});

Deno.test("one handler in two servers follows the names of each, whatever the other has cached", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const site = fileServer(tree.path, { log: false });
  const local = (hostname: string): ToFetchOptions => ({ localAddress: () => ({ hostname, port: 1 }) });
  await using open = overHttp(toFetch(site, local("0.0.0.0")));
  await using closed = overHttp(toFetch(site, local("127.0.0.1")));
  await using named = overHttp(toFetch(site, { hosts: ["evil.example"] }));
  for (let i = 0; i < 3; i++) {
    assertEquals(await statusAs(named.port, "evil.example"), 200);
    assertEquals(await statusAs(closed.port, "evil.example"), 421);
    assertEquals(await statusAs(open.port, "evil.example"), 200);
    assertEquals(await statusAs(closed.port, "evil.example"), 421);
    assertEquals(await statusAs(closed.port, "localhost"), 200);
  }
});

Deno.test("a cached file is not sent under another name if a feature writes, nor below a mount", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const everywhere = { localAddress: () => ({ hostname: "0.0.0.0", port: 1 }) };
  for (const feature of [...uploadFeatures().slice(0, 1), cgiFeature(), fastCgiFeature(PHP)]) {
    const site = fileServer(tree.path, { features: [feature], log: false });
    await using plain = overHttp(toFetch(site, everywhere));
    await using mounted = overHttp(toFetch(mount("/docs", site), everywhere));
    for (const [{ port }, target] of [[plain, "/a.txt"], [mounted, "/docs/a.txt"]] as const) {
      for (let i = 0; i < 3; i++) assertEquals(await statusAs(port, "localhost", "GET", target), 200);
      assertEquals(await statusAs(port, "evil.example", "GET", target), 421);
    }
  }
});

/** Features whose background work ends with the test. */
function uploading() {
  const features = uploadFeatures();
  const end = async () => void await Promise.all(features.map((feature) => feature.end?.()));
  return Object.assign(features, { [Symbol.asyncDispose]: end });
}

Deno.test('"any" is any name, for everything', async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  await using features = uploading();
  const site = fileServer(tree.path, { features, log: false });
  await using door = overHttp(toFetch(site, { hosts: "any" }));
  assertEquals(await statusAs(door.port, "evil.example"), 200);
  assertEquals(await statusAs(door.port, "evil.example", "PUT", "/b.txt"), 201);
  class Any extends CGIHTTPRequestHandler {
    override hosts: Hosts = "any";
  }
  await using classes = served(Any, tree.path, "127.0.0.1");
  assertEquals(await statusAs(classes.port, "evil.example"), 200);
});

Deno.test("a custom feature with a writing method restricts the server to its own names", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const writing: Feature = {
    methods: ["POST"],
    handler: () => ({ method }) => method === "POST" ? new Response("written") : null,
  };
  const ask = async (feature: Feature, host: string, method: string) => {
    const site = fileServer(tree.path, { features: [feature], log: false });
    const response = await toFetch(site)(new Request(`http://${host}/a.txt`, { method }));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await ask(writing, "localhost", "POST"), 200);
  for (const method of ["POST", "GET"]) assertEquals(await ask(writing, "evil.example", method), 421);
  assertEquals(await ask({ ...writing, ownNamesOnly: false }, "evil.example", "POST"), 200);
  assertEquals(await ask({ ...writing, methods: [], ownNamesOnly: true }, "evil.example", "GET"), 421);
});

Deno.test("an absolute-form target and Host both have to be own names names", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  await using door = await command([tree.path, "--upload"]);
  for (const method of ["GET", "PUT"]) {
    const good = method === "GET" ? 200 : 409;
    assertEquals(await statusAs(door.port, "localhost", method, "http://127.0.0.1/a.txt"), good);
    assertEquals(await statusAs(door.port, "localhost", method, "http://evil.example/a.txt"), 421);
    assertEquals(await statusAs(door.port, "evil.example", method, "http://localhost/a.txt"), 421);
  }
});

Deno.test(
  { name: "the path of a Unix socket is not a name", ignore: Deno.build.os === "windows" },
  async () => {
    await using tree = await tempTree({ "site/a.txt": "a" });
    await using features = uploading();
    const site = fileServer(tree.at("site"), { features, log: false });
    await using _server = Deno.serve({ path: tree.at("socket"), onListen() {} }, toFetch(site));
    const ask = async (host: string) => {
      using connection = await Deno.connect({ transport: "unix", path: tree.at("socket") });
      const head = `PUT /b.txt HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`;
      await connection.write(new TextEncoder().encode(head));
      const buffer = new Uint8Array(100);
      const count = await connection.read(buffer);
      return new TextDecoder().decode(buffer.subarray(0, count ?? 0)).slice(9, 12);
    };
    assertEquals([await ask("localhost"), await ask("evil.example")], ["201", "421"]);
  },
);

Deno.test("the name that the server binds is its own", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const local = { hostname: "127.0.0.1", port: 1, name: "files.test" };
  await using features = uploading();
  const site = fileServer(tree.path, { features, log: false });
  await using door = overHttp(toFetch(site, { localAddress: () => local }));
  assertEquals(await statusAs(door.port, "files.test"), 200);
  assertEquals(await statusAs(door.port, "evil.test"), 421);
});

Deno.test({
  name: "a name that the command binds and that resolves locally is its own",
  ignore: missing("unshare", "mount") || !isRoot(),
}, async () => {
  await using tree = await tempTree({ "a.txt": "a", "hosts": "127.0.0.1 files.test\n" });
  const words = `mount --bind ${tree.at("hosts")} /etc/hosts && exec "$@"`;
  const run = ["run", "-A", "--no-lock", CLI, tree.path, "0", "-b", "files.test", "--quiet"];
  await using server = await startProcess("unshare", ["-m", "sh", "-c", words, "sh", Deno.execPath(), ...run]);
  assertEquals(await statusAs(server.port, "files.test"), 200);
  assertEquals(await statusAs(server.port, "evil.test"), 421);
});

function isRoot(): boolean {
  return Deno.build.os === "linux" && Deno.uid() === 0;
}

Deno.test("the log and the page say which option adds a name, in one sentence", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  await using server = await start([tree.path]);
  const head = "GET / HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n";
  const { status, text } = await raw(server.port, head);
  assertEquals(status, 421);
  const sentence = "This host name is not accepted; allow it with --allow-host (in the library: hosts)";
  assertStringIncludes(text, sentence);
  await server.stop();
  assertStringIncludes(server.stderr(), `code 421, message ${sentence}`);
});

Deno.test("with given names, files are served under these only", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  await using closed = await command([tree.path, "--allow-host", "*.example.org", "-b", "0.0.0.0"]);
  assertEquals(await statusAs(closed.port, "any.example.org"), 200);
  assertEquals(await statusAs(closed.port, "example.net"), 421);
  const ended = await runCommand(["--allow-host", "a b"]);
  assertEquals([ended.code, ended.stderr.includes("it is not a host name")], [2, true]);
});
