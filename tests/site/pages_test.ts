/** Which page answers which address: clean URLs, trailing slashes, single-page apps, pages for what is not found. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  checksums,
  type Context,
  derive,
  fileServer,
  type FileServerOptions,
  type FileSource,
  type Layer,
  memory,
  searches,
  serve,
  toFetch,
  uploadFeatures,
} from "@x/pyserve";
import { compress } from "@x/pyserve/layers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { certificate } from "../doors/doors.ts";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { oldTree } from "../support/tree.ts";

const HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const FILES = {
  "index.html": "home",
  "about.html": "about",
  "404.html": "nothing in the root",
  "data.json": "{}",
  "LICENSE": "license",
  "a b.html": "blank",
  "docs/index.html": "docs",
  "docs/404.html": "nothing in docs",
  "docs/guide.html": "guide",
  "docs/deep/a.txt": "a",
  "both.html": "page of both",
  "both/index.html": "index of both",
  "plain": "file without extension",
  "plain.html": "page of plain",
  "team.html": "team",
  "team/x.txt": "x",
  "list/y.txt": "y",
  "app/shell.html": "shell",
  ".hidden.html": "hidden",
};

/** A request, and what answers: a status, and a location or the beginning of the body. */
interface Row {
  readonly ask: string;
  readonly method?: string;
  readonly accept?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly is: readonly [status: number, text?: string];
}

const row = (ask: string, ...is: Row["is"]): Row => ({ ask, is });
const accepting = (accept: string, ask: string, ...is: Row["is"]): Row => ({ ask, accept, is });

/** What holds for all settings. */
const ALWAYS: readonly Row[] = [
  row("/", 200, "home"),
  row("/data.json", 200, "{}"),
  row("/LICENSE", 200, "license"),
  row("/LICENSE.html", 404),
  row("/list", 301, "list/"),
  row("/.hidden", 404),
  row("/.hidden.html", 404),
  row("/missing.js", 404, "nothing in the root"),
  row("/docs/deep/missing.css", 404, "nothing in docs"),
  accepting("application/json", "/missing.js", 404, '{"status":404'),
  accepting("*/*", "/missing.js", 404, "404 Not Found: File not found"),
  { ask: "/missing.js", method: "HEAD", is: [404, ""] },
  { ask: "/missing.js", headers: { range: "bytes=0-3", "if-none-match": "*" }, is: [404, "nothing in the root"] },
  { ask: "/missing.js", method: "POST", is: [405] },
];

/** As `files` does without any of the options. */
const USUAL: readonly Row[] = [
  row("/about", 404, "nothing in the root"),
  row("/about.html", 200, "about"),
  row("/docs", 301, "docs/"),
  row("/docs/", 200, "docs"),
  row("/docs/index.html", 200, "docs"),
  row("/docs/guide", 404, "nothing in docs"),
  row("/LICENSE/", 404),
];

const CLEAN: readonly Row[] = [
  row("/about", 200, "about"),
  row("/about?x=1", 200, "about"),
  { ask: "/about", method: "HEAD", is: [200, ""] },
  { ask: "/about", headers: { range: "bytes=0-1" }, is: [206, "ab"] },
  row("/about.html", 301, "about"),
  row("/about.html?x=1", 301, "about?x=1"),
  row("/about.htm", 404),
  row("/index.html", 301, "./"),
  row("/index", 301, "./"),
  row("/docs/index.html?x", 301, "./?x"),
  row("/docs/guide", 200, "guide"),
  row("/docs//guide", 200, "guide"),
  row("/docs/guide.html", 301, "guide"),
  row("/a%20b", 200, "blank"),
  row("/a%20b.html", 301, "a%20b"),
  row("/plain", 200, "file without extension"),
  row("/plain.html", 200, "page of plain"), // its shorter URL is that of another file
  row("/data", 404), // only pages have two URLs
  row("/nothing.html", 404, "nothing in the root"),
  row("/docs/nothing", 404, "nothing in docs"),
  { ask: "/about", method: "POST", is: [405] },
];

