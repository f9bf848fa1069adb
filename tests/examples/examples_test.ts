/** The programs in examples/, run as their comments say, and used by real clients. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { noise } from "../support/bytes.ts";
import { missing, unless } from "../support/programs.ts";
import { ROOT } from "../support/paths.ts";
import { application } from "../support/proxy_site.ts";
import { Client, exchange } from "../support/python.ts";
import { tempTree } from "../support/tree.ts";
import { within } from "../support/wait.ts";
import { run } from "../upstream/cgi/support.ts";
import { startExample } from "./support.ts";

const HTML = { accept: "text/html" };

async function ask(url: string, init: RequestInit = {}): Promise<{ status: number; headers: Headers; text: string }> {
  const response = await fetch(url, init);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("examples/site.ts serves files, keeps notes, and ends when it has answered", async () => {
  await using server = await startExample("site");
  const url = `http://127.0.0.1:${server.port}`;
  assertStringIncludes((await ask(`${url}/`)).text, "<title>Notes</title>");
  assertStringIncludes((await ask(`${url}/nothing`, { headers: HTML })).text, "There is no such page");
  const post = (body: string, type = "application/json") => {
    return ask(`${url}/api/notes`, { method: "POST", body, headers: { "content-type": type } });
  };
  assertEquals((await post('{"text": "hello"}')).status, 201);
  assertEquals((await post('{"text": "again"}', "application/json; charset=utf-8")).status, 201);
  assertEquals((await ask(`${url}/api/notes`)).text, '["hello","again"]');
  assertEquals((await post("{}")).text, '400 Bad Request: A note is {"text": "..."}\n');
  for (const malformed of ["", "null", "[", '{"text": 1}']) {
    assertEquals((await post(malformed)).status, 400, malformed);
  }
  assertEquals((await post("text=hello", "application/x-www-form-urlencoded")).status, 415);
  assertEquals((await post(JSON.stringify({ text: "x".repeat(70_000) }))).status, 413);
  const stream = ReadableStream.from([new TextEncoder().encode("{}")]);
  const chunked = { method: "POST", body: stream, headers: { "content-type": "application/json" } };
  assertEquals((await ask(`${url}/api/notes`, chunked)).status, 411);
  const { status, headers } = await ask(`${url}/api/notes`, { method: "DELETE" });
  assertEquals([status, headers.get("allow")], [405, "GET, POST, OPTIONS"]);
  assertEquals((await ask(`${url}/api/nothing`)).status, 404);
  assertEquals(await server.stop("SIGTERM"), 0);
});

Deno.test("examples/deploy.ts is served by deno serve", async () => {
  await using server = await startExample("deploy");
  const url = `http://127.0.0.1:${server.port}`;
  const page = await ask(`${url}/about`, { headers: { "accept-encoding": "br" } });
  assertStringIncludes(page.text, "<h1>About</h1>");
  assertEquals(page.headers.get("vary"), "accept-encoding");
  assertEquals((await ask(`${url}/about.html`, { redirect: "manual" })).status, 301);
  const missing = await ask(`${url}/nothing`, { headers: HTML });
  assertEquals([missing.status, missing.text.includes("There is no such page")], [404, true]);
});

Deno.test({
  name: "examples/upload_box.ts takes files from anyone, and shows them to the owner",
  ignore: missing("curl"),
  async fn() {
    await using tree = await tempTree({ "a.txt": "from a form" });
    await using server = await startExample("upload_box", { cwd: tree.path, with: { PASSWORD: "secret" } });
    const url = `http://127.0.0.1:${server.port}`;
    const curl = (...args: string[]) => run("curl", ["-sS", ...args]);
    assertStringIncludes(await curl("-L", "-H", "accept: text/html", `${url}/drop`), "<h1>Send files</h1>");
    await curl("-L", "-f", "-F", `file=@${tree.at("a.txt")}`, `${url}/drop`);
    await curl("-L", "-f", "-F", `file=@${tree.at("a.txt")}`, `${url}/drop`);
    assertEquals(await Deno.readTextFile(tree.at("box/a.txt")), "from a form");
    assertEquals(await curl("-u", "ann:secret", `${url}/?format=text`), "a (1).txt\na.txt\n");
    assertEquals(await curl("-u", "ann:secret", `${url}/a.txt`), "from a form");
    for (const args of [[], ["-u", "ann:wrong"], ["-T", tree.at("a.txt")], ["-X", "DELETE"]]) {
      assertEquals(await curl(...args, "-o", "/dev/null", "-w", "%{http_code}", `${url}/a.txt`), "401", args.join(" "));
    }
    assertEquals(await curl("-u", "ann:secret", "-X", "DELETE", "-w", "%{http_code}", `${url}/a.txt`), "204");
  },
});

const GIT_ENV = {
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_CONFIG_GLOBAL: "/dev/null",
  GIT_TERMINAL_PROMPT: "0",
  ...{ GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.org" },
  ...{ GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@example.org" },
};

const hasGit = await Deno.stat("/usr/bin/git").then(({ isFile }) => isFile, () => false);

Deno.test({
  name: "examples/git.ts: anyone clones and fetches, the user pushes",
  ignore: unless(hasGit, "there is no /usr/bin/git"),
  async fn() {
    await using tree = await tempTree({ "repositories/": "" });
    const git = (directory: string, ...args: string[]) => run("git", args, { cwd: tree.at(directory), env: GIT_ENV });
    await git("repositories", "init", "-q", "--bare", "-b", "main", "project.git");
    await using server = await startExample("git", { cwd: tree.path, with: { PASSWORD: "secret" } });
    const repository = (user = "") => `http://${user}127.0.0.1:${server.port}/git/project.git`;
    await git("", "clone", "-q", repository(), "mine");
    await Deno.writeFile(tree.at("mine/large"), noise(65_536));
    await Deno.writeTextFile(tree.at("mine/a.txt"), "hello");
    await git("mine", "add", ".");
    await git("mine", "commit", "-qm", "first");
    for (const user of ["", "ann:wrong@", "bob:secret@"]) {
      const refused = await git("mine", "push", "-q", repository(user), "HEAD:main").then(() => "pushed", String);
      assertMatch(refused, /could not read Username|Authentication failed/, user);
    }
    await git("mine", "push", "-q", repository("ann:secret@"), "HEAD:main");
    await git("", "clone", "-q", repository(), "theirs");
    assertEquals(await Deno.readTextFile(tree.at("theirs/a.txt")), "hello");
    await Deno.writeFile(tree.at("mine/large"), noise(3_000_000)); // git sends it in chunks; kept in a file
    await git("mine", "commit", "-qam", "second");
    await git("mine", "push", "-q", repository("ann:secret@"), "HEAD:main");
    await git("theirs", "pull", "-q");
    assertEquals((await Deno.stat(tree.at("theirs/large"))).size, 3_000_000);
  },
});

Deno.test("examples/app.ts serves the app at all of its addresses, and passes the API and WebSockets on", async () => {
  await using api = application((request) => {
    if (request.headers.get("upgrade") !== "websocket") return null;
    const { socket, response } = Deno.upgradeWebSocket(request);
    socket.onmessage = ({ data }) => socket.send(`heard ${data}`);
    return response;
  });
  const files = { "dist/index.html": "<div id=app>", "dist/app-5LRS2FJV.js": "start();\n".repeat(1_000) };
  await using tree = await tempTree(files);
  await using server = await startExample("app", { cwd: tree.path, with: { "127.0.0.1:3000": new URL(api.url).host } });
  const url = `127.0.0.1:${server.port}`;
  assertEquals((await ask(`http://${url}/users/42`, { headers: HTML })).text, "<div id=app>");
  const script = await ask(`http://${url}/app-5LRS2FJV.js`, { headers: { "accept-encoding": "gzip" } });
  assertEquals(script.headers.get("cache-control"), "max-age=31536000, immutable");
  assertEquals(script.text, files["dist/app-5LRS2FJV.js"]);
  assertEquals((await ask(`http://${url}/old-5LRS2FJV.js`)).status, 404);
  const { target, method } = JSON.parse((await ask(`http://${url}/api/users?x`, { method: "PATCH", body: "{}" })).text);
  assertEquals([method, target], ["PATCH", "/api/users?x"]);
  const socket = new WebSocket(`ws://${url}/api/chat`);
  socket.onopen = () => socket.send("hello");
  const message = await within(new Promise<string>((heard) => socket.onmessage = ({ data }) => heard(data)));
  assertEquals(message, "heard hello");
  await within(
    new Promise((closed) => {
      socket.onclose = closed;
      socket.close();
    }),
  );
});

Deno.test("examples/form.ts takes a form", async () => {
  await using server = await startExample("form");
  const url = `http://127.0.0.1:${server.port}/`;
  assertStringIncludes((await ask(url)).text, `<input name="name">`);
  const post = (body: BodyInit) => ask(url, { method: "POST", body });
  assertStringIncludes((await post(new URLSearchParams({ name: "Ä <b>" }))).text, "<p>Hello, Ä &lt;b&gt;!</p>");
  assertEquals((await post("name=x")).status, 415);
  assertEquals((await post(new URLSearchParams({ name: "x".repeat(70_000) }))).status, 413);
});

Deno.test("examples/cors.ts serves files with an additional header", async () => {
  await using server = await startExample("cors");
  const url = `http://127.0.0.1:${server.port}/deno.json`;
  const { headers, text } = await ask(url);
  assertEquals(headers.get("access-control-allow-origin"), "*");
  assertEquals(text, await Deno.readTextFile(`${ROOT}deno.json`));
  const preflight = await ask(url, { method: "OPTIONS" });
  assertEquals([preflight.status, preflight.headers.get("access-control-allow-methods")], [204, "GET, HEAD, OPTIONS"]);
});

Deno.test("examples/events.ts sends events until the client leaves", async () => {
  await using server = await startExample("events");
  assertMatch(await exchange(server.port, "GET / HTTP/1.0\r\n\r\n"), /new EventSource\("\/events"\)/);
  {
    using client = await Client.connect(server.port);
    await client.say("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    assertMatch(await client.hear("\n\n"), /content-type: text\/event-stream\r\n[^]*\r\n\r\ndata: \d{4}-[^\n]+Z\n\n/i);
  }
  await server.untilStderr("Connection lost: ");
  assertEquals(server.stderr().includes("Exception"), false);
});

Deno.test("the index names each example", async () => {
  const index = await Deno.readTextFile(`${ROOT}examples/README.md`);
  for await (const { name } of Deno.readDir(`${ROOT}examples`)) {
    if (name.endsWith(".ts")) assertStringIncludes(index, `[${name}](${name})`);
  }
});
