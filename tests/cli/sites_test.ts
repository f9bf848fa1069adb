/** Configurations of several sites: headers by path, mounts with options of their own, virtual hosts. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { readConfig } from "../../cli/config_file.ts";
import { configReader } from "../../cli/config_reader.ts";
import { parse } from "../../cli/parse.ts";
import { lateOptions, settingsOf } from "../../cli/settings.ts";
import { UsageError } from "../../cli/usage_error.ts";
import { runCommand, type RunningCommand, start } from "../support/command.ts";
import { raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

async function settingsIn(path: string, args: readonly string[] = []) {
  const given = parse([...args, "--config", path], {}, await configReader(["--config", path], {}));
  return settingsOf(given, null, { HOME: "/home/me" }, await lateOptions(given));
}

async function ask(
  { port }: RunningCommand,
  path: string,
  init: { method?: string; host?: string; fields?: string } = {},
) {
  const { method = "GET", host = "localhost", fields = "" } = init;
  return await raw(port, `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`);
}

const NAVIGATION = "Accept: text/html\r\n";
const UPLOAD = "Content-Length: 0\r\n";

const DOORS = [["--engine", "deno"], ["--engine", "native"], ["--protocol", "HTTP/1.0"]];

const MOUNTS = `{
  "directory": "site",
  "no-checksum": true,
  "headers": [
    { "for": "/docs/**", "set": { "X-Outer": "1", "X-Both": "outer" }, "remove": "X-Content-Type-Options" },
    { "for": "*.txt", "set": { "Cache-Control": "max-age=9" } },
  ],
  "mount": {
    "/docs": {
      "directory": "docs", "no-listing": true, "cache": "auto", "index": ["start.html"], "hidden": true,
      "headers": [{ "for": "/a.txt", "set": { "X-Own": "2", "X-Both": "own" } }],
    },
    "/docs/deep": "plain",
    "/in": { "directory": "in", "upload": true },
    "/app": { "directory": "app", "spa": true, "spa-ignore": ["/api"] },
    "/plain": "plain",
  },
}`;

const FILES = {
  "p.json": MOUNTS,
  "site/a.txt": "root",
  "docs/start.html": "<h1>Start",
  "docs/a.txt": "docs",
  "docs/.env": "shown",
  "docs/sub/b.txt": "b",
  "in/old.txt": "old",
  "app/index.html": "the app",
  "plain/a.txt": "plain",
};

for (const door of DOORS) {
  Deno.test(`mounts have options, headers and rights of their own: ${door.join(" ")}`, async () => {
    await using tree = await tempTree(FILES);
    await using command = await start(["--config", tree.at("p.json"), ...door]);
    const text = async (path: string, fields = "") => {
      const { status, text } = await ask(command, path, { fields });
      return status === 200 ? text : status;
    };
    assertEquals(await text("/?format=text"), "app/\ndocs/\nin/\nplain/\na.txt\n");
    assertEquals([await text("/docs/"), await text("/docs/sub/"), await text("/docs/.env")], [
      "<h1>Start",
      404,
      "shown",
    ]);
    assertEquals([await text("/docs"), await text("/docs/?q=a"), await text("/docs/deep/a.txt")], [
      301,
      "<h1>Start",
      "plain",
    ]);
    assertEquals([await text("/a.txt?sha256"), await text("/plain/a.txt?md5")], [404, 404]);
    // What is above a mount with options of its own shows no more of it than its name.
    assertEquals(await text("/?q=a.txt&format=text"), "a.txt\nplain/a.txt\n");
    const paths = ["/app/users/1", "/app/api/1", "/users/1"];
    assertEquals(await Promise.all(paths.map((path) => text(path, NAVIGATION))), ["the app", 404, 404]);
    for (let round = 1; round <= 2; round++) {
      const fields = (await ask(command, "/docs/a.txt")).headers;
      const names = ["x-outer", "x-own", "x-both", "x-content-type-options", "cache-control"];
      assertEquals(names.map((name) => fields.get(name)), ["1", "2", "own", null, "max-age=9"]);
    }
    const statuses = ["/in/new.txt", "/new.txt", "/docs/new.txt", "/plain/new.txt", "/app/new.txt"].map(
      async (path) => {
        return (await ask(command, path, { method: "PUT", fields: UPLOAD })).status;
      },
    );
    assertEquals(await Promise.all(statuses), [201, 405, 405, 405, 405]);
    assertEquals((await ask(command, "/in/old.txt", { method: "DELETE" })).status, 403);
    assertEquals(await text("/in/new.txt"), "");
    // One line for each request, and a name that is not this machine's can only read where nobody may write.
    await command.stop("SIGTERM");
    assertEquals(command.stderr().split('"GET /app/users/1 ').length, 2);
  });
}

Deno.test("a mount that takes uploads limits where the server listens, and under which names it is reached", async () => {
  await using tree = await tempTree(FILES);
  const settings = await settingsIn(tree.at("p.json"));
  assertEquals([settings.endpoint, settings.confinedBy], [
    { kind: "tcp", hostname: "127.0.0.1", port: 8000 },
    ["--upload"],
  ]);
  await using command = await start(["--config", tree.at("p.json"), "--bind", "0.0.0.0"]);
  assertEquals((await ask(command, "/in/", { host: "evil.example" })).status, 421);
});

Deno.test("mounts inherit what is no right; false switches off what is inherited", async () => {
  await using tree = await tempTree({
    "p.json": `{
      "hidden": true, "follow-links": true, "all": true, "max-upload": "1M", "no-precompressed": true, "watch": true, "spa": true,
      "cors": true, "mount": { "/a": { "directory": "~/a", "hidden": false, "precompressed": true, "upload": true },
      "/b": { "directory": "b.zip" } } }`,
  });
  const { mounts: [a, b] } = await settingsIn(tree.at("p.json"));
  const { server, features: { upload, watch, cgi }, policies } = a!.site!;
  assertEquals([a!.path, server.hidden, server.followLinks, server.precompressed], ["/home/me/a", false, true, true]);
  assertEquals(upload, { rights: { create: true, change: false }, onConflict: "fail", maxBytes: 1024 ** 2 });
  assertEquals([watch, cgi, server.spa, policies], [[], null, undefined, null]);
  assertEquals([b!.path, b!.site!.isDirectory, b!.site!.server.hidden], [tree.at("b.zip"), true, true]);
  assertEquals([b!.site!.features.upload, b!.site!.server.precompressed], [null, false]);
});

const HOSTS = `{
  "directory": "main",
  "hosts": {
    "a.example": "a",
    "*.b.example": { "directory": "b", "spa": true, "no-listing": true, "mount": { "/up": { "directory": "up", "upload": true } } },
  },
}`;

for (const door of DOORS) {
  Deno.test(`virtual hosts are sites of their own; unknown names get 421: ${door.join(" ")}`, async () => {
    await using tree = await tempTree({
      "p.json": HOSTS,
      "main/index.html": "main",
      "main/p.txt": "main",
      "a/index.html": "a",
      "a/p.txt": "a",
      "b/index.html": "b",
      "up/x.txt": "x",
    });
    await using command = await start(["--config", tree.at("p.json"), ...door, "--health"]);
    const text = async (host: string, path: string, method = "GET", fields = "") => {
      const { status, text } = await ask(command, path, { host, method, fields });
      return status === 200 ? text : status;
    };
    // Twice, since the second answer comes from the cache: the same path, but another site.
    for (let round = 1; round <= 2; round++) {
      assertEquals([await text("a.example", "/"), await text("A.EXAMPLE:80", "/p.txt")], ["a", "a"]);
      assertEquals([await text("www.b.example", "/"), await text("www.b.example", "/p.txt")], ["b", 404]);
      assertEquals([await text("localhost", "/"), await text("127.0.0.1", "/p.txt")], ["main", "main"]);
      assertEquals([await text("evil.example", "/"), await text("b.example", "/")], [421, 421]);
    }
    assertEquals([await text("x.b.example", "/users", "GET", NAVIGATION), await text("a.example", "/users")], [
      "b",
      404,
    ]);
    assertEquals(await text("x.b.example", "/up/new.txt", "PUT", UPLOAD), 201);
    assertEquals(await text("a.example", "/up/new.txt", "PUT", UPLOAD), 405);
    assertEquals([await text("a.example", "/up/x.txt"), await text("localhost", "/up/x.txt")], [404, 404]);
    assertEquals(await text("evil.example", "/-/health"), "ok\n");
  });
}

const BAD: readonly (readonly [text: string, reason: string])[] = [
  ['{"headers": [{"for": "/a", "sett": {}}]}', 'FILE:1:28: it has no "sett"; did you mean "set"?'],
  [
    '{"headers": [\n{"for": "/a", "set": {"X-A": "b\\r\\nc"}}]}',
    "FILE:2:23: it contains characters that are not allowed",
  ],
  ['{"headers": {"for": "*", "set": {"x y": 1}}}', "FILE:1:34: it contains characters that are not allowed"],
  ['{"headers": {"for": ["*", "*.{a,b}"], "set": {"a": 1}}}', "FILE:1:27: braces are not supported"],
  ['{"headers": {"for": "*", "set": {"a": ["b", true]}}}', "FILE:1:45: it must be text"],
  ['{"headers": {"for": "*", "set": "a: b"}}', "FILE:1:26: it must be an object"],
  ['{"headers": {"for": "*", "set": {"a": 1}, "remove": ["A"]}}', 'FILE:1:54: it both sets and removes "A"'],
  ['{"headers": {"for": "*", "set": {"a": 1, "a": 2}}}', 'FILE:1:42: "a" is given twice'],
  ['{"headers": {"for": "*", "remove": "Vary"}}', "FILE:1:26: responses need this header"],
  ['{"headers": {"set": {"a": 1}}}', 'FILE:1:13: it needs "for"'],
  ['{"headers": {"for": "*"}}', 'FILE:1:13: it needs "set" or "remove"'],
  ['{"headers": "a: b"}', 'FILE:1:13: "headers" needs RULE as an object'],
  ['{"spa-ignore": ["/api"]}', "FILE:1:2: the option --spa-ignore needs --spa"],
  [
    '{"mount": {"/a": {"directory": ".", "hiden": true}}}',
    'FILE:1:37: there is no option "hiden"; did you mean "hidden"?',
  ],
  ['{"mount": {"/a": {"directory": ".", "uploads": true}}}', 'FILE:1:37: there is no option "uploads"'],
  ['{"mount": {"/a": {"directory": ".", "port": 1}}}', 'FILE:1:37: a mount has no "port" of its own'],
  ['{"mount": {"/a": {"directory": ".", "cors": true}}}', 'FILE:1:37: a mount has no "cors" of its own'],
  ['{"mount": {"/a": {"directory": ".", "cache": "x"}}}', 'FILE:1:37: "cache" cannot be "x": it is neither'],
  ['{"mount": {"/a": {"directory": ".", "hidden": 1}}}', 'FILE:1:47: "hidden" must be true or false'],
  ['{"mount": {"/a": {"hidden": true}}}', 'FILE:1:18: "/a" needs "directory"'],
  [
    '{"mount": {"/a": {"directory": ".", "on-conflict": "rename"}}}',
    'FILE:1:37: "on-conflict" needs "upload" or "delete"',
  ],
  ['{"mount": {"/a": {"directory": ".", "precompressed": true,\n"no-precompressed": true}}}', "FILE:1:37: "],
  [
    '{"mount": {"/a": {"directory": ".", "access": "anyone:read"}}}',
    'FILE:1:2: "/a": The option --access needs --auth',
  ],
  [
    '{"mount": {"/a": {"directory": ".", "upload": true, "cgi": true}}}',
    'FILE:1:2: "/a": Cannot use --upload together',
  ],
  ['{"mount": {"/a": "x",\n"/a/": "y"}}', 'FILE:2:1: "/a" is given twice'],
  ['{"mount": {"/a=b": "x"}}', 'FILE:1:12: "/a=b" cannot contain "="'],
  ['{"mount": {"a": "x"}}', 'FILE:1:12: "a" cannot be used: it is not of the form'],
  ['{"mount": {"/a": 3}}', 'FILE:1:18: "/a" needs a directory, or an object'],
  ['{"mount": {"/a": "{\\"directory\\": \\"/\\"}"}}', "FILE:1:18: write options as an object"],
  ['{"mount": ["/a={\\"directory\\": \\"/\\"}"]}', "FILE:1:12: write options as an object"],
  ['{"hosts": {"a.example": "x"}}', "FILE:1:2: the option --hosts needs --directory"],
  ['{"directory": ".", "hosts": {"a.example:80": "x"}}', 'FILE:1:30: "a.example:80" cannot be used'],
  ['{"directory": ".", "hosts": {"localhost": "x"}}', "addresses and localhost are the main site"],
  ['{"directory": ".", "hosts": {"127.0.0.1": "x"}}', "addresses and localhost are the main site"],
  [
    '{"directory": ".", "hosts": {"a.example": {"directory": ".", "auth": "u"}}}',
    'a virtual host has no "auth" of its own',
  ],
  ['{"directory": ".", "hosts": {"a.example": "x", "A.example": "y"}}', '"a.example" is given twice'],
];

Deno.test("what cannot be used in such a configuration is one sentence, with line and column", async () => {
  for (const [text, reason] of BAD) {
    await using tree = await tempTree({ "p.json": text });
    const error = await assertRejects(() => settingsIn(tree.at("p.json")), UsageError);
    const message = error.message.replaceAll(tree.at("p.json"), "FILE");
    assertStringIncludes(message, reason, text);
    assert(!/uploads".*did you mean/.test(message) && !message.includes("\n"), message); // never a hint to allow writing
  }
});

Deno.test("on a command line, the same options are JSON", async () => {
  const given = parse(['/a={"directory": "x", "no-listing": true}', '--headers={"for": "*", "set": {"a": "b"}}']);
  const { mounts: [mount], policies } = settingsOf(given, null, {}, await lateOptions(given));
  assertEquals([mount!.path, mount!.site!.server.listing], ["x", false]);
  assertEquals(policies!.rules, [{ patterns: ["*"], fields: [["a", "b"]], below: null }]);
  const rows: [word: string, reason: string][] = [
    ['/a={"directory": "x", "hiden": true}', "Cannot use --mount /a: line 1, column 20: there is no option"],
    ['/a={"directory": "x"', 'Cannot use --mount /a: line 1, column 18: expected "," or "}"'],
    ['/a={"hidden": true}', 'Cannot use --mount /a: it needs "directory"'],
    ['--headers={"for": "*", "set": {"date": "b"}}', "set.date: pyserve sets this header itself"],
    ["--headers=x-a: b", "it is not JSON such as"],
    ["--host", "There is no option --host; did you mean --bind?"],
  ];
  for (const [word, reason] of rows) {
    const settings = async () => {
      const given = parse([word]);
      settingsOf(given, null, {}, await lateOptions(given));
    };
    assertStringIncludes((await assertRejects(settings, UsageError)).message, reason);
  }
});

Deno.test("a configuration that is merely found gives no mount a right, and no path out of here", async () => {
  await using tree = await tempTree({ "sub/a.txt": "a", ".git/x": "x" });
  const found = async (text: string, args: string[] = []) => {
    await Deno.writeTextFile(tree.at("pyserve.json"), text);
    const { code, stderr } = await runCommand(["config", ...args], { cwd: tree.path });
    assertEquals(
      code === 0 ? "" : stderr.includes("only accepted from a file that is named"),
      code === 0 ? "" : true,
      stderr,
    );
    return code;
  };
  const refused = ["upload", "delete", "cgi", "hidden", "no-sandbox", "follow-links"].map((name) => `"${name}": true`);
  for (const option of refused) {
    assertEquals(await found(`{"mount": {"/a": {"directory": "sub", ${option}}}}`), 2, option);
  }
  for (const path of ["..", "/", "~", ".git"]) {
    assertEquals(await found(`{"mount": {"/a": {"directory": "${path}"}}}`), 2, path);
  }
  assertEquals(await found('{"directory": ".", "hosts": {"a.example": "sub"}}'), 2);
  const headers = '{"headers": {"for": "*", "set": {"a": "b"}}}';
  assertEquals([await found(headers), await found(headers, ["--upload"])], [0, 2]);
  assertEquals(await found('{"mount": {"/a": {"directory": "sub", "no-listing": true, "cache": "auto"}}}'), 0);
});

Deno.test("no site takes uploads where another one runs programs", async () => {
  await using tree = await tempTree({ "site/in/a.txt": "a", "site/cgi-bin/x": "x", "other/a.txt": "a" });
  const config = (mount: object) => ({ directory: "site", cgi: true, mount });
  const run = async (text: object) => {
    await Deno.writeTextFile(tree.at("p.json"), JSON.stringify(text));
    return await runCommand(["--config", tree.at("p.json"), "-b", "127.0.0.1", "0"]);
  };
  const { code, stderr } = await run(config({ "/up": { directory: "site/in", upload: true } }));
  assertEquals(code, 1);
  assertStringIncludes(stderr, `Cannot take uploads in "${tree.at("site/in")}": another site runs programs in`);
  await Deno.symlink(tree.at("site"), tree.at("link"));
  assertEquals((await run(config({ "/up": { directory: "link/in", upload: true } }))).code, 1);
  const plain = { ...config({ "/up": { directory: "other", upload: true }, "/plain": "other" }) };
  assertEquals((await run(plain)).code, 1);
  await Deno.writeTextFile(tree.at("p.json"), JSON.stringify(config({ "/up": { directory: "other", upload: true } })));
  await using _command = await start(["--config", tree.at("p.json")]);
});

Deno.test("rules of a mount are for its paths; share links to a mount that takes uploads take them", async () => {
  await using tree = await tempTree({
    "p.json": `{
      "directory": "site", "mount": {
        "/open": { "directory": "open", "access": "anyone:read" },
        "/in": { "directory": "in", "upload": true, "hidden": true },
        "/plain": "plain",
      },
      "hosts": { "a.example": { "directory": "a", "public": true, "upload": true } },
    }`,
    "site/a.txt": "a",
    "open/a.txt": "open",
    "in/.d/a.txt": "in",
    "plain/a.txt": "plain",
    "a/b/a.txt": "host",
  });
  const state = ["--state", tree.at("state")];
  const args = ["--config", tree.at("p.json"), "--auth-env", "U", ...state, "--quiet"];
  await using command = await start(args, { env: { U: "ann:correct horse" } });
  const status = async (path: string, host = "localhost", method = "GET") => {
    return (await ask(command, path, { host, method, ...(method === "PUT" && { fields: UPLOAD }) })).status;
  };
  const ann = `Authorization: Basic ${btoa("ann:correct horse")}\r\n`;
  const page = (await ask(command, "/in/", { fields: `${ann}${NAVIGATION}` })).text;
  for (const path of ["login", "logout"]) assert((await status(`/in/.pyserve/${path}`)) !== 404, path);
  assertStringIncludes(page, 'action=".pyserve/logout"');
  assertEquals([await status("/a.txt"), await status("/open/a.txt"), await status("/in/")], [401, 200, 401]);
  assertEquals([await status("/b/a.txt", "a.example"), await status("/b/x.txt", "a.example", "PUT")], [200, 401]);
  const share = async (...words: string[]) => {
    const { code, stdout, stderr } = await runCommand(["share", ...state, ...words]);
    return code === 0 ? stdout.trim() : stderr;
  };
  const link = await share("--upload", tree.at("in/.d"));
  assert(link.startsWith("http://127.0.0.1:"), link);
  assertEquals(await status(`${new URL(link).pathname}new.txt`, "localhost", "PUT"), 201);
  assertEquals(await Deno.readTextFile(tree.at("in/.d/new.txt")), "");
  assertStringIncludes(await share("--upload", tree.at("site")), "The server accepts no uploads: start it");
  assertStringIncludes(await share("--upload", tree.at("plain")), 'the mount /plain accepts none; give it "upload"');
  const ofHost = await share("--upload", tree.at("a/b"));
  assert(ofHost.startsWith(`http://a.example:${command.port}/`), ofHost);
  assertEquals(await status(`${new URL(ofHost).pathname}new.txt`, "a.example", "PUT"), 201);
});

Deno.test("a page that an option names and that does not exist is noted at the start, and served once it does", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "app/index.html": "app" });
  const mount = `/app={"directory": ${JSON.stringify(tree.at("app"))}, "spa": "none.html"}`;
  await using command = await start([tree.at("site"), "--spa", "--not-found=404.html", "--spa-ignore", "/api", mount]);
  assertStringIncludes(command.stdout(), `--spa: there is no "${tree.at("site/index.html")}" yet`);
  assertStringIncludes(command.stdout(), `--spa: there is no "${tree.at("app/none.html")}" yet`);
  assertStringIncludes(command.stdout(), `--not-found: there is no "${tree.at("site/404.html")}" yet`);
  const status = async (path: string) => (await ask(command, path, { fields: NAVIGATION })).status;
  assertEquals(await status("/users"), 404);
  await Deno.writeTextFile(tree.at("site/index.html"), "app");
  assertEquals([await status("/users"), await status("/api/users")], [200, 404]);
  await using other = await start([tree.at("site"), "--spa"]);
  assert(!other.stdout().includes("--spa:"));
});

Deno.test("a named file is read relative to itself, also within mounts and hosts", async () => {
  await using tree = await tempTree({ "conf/p.json": HOSTS });
  const { texts } = readConfig(tree.at("conf/p.json"));
  assertEquals(texts.get("hosts")![0], `a.example=${tree.at("conf/a")}`);
  assertStringIncludes(texts.get("hosts")![1]!, `"directory":"${tree.at("conf/b")}"`);
  assertStringIncludes(texts.get("hosts")![1]!, `"/up":{"directory":"${tree.at("conf/up")}","upload":true}`);
});