const SPA: readonly Row[] = [
  row("/users/42", 200, "home"),
  row("/users/", 200, "home"),
  row("/v1.2/users", 200, "home"),
  row("/users?file=a.js", 200, "home"),
  { ask: "/users/42", method: "HEAD", is: [200, ""] },
  { ask: "/users/42", method: "POST", is: [405] },
  row("/assets/missing.js", 404, "nothing in the root"),
  row("/users/jo.doe", 404),
  row("/.well-known/thing", 404),
  row("/.git/config", 404),
  accepting("text/html;q=0, */*", "/users/42", 404),
  accepting("*/*", "/users/42", 404),
  accepting("image/avif,image/webp,*/*;q=0.8", "/users/42", 404),
  accepting("application/json", "/users/42", 404, '{"status":404'),
  accepting("application/json, text/html;q=0.5", "/users/42", 200, "home"),
  accepting("Text/HTML", "/users/42", 200, "home"),
];

/** Settings, and what holds with them. */
const SETTINGS: readonly { args: string[]; options: FileServerOptions; rows: readonly Row[] }[] = [
  { args: [], options: {}, rows: [...ALWAYS, ...USUAL] },
  {
    args: ["--clean-urls"],
    options: { cleanUrls: true },
    rows: [
      ...ALWAYS,
      ...CLEAN,
      row("/about/", 301, "../about"),
      row("/docs", 301, "docs/"),
      row("/docs/", 200, "docs"),
      row("/both", 200, "page of both"),
      row("/both/", 200, "index of both"),
      row("/both.html", 301, "both"),
      row("/both/index.html", 301, "./"),
      row("/team", 200, "team"),
      row("/team/", 301, "../team"),
      row("/team/x.txt", 200, "x"),
      row("/list/", 200, "<!DOCTYPE"),
      row("/LICENSE/", 404),
    ],
  },
  {
    args: ["--clean-urls", "--trailing-slash", "always"],
    options: { cleanUrls: true, trailingSlash: "always" },
    rows: [
      ...ALWAYS,
      row("/about", 301, "about/"),
      row("/about/", 200, "about"),
      row("/about.html?x", 301, "about/?x"),
      row("/docs", 301, "docs/"),
      row("/docs/", 200, "docs"),
      row("/docs/guide", 301, "guide/"),
      row("/docs/guide/", 200, "guide"),
      row("/both/", 200, "index of both"),
      row("/both.html", 200, "page of both"),
      row("/team", 301, "team/"),
      row("/team/", 200, "team"),
      row("/data.json/", 404),
      row("/nothing", 404),
    ],
  },
  {
    args: ["--clean-urls", "--trailing-slash=never"],
    options: { cleanUrls: true, trailingSlash: "never" },
    rows: [
      ...ALWAYS,
      ...CLEAN.filter(({ ask }) => !ask.startsWith("/docs/index")),
      row("/about/", 301, "../about"),
      row("/docs/", 301, "../docs"),
      row("/docs", 200, "docs"),
      row("/docs/index.html?x", 301, "../docs?x"),
      row("/both", 200, "page of both"),
      row("/both/", 301, "../both"),
      row("/team/", 301, "../team"),
      row("/list/", 200, "<!DOCTYPE"),
      row("/LICENSE/", 301, "../LICENSE"),
    ],
  },
  {
    args: ["--trailing-slash", "never"],
    options: { trailingSlash: "never" },
    rows: [
      ...ALWAYS,
      row("/about.html", 200, "about"),
      row("/about.html/", 301, "../about.html"),
      row("/about", 404),
      row("/docs/", 301, "../docs"),
      row("/docs", 200, "docs"),
      row("/docs/index.html", 200, "docs"),
    ],
  },
  { args: ["--spa"], options: { spa: true }, rows: [...ALWAYS, ...SPA, row("/about", 200, "home")] },
  {
    args: ["--spa=app/shell.html", "--no-listing"],
    options: { spa: "/app/shell.html", listing: false },
    rows: [...ALWAYS, row("/users/42", 200, "shell"), row("/app/x", 200, "shell"), row("/list/", 200, "shell")],
  },
  {
    args: ["--spa", "--clean-urls", "--not-found", "docs/404.html"],
    options: { spa: true, cleanUrls: true, notFound: "/docs/404.html" },
    rows: [
      ...CLEAN.filter(({ is: [status] }) => status < 400),
      row("/users", 200, "home"),
      row("/x.js", 404, "nothing in docs"),
    ],
  },
  {
    args: ["--spa=missing.html", "--not-found=missing.html"],
    options: { spa: "/missing.html", notFound: "/missing.html" },
    rows: [row("/users/42", 404, "<!DOCTYPE"), row("/x.js", 404, "<!DOCTYPE")],
  },
];

type Ask = (target: string, init: RequestInit) => Promise<Response>;
type Open = (root: string, setting: typeof SETTINGS[number]) => Promise<AsyncDisposable & { ask: Ask }>;

const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

function overHttp(base: string, client: Deno.HttpClient, close: () => Promise<unknown>): Awaited<ReturnType<Open>> {
  return {
    ask: (target, init) => fetch(`${base}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await close();
    },
  };
}

const DOORS: Readonly<Record<string, Open>> = {
  "the library": (root, { options }) => {
    const fetch = toFetch(fileServer(root, { ...options, log: false }));
    return Promise.resolve({
      ask: async (target, init) => await fetch(new Request(`http://localhost${target}`, init)),
      async [Symbol.asyncDispose]() {},
    });
  },
  "the command": async (root, { args }) => {
    const command = await start([root, "--quiet", ...args], { clockAhead: true });
    return overHttp(`http://127.0.0.1:${command.port}`, Deno.createHttpClient({}), () => command.stop());
  },
  "the engine of -p HTTP/1.0": (root, { options }) => {
    const server = serveClassic(toFetch(fileServer(root, { ...options, log: false })), LOOPBACK);
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
    return Promise.resolve(overHttp(`http://127.0.0.1:${server.address.port}`, client, () => server.abort()));
  },
  "HTTP/2": async (root, { options }) => {
    const { cert, key } = await certificate();
    const server = serve(toFetch(fileServer(root, { ...options, log: false })), { ...LOOPBACK, tls: { cert, key } });
    const client = Deno.createHttpClient({ caCerts: [cert], http1: false, http2: true });
    return overHttp(`https://localhost:${server.address.port}`, client, () => server.abort());
  },
};

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test({
    name: `pages have the addresses that the options say, through ${name}`,
    ignore: name === "HTTP/2" && missing("openssl"),
    fn: async (t) => {
      await using tree = await oldTree(FILES);
      for (const setting of SETTINGS) {
        await t.step(setting.args.join(" ") || "no options", async () => {
          await using door = await open(tree.path, setting);
          const wrong: unknown[] = [];
          for (const row of [...setting.rows, ...setting.rows]) wrong.push(...await difference(row, door.ask));
          assertEquals(wrong, []);
        });
      }
    },
  });
}

async function difference({ ask, method = "GET", accept = HTML, headers, is }: Row, door: Ask): Promise<unknown[]> {
  const response = await door(ask, { method, headers: { accept, ...headers } });
  const body = await response.text();
  const [status, text] = is;
  const shown = status >= 300 && status < 400 ? response.headers.get("location") : body;
  const isSame = text === undefined ||
    (status < 400 && text !== "<!DOCTYPE" ? shown === text : shown?.startsWith(text));
  const isEmpty = method !== "HEAD" || body === "";
  if (response.status === status && isSame && isEmpty) return [];
  return [{ ask, method, accept, is, actual: [response.status, shown?.slice(0, 80)] }];
}

/** Asks a library server; returns the response with its text. */
function asker(root: string, options: FileServerOptions) {
  const fetch = toFetch(fileServer(root, { log: false, ...options }));
  return async (target: string, headers: Record<string, string> = { accept: HTML }) => {
    const response = await fetch(new Request(`http://localhost${target}`, { headers }));
    return { status: response.status, headers: response.headers, text: await response.text() };
  };
}

Deno.test("a deep link has the validators of the page, varies by Accept, and can be revalidated", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path, { spa: true, precompressed: true });
  const home = await ask("/");
  const deep = await ask("/users/42");
  assertEquals(deep.headers.get("etag"), home.headers.get("etag"));
  assertMatch(deep.headers.get("vary")!, /accept-encoding/);
  assertMatch(deep.headers.get("vary")!, /accept(?!-)/);
  assertEquals(deep.headers.get("cache-control"), "no-cache");
  const again = await ask("/users/42", { accept: HTML, "if-none-match": deep.headers.get("etag")! });
  assertEquals(again.status, 304);
  assertMatch(again.headers.get("vary")!, /accept(?!-)/);
});

Deno.test("a page for what is not found has no validators and no ranges, and varies by Accept", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path, { headers: [["x-site", "mine"]] });
  for (let round = 0; round < 3; round++) {
    const { status, headers, text } = await ask("/x.js", {
      accept: HTML,
      "if-modified-since": new Date().toUTCString(),
    });
    assertEquals([status, text], [404, FILES["404.html"]]);
    for (const name of ["etag", "last-modified", "accept-ranges"]) assertEquals(headers.get(name), null, name);
    assertEquals(headers.get("vary"), "accept-encoding, accept");
    assertEquals(headers.get("cache-control"), "no-cache");
    assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
    assertEquals(headers.get("x-site"), "mine");
  }
});

Deno.test("what is cached follows the files: pages, fallbacks and pages for what is not found come and go", async () => {
  await using tree = await oldTree({ "index.html": "home", "docs/a.txt": "a" });
  const ask = asker(tree.path, { spa: true, cleanUrls: true });
  const now = async (target: string, accept = HTML) => {
    const { status, text } = await ask(target, { accept });
    return [status, status === 404 && text.startsWith("<!DOCTYPE") ? "built-in" : text];
  };
  const settled = async (target: string, accept: string, ...expected: unknown[]) => {
    for (let round = 0; round < 3; round++) assertEquals(await now(target, accept), expected, `${target} ${round}`);
  };
  await settled("/docs/x.js", HTML, 404, "built-in");
  await Deno.writeTextFile(tree.at("404.html"), "none");
  await settled("/docs/x.js", HTML, 404, "none");
  await Deno.writeTextFile(tree.at("docs/404.html"), "none here");
  await settled("/docs/x.js", HTML, 404, "none here");
  await Deno.remove(tree.at("docs/404.html"));
  await settled("/docs/x.js", HTML, 404, "none");

  await settled("/about", HTML, 200, "home");
  const plain = "404 Not Found: File not found\n";
  await settled("/about", "*/*", 404, plain);
  await Deno.writeTextFile(tree.at("about.html"), "about");
  await settled("/about", HTML, 200, "about");
  await settled("/about", "*/*", 200, "about");
  await Deno.writeTextFile(tree.at("about"), "a file");
  await settled("/about", "*/*", 200, "a file");
  await Deno.remove(tree.at("about"));
  await Deno.remove(tree.at("about.html"));
  await settled("/about", "*/*", 404, plain);
  await Deno.remove(tree.at("index.html"));
  await settled("/about", HTML, 404, "none");
  await Deno.writeTextFile(tree.at("index.html"), "home again");
  await settled("/about", HTML, 200, "home again");
});

Deno.test("a listing is not cached where a page may come to take its place", async () => {
  await using tree = await oldTree({ "docs/a.txt": "a" });
  const ask = asker(tree.path, { cleanUrls: true });
  for (let round = 0; round < 3; round++) assertMatch((await ask("/docs/")).text, /a\.txt/);
  await Deno.writeTextFile(tree.at("docs.html"), "docs");
  assertEquals((await ask("/docs/")).headers.get("location"), "../docs");
});

Deno.test("a 404 is not cached while an app has no page", async () => {
  await using tree = await oldTree({ "docs/a.txt": "a" });
  const ask = asker(tree.path, { spa: true, notFound: false });
  for (let round = 0; round < 3; round++) assertEquals((await ask("/docs/x/y")).status, 404);
  await Deno.writeTextFile(tree.at("index.html"), "home");
  assertEquals((await ask("/docs/x/y")).text, "home");
});

Deno.test("a redirect leads to the same site, whatever slashes and dots are in the request", async () => {
  await using tree = await oldTree({
    ...FILES,
    "evil.example/index.html": "a directory",
    "evil.example/about.html": "x",
  });
  const targets = [
    ...[
      "//about.html",
      "///docs/index.html",
      "//evil.example/index.html",
      "//evil.example/about.html",
      "/docs//guide.html",
    ],
    ...[
      "/%2e%2e/about.html",
      "/docs/../about.html",
      "/docs/%2e%2e/about.html",
      "/./about.html",
      "/about//",
      "//docs//",
    ],
    ...[
      "/docs/..%5cabout.html",
      "/\\evil.example/about.html",
      "/%5cevil.example/about.html",
      "/%2fevil.example/about.html",
    ],
    ...["//evil.example", "//evil.example/", "/evil.example/about/", "//evil.example//about//"],
  ];
  for (const trailingSlash of ["auto", "always", "never"] as const) {
    const ask = asker(tree.path, { cleanUrls: true, trailingSlash });
    let followed = 0;
    for (const target of targets) {
      const location = (await ask(target)).headers.get("location");
      if (location === null) continue;
      assert(!/^(?:[/\\]{2}|[a-z]+:)/i.test(location), `${target} leads to ${location}`);
      const url = new URL(location, new URL(`http://localhost${target}`));
      assertEquals(url.host, new URL(`http://localhost${target}`).host, target);
      const end = await ask(url.href.slice(url.origin.length));
      assertEquals([end.status, end.headers.get("location")], [200, null], `${target} leads to ${location}`);
      followed++;
    }
    assert(followed >= 10, `${followed} redirects`);
  }
});

Deno.test("a page for what is not found is sent in the coding that the client accepts", async () => {
  const page = "nothing here ".repeat(200);
  const gzipped = new Blob([page]).stream().pipeThrough(new CompressionStream("gzip"));
  await using tree = await oldTree({ "404.html": page, "404.html.gz": await new Response(gzipped).bytes() });
  const settings: FileServerOptions[] = [{ precompressed: true }, { layers: [compress({ codings: ["gzip"] })] }];
  for (const options of settings) {
    const fetch = toFetch(fileServer(tree.path, { ...options, log: false }));
    for (const coding of ["gzip", "identity", "gzip"]) {
      const headers = { accept: HTML, "accept-encoding": coding };
      const response = await fetch(new Request("http://localhost/x.js", { headers }));
      const isCoded = coding === "gzip";
      assertEquals([response.status, response.headers.has("content-encoding")], [404, isCoded]);
      assertEquals(response.headers.get("vary"), "accept-encoding, accept");
      const body = isCoded ? response.body!.pipeThrough(new DecompressionStream("gzip")) : response.body;
      assertEquals(await new Response(body).text(), page);
    }
  }
});

Deno.test("where the page for what is not found cannot be read, the built-in one is sent, and the log tells", async () => {
  const source = memory({ "404.html": "nothing" });
  const broken: FileSource = {
    ...source,
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open() {
      throw new Error("disk on fire");
    },
  };
  const errors: string[] = [];
  const log = { access() {}, error: (message: string) => void errors.push(message) };
  const fetch = toFetch(fileServer(broken, { log: false }), { log });
  const response = await fetch(new Request("http://localhost/x", { headers: { accept: HTML } }));
  assertEquals([response.status, (await response.text()).slice(0, 9)], [404, "<!DOCTYPE"]);
  assertEquals(errors, ["Cannot send the page for status 404 at /x"]);
});

Deno.test("users who must log in are asked to, at addresses that an app would have", async () => {
  await using tree = await oldTree({ ...FILES, "private/a.html": "a" });
  await using state = await oldTree({});
  const rules = ["--access", "anyone:read", "--access", "users:read@/private"];
  const args = [tree.path, "--quiet", "--auth-env", "U", "--state", state.path, ...rules, "--spa", "--clean-urls"];
  await using command = await start(args, { clockAhead: true, env: { U: "ann:secret" } });
  const ask = async (target: string, headers: Record<string, string> = {}) => {
    const url = `http://127.0.0.1:${command.port}${target}`;
    const response = await fetch(url, { headers: { accept: HTML, ...headers }, redirect: "manual" });
    return [response.status, await response.text()];
  };
  for (let round = 0; round < 3; round++) {
    assertEquals(await ask("/public/x"), [200, "home"]);
    for (const name of ["a", "a.html", "x", "x.js", ""]) assertEquals((await ask(`/private/${name}`))[0], 401, name);
    const user = { authorization: `Basic ${btoa("ann:secret")}` };
    assertEquals(await ask("/private/a", user), [200, "a"]);
    assertEquals(await ask("/private/x", user), [200, "home"]);
    assertEquals(await ask("/private/x.js", user), [404, "nothing in the root"]);
  }
});

Deno.test("a page answers its own queries; a file has its checksum by its own name", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path, { cleanUrls: true, features: [searches(), checksums()] });
  assertEquals((await ask("/about?q=x")).text, "about");
  assertEquals((await ask("/team?q=x")).text, "team"); // there is a directory of this name, too
  assertEquals((await ask("/team/?q=x")).headers.get("location"), "../team?q=x");
  assertMatch((await ask("/list/?q=y&format=text")).text, /^y\.txt/);
  assertMatch((await ask("/about.html?md5")).text, /^[0-9a-f]{32} {2}about\.html/);
});

Deno.test("nothing is revealed to those who may not read it", async () => {
  const secret = ["private/index.html", "private/a.html", "private/404.html", "private/x.txt"];
  const files = { ...FILES, ...Object.fromEntries(secret.map((name) => [name, `secret ${name}`])) };
  await using tree = await oldTree(files);
  const layer: Layer = (next) => (request, context) => {
    if (!request.headers.has("x-guest")) return next(request, context);
    const may: Context["may"] = (_right, path) => path.segments[0] !== "private" && path.name !== "shell.html";
    return next(request, derive(context, { may, view: "guest" }));
  };
  for (const spa of [false, true, "/app/shell.html"]) {
    for (const trailingSlash of ["auto", "always", "never"] as const) {
      const ask = asker(tree.path, { spa, cleanUrls: true, trailingSlash, layers: [layer] });
      for (const name of ["a", "a/", "a.html", "index.html", "", "index", "x.txt", "x.txt/", "404", "404.html"]) {
        for (const there of ["private", "privat"]) { // of the second there is nothing at all
          await ask(`/${there}/${name}`); // for all rights, it is cached
          for (let round = 0; round < 3; round++) {
            const { status, headers, text } = await ask(`/${there}/${name}`, { accept: HTML, "x-guest": "" });
            const isApp = there === "privat" && spa === true && !name.includes(".");
            const seen = [status, headers.get("location"), headers.get("etag") !== null, text];
            const expected = isApp ? [200, null, true, "home"] : [404, null, false, "nothing in the root"];
            assertEquals(seen, expected, `/${there}/${name} ${spa} ${trailingSlash}`);
          }
        }
      }
    }
  }
});

Deno.test("pages that uploads may have written are sandboxed wherever they answer", async () => {
  await using tree = await oldTree(FILES);
  const ask = asker(tree.path, {
    spa: true,
    cleanUrls: true,
    features: uploadFeatures({ rights: { create: true, change: false } }),
  });
  for (const target of ["/users/42", "/about", "/x.js"]) {
    assertMatch((await ask(target)).headers.get("content-security-policy") ?? "", /^sandbox /, target);
  }
});

Deno.test("mistakes in the options are errors", () => {
  for (const options of [{ spa: "" }, { notFound: "/" }, { notFound: "/a/../b" }] as FileServerOptions[]) {
    let thrown: unknown;
    try {
      fileServer(".", options);
    } catch (error) {
      thrown = error;
    }
    assert(thrown instanceof TypeError && /is not the path of a file/.test(thrown.message), JSON.stringify(options));
  }
});
