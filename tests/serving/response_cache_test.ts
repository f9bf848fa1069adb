/** The response cache: always fresh, within its limit, and indistinguishable from no cache. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  CacheBudget,
  cgiFeature,
  derive,
  disk,
  type Feature,
  fileServer,
  type FileSource,
  type Handler,
  SitePath,
  type Target,
  toFetch,
  wrap,
} from "@x/pyserve";
import { parseTarget } from "@x/pyserve/http";
import { start } from "../support/command.ts";
import { ask, raw } from "../support/raw.ts";
import { clockAhead, nextSecond, nextTick } from "../support/clock.ts";
import { oldTree, settleTimes, tempTree } from "../support/tree.ts";

/** A source that counts calls. */
function counted(source: FileSource) {
  const calls = { stat: 0, open: 0, fresh: 0 };
  const counting: FileSource = {
    stat: (path) => (calls.stat++, source.stat(path)),
    list: (path) => source.list(path),
    open: (path, seen) => (calls.open++, source.open(path, seen)),
    freshness(path, seen) {
      const check = source.freshness!(path, seen);
      return check && (() => (calls.fresh++, check()));
    },
  };
  return { calls, source: counting };
}

/** Counts the Responses constructed during some work. */
async function responsesMade(run: () => Promise<void>): Promise<number> {
  const Original = globalThis.Response;
  let made = 0;
  globalThis.Response = class extends Original {
    constructor(...args: ConstructorParameters<typeof Original>) {
      super(...args);
      made++;
    }
  };
  try {
    await run();
  } finally {
    globalThis.Response = Original;
  }
  return made;
}

Deno.test("a hit costs one stat, and constructs no Response", async () => {
  await using tree = await oldTree({ "a.txt": "hello", "site/index.html": "index" });
  const { calls, source } = counted(disk(tree.path));
  const fetch = toFetch(fileServer(source, { log: false }));
  const ask = (target: string, headers: HeadersInit = {}) =>
    fetch(new Request(`http://localhost${target}`, { headers }));
  for (const target of ["/a.txt", "/site/"]) {
    const first = await ask(target);
    const etag = first.headers.get("etag")!;
    const body = await first.text();
    Object.assign(calls, { stat: 0, open: 0, fresh: 0 });
    const made = await responsesMade(async () => {
      for (let round = 0; round < 10; round++) {
        const again = ask(`${target}?round=${round}`);
        assert(!(again instanceof Promise), "It took its time");
        assertEquals([again.status, await again.text()], [200, body]);
        assertEquals([...again.headers], [...first.headers]);
        assertEquals((await ask(target, { "if-none-match": etag })).status, 304);
      }
    });
    assertEquals([calls, made], [{ stat: 0, open: 0, fresh: 20 }, 0]);
  }
});

Deno.test("with and without the cache, every response is the same", async () => {
  await using tree = await oldTree({ "a.txt": "0123456789", "b.svgz": "zipped", "empty": "" });
  const options = { log: false, headers: [["x-mine", "1"], ["x-content-type-options", "nosniff"]] } as const;
  const [kept, plain] = [0, 1].map((off) =>
    toFetch(fileServer(tree.path, { ...options, ...(off && { cacheSize: 0 }) }))
  );
  const etag = (await kept!(new Request("http://localhost/a.txt", { method: "HEAD" }))).headers.get("etag")!;
  const modified = (await kept!(new Request("http://localhost/a.txt", { method: "HEAD" }))).headers.get(
    "last-modified",
  )!;
  const requests: readonly [method: string, headers: HeadersInit][] = [
    ["GET", {}],
    ["HEAD", {}],
    ["GET", { "if-none-match": etag }],
    ["GET", { "if-none-match": `"x", ${etag}` }],
    ["GET", { "if-none-match": `W/${etag}` }],
    ["GET", { "if-none-match": '"x"' }],
    ["GET", { "if-none-match": '"x"', "if-modified-since": modified }],
    ["GET", { "if-modified-since": modified }],
    ["GET", { "if-modified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }],
    ["GET", { "if-match": '"x"' }],
    ["GET", { "if-match": etag }],
    ["GET", { "if-unmodified-since": "Sun, 06 Nov 1994 08:49:37 GMT" }],
    ["GET", { range: "bytes=2-4" }],
    ["GET", { range: "bytes=2-4", "if-range": '"x"' }],
    ["GET", { range: "bytes=90-" }],
    ["GET", { host: "a/b" }],
    ["GET", { "transfer-encoding": "gzip" }],
    ["POST", {}],
    ["OPTIONS", {}],
  ];
  for (const target of ["/a.txt", "/b.svgz", "/empty", "//a.txt", "/a.txt/", "/%61.txt?q", "/.%61"]) {
    for (const [method, headers] of [...requests, ...requests]) {
      const answers = await Promise.all([kept!, plain!].map(async (fetch) => {
        const response = await fetch(new Request(`http://localhost${target}`, { method, headers }));
        return { status: response.status, headers: [...response.headers], text: await response.text() };
      }));
      assertEquals(answers[0], answers[1], `${method} ${target} ${JSON.stringify(headers)}`);
    }
  }
});

Deno.test("no response is stale: after changes in place, truncation, renames, and with the time reset", async () => {
  await using tree = await tempTree({ "a.txt": "0000000" });
  const fetch = toFetch(fileServer(tree.path, { log: false }));
  const text = async () => await (await fetch(new Request("http://localhost/a.txt"))).text();
  const path = tree.at("a.txt");
  await settleTimes(path);
  {
    using _clock = clockAhead();
    for (let again = 0; again < 3; again++) assertEquals(await text(), "0000000");
  }
  const { mtime } = await Deno.stat(path);
  const changes: readonly ((text: string) => void)[] = [
    (text) => {
      using file = Deno.openSync(path, { write: true });
      file.writeSync(new TextEncoder().encode(text));
    },
    (text) => Deno.writeTextFileSync(path, text),
    (text) => {
      Deno.writeTextFileSync(path + ".new", text);
      Deno.renameSync(path + ".new", path);
    },
    (text) => {
      Deno.writeTextFileSync(path, text);
      Deno.utimeSync(path, mtime!, mtime!);
    },
  ];
  let stale = 0;
  for (let round = 1; round <= 1000; round++) {
    const content = String(round).padStart(7, "0");
    changes[round % 4]!(content);
    for (let again = 0; again < 2; again++) if (await text() !== content) stale++;
  }
  assertEquals(stale, 0);
});

Deno.test("a cached file is fresh after each kind of change, too", async () => {
  for (
    const change of [
      (path: string) => Deno.writeTextFileSync(path, "HELLO"),
      async (path: string) => {
        await nextSecond(); // only the ctime differs
        const { mtime } = Deno.statSync(path);
        Deno.writeTextFileSync(path, "HELLO");
        Deno.utimeSync(path, mtime!, mtime!);
      },
      (path: string) => {
        Deno.writeTextFileSync(path + ".new", "HELLO");
        Deno.renameSync(path + ".new", path);
      },
    ]
  ) {
    await using tree = await oldTree({ "a.txt": "hello" });
    const { calls, source } = counted(disk(tree.path));
    const fetch = toFetch(fileServer(source, { log: false }));
    const text = async () => await (await fetch(new Request("http://localhost/a.txt"))).text();
    assertEquals([await text(), await text(), calls.open], ["hello", "hello", 1]);
    await change(tree.at("a.txt"));
    assertEquals([await text(), calls.open], ["HELLO", 2]);
    await Deno.remove(tree.at("a.txt"));
    assertEquals(await text(), "404 Not Found: File not found\n");
  }
});

Deno.test("an index page is not stale when one of higher priority appears", async () => {
  await using tree = await oldTree({ "index.htm": "second", "d/index.html": "first" });
  const fetch = toFetch(fileServer(tree.path, { log: false }));
  const get = async (path: string) => await (await fetch(new Request(`http://localhost${path}`))).text();
  for (let i = 0; i < 3; i++) assertEquals([await get("/"), await get("/d/")], ["second", "first"]);
  await Deno.writeTextFile(tree.at("index.html"), "first");
  await Deno.writeTextFile(tree.at("d/index.htm"), "second");
  for (let i = 0; i < 2; i++) assertEquals([await get("/"), await get("/d/")], ["first", "first"]);
});

Deno.test({
  name: "a cached file is not sent when its directory becomes a link to outside",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await oldTree({ "root/d/a.txt": "inside", "outside/a.txt": "secret" });
    const fetch = toFetch(fileServer(tree.at("root"), { log: false }));
    const text = async () => await (await fetch(new Request("http://localhost/d/a.txt"))).text();
    assertEquals([await text(), await text()], ["inside", "inside"]);
    await Deno.rename(tree.at("root/d"), tree.at("root/old"));
    await Deno.symlink("../outside", tree.at("root/d"));
    assertEquals(await text(), "404 Not Found: File not found\n");
  },
});

Deno.test("the cache keeps to its limit, and keeps frequently used files", async () => {
  const size = 10_000;
  const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
  await using tree = await oldTree(Object.fromEntries(names.map((name) => [name, name.padEnd(size)])));
  const { calls, source } = counted(disk(tree.path));
  const fetch = toFetch(fileServer(source, { log: false, cacheSize: 5 * (size + 2048) }));
  const ask = async (name: string) => {
    const response = await fetch(new Request(`http://localhost/${name}`));
    assertEquals((await response.text()).trimEnd(), name);
  };
  await ask("f0");
  for (const name of names) {
    await ask(name);
    await ask("f0");
  }
  const before = calls.open;
  await ask("f0");
  assertEquals(calls.open, before, "f0 is requested all the time, and was evicted");
  for (const name of names.slice(1, 15)) await ask(name);
  assertEquals(calls.open, before + 14, "the cache is over its limit");
});

Deno.test("servers with one budget keep to it together, and one that is seldom asked keeps its share", async () => {
  const size = 10_000;
  const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
  await using tree = await oldTree(Object.fromEntries(names.map((name) => [name, name.padEnd(size)])));
  const cacheSize = new CacheBudget(5 * (size + 2048));
  const server = () => {
    const { calls, source } = counted(disk(tree.path));
    const fetch = toFetch(fileServer(source, { log: false, cacheSize }));
    const ask = async (name: string) => await (await fetch(new Request(`http://localhost/${name}`))).text();
    return { calls, ask };
  };
  const [large, small] = [server(), server()];
  for (const name of names) await large.ask(name);
  await small.ask("f0");
  for (const name of names) await large.ask(name);
  assertEquals(large.calls.open, 40);
  await small.ask("f0");
  assertEquals(small.calls.open, 1, "the small cache was evicted");
  for (const name of names.slice(1, 10)) await small.ask(name);
  for (const name of names.slice(15)) await large.ask(name);
  assert(large.calls.open > 40, "both caches together are over the limit");
});

Deno.test("outer layers can change the headers of a hit without changing the next", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  let count = 0;
  const stamp = (next: Handler): Handler => async (request, context) => {
    const response = await next(request, context);
    response?.headers.append("x-count", String(++count));
    return response;
  };
  const fetch = toFetch(wrap(fileServer(tree.path, { log: false }), stamp));
  for (const expected of ["1", "2", "3", "4"]) {
    const response = await fetch(new Request("http://localhost/a.txt"));
    await response.body?.cancel();
    assertEquals(response.headers.get("x-count"), expected);
  }
});

Deno.test("hits are logged like other responses", async () => {
  await using tree = await oldTree({ "a.txt": "hello" });
  for (const format of ["python", "common", "json"] as const) {
    const lines: string[] = [];
    const log = { access: (line: string) => lines.push(line), error() {} };
    const fetch = toFetch(fileServer(tree.path, { log: format }), { log });
    for (let round = 0; round < 3; round++) await (await fetch(new Request("http://localhost/a.txt"))).body?.cancel();
    const shapes = lines.map((line) => line.replace(/"time":"[^"]*"|"milliseconds":[\d.]+|\[[^\]]*\]/g, "…"));
    assertEquals([lines.length, new Set(shapes).size], [3, 1], lines.join("\n"));
  }
});

Deno.test("a target with another scheme or with userinfo is refused though its file is cached", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    toFetch(fileServer(tree.path, { log: false })),
  );
  for (let round = 0; round < 2; round++) {
    assertEquals((await ask(server.addr.port, "GET", "/a.txt")).text, "a");
    assertEquals((await ask(server.addr.port, "GET", "http://elsewhere.localhost/a.txt")).text, "a");
    for (const target of ["ftp://localhost/a.txt", "http://u@localhost/a.txt"]) {
      assertEquals((await ask(server.addr.port, "GET", target)).status, 400, target);
    }
    assertEquals(
      (await ask(server.addr.port, "GET", "http://localhost?/a.txt")).headers.get("content-type"),
      "text/html; charset=utf-8",
    );
  }
});

Deno.test("an absent name is cached until it appears", async () => {
  await using tree = await oldTree({ "d/a.txt": "a" });
  const real = disk(tree.path);
  let stats = 0;
  const source: FileSource = {
    stat: (path) => (stats++, real.stat(path)),
    list: (path) => real.list(path),
    open: (path, seen) => real.open(path, seen),
    absence: (path) => real.absence!(path),
  };
  const fetch = toFetch(fileServer(source, { log: false }));
  const ask = async (target: string, headers: HeadersInit = {}) => {
    const response = await fetch(new Request(`http://localhost${target}`, { headers }));
    return { status: response.status, headers: [...response.headers], text: await response.text() };
  };
  for (const target of ["/nope", "/d/nope", "/no/such/thing", "/d/new"]) {
    const first = await ask(target);
    assertEquals(first.status, 404);
    assertEquals(await ask(target), first);
    const before = stats;
    for (let round = 0; round < 5; round++) assertEquals(await ask(target), first);
    assertEquals(stats, before, `${target} was looked up again`);
    const html = await ask(target, { accept: "text/html" });
    assertEquals([html.status, html.text.startsWith("<!DOCTYPE html>")], [404, true]);
    assertEquals(await ask(target), first);
  }
  await Deno.writeTextFile(tree.at("d/new"), "here");
  assertEquals((await ask("/d/new")).text, "here");
  await Deno.mkdir(tree.at("no/such"), { recursive: true });
  await Deno.writeTextFile(tree.at("no/such/thing"), "there");
  assertEquals((await ask("/no/such/thing")).text, "there");
});

Deno.test("a name far below an existing directory is not cached: finding that directory would take long", async () => {
  await using tree = await oldTree({ "a.txt": "a" });
  const source = disk(tree.path);
  const below = (depth: number) => {
    let path = SitePath.root;
    while (path.segments.length < depth) path = path.child("x")!;
    return path;
  };
  assert(source.absence!(below(8)) !== null);
  assertEquals(source.absence!(below(9)), null);
  assertEquals(source.absence!(below(255)), null);
});

Deno.test({
  name: "the target of a dangling link is never cached as absent",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await oldTree({ "root/a.txt": "a", "root/sub/b.txt": "b" });
    await Deno.symlink("sub/later", tree.at("root/link"));
    const fetch = toFetch(fileServer(tree.at("root"), { log: false }));
    const text = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
    for (let round = 0; round < 4; round++) {
      assertEquals(await text("/link"), "404 Not Found: File not found\n");
      assertEquals(await text("/link/x"), "404 Not Found: File not found\n");
    }
    await Deno.mkdir(tree.at("root/sub/later"));
    await Deno.writeTextFile(tree.at("root/sub/later/x"), "x");
    assertEquals(await text("/link/x"), "x");
  },
});

Deno.test("a layer that replaces the target gets that target, though the URL is the same", async () => {
  await using tree = await oldTree({ "ada/a.txt": "ada's", "bob/a.txt": "bob's" });
  const home = (next: Handler): Handler => (request, context) => {
    const path = SitePath.root.child(request.headers.get("x-user")!)!.join(context.target.path);
    return next(request, derive(derive(context, { target: { ...context.target, path } }), { user: "carol" }));
  };
  const fetch = toFetch(wrap(fileServer(tree.path, { log: false }), home));
  const ask = async (user: string, target: string) => {
    return await (await fetch(new Request(`http://localhost${target}`, { headers: { "x-user": user } }))).text();
  };
  for (let round = 0; round < 4; round++) {
    for (const user of ["ada", "bob"]) assertEquals(await ask(user, "/a.txt"), `${user}'s`);
    assertEquals(await ask("carol", "/a.txt"), "404 Not Found: File not found\n");
  }
});

Deno.test("a response that a feature finds under another path is not cached under the requested one", async () => {
  let asked = 0;
  const elsewhere: Feature = {
    methods: ["GET"],
    handler: ({ answer }) => (request, context) => {
      if (context.target.path.text !== "/program") return null;
      const target = parseTarget(["/a.txt", "/b.txt"][asked++]!) as Target;
      return answer(new Request(`http://localhost${target.raw}`, request), derive(context, { target }));
    },
  };
  await using tree = await oldTree({ "a.txt": "a", "b.txt": "b", "program": "its source" });
  const fetch = toFetch(fileServer(tree.path, { features: [elsewhere], log: false }));
  const text = async () => await (await fetch(new Request("http://localhost/program"))).text();
  assertEquals([await text(), await text()], ["a", "b"]);
});

Deno.test("a cached response does not answer other requests: another Host, a feature's query", async () => {
  await using tree = await oldTree({ "b/a.txt": "kept" });
  // On all addresses, where any name is accepted: on loopback the name would be refused as foreign.
  await using command = await start([tree.path, "--bind", "0.0.0.0"], { clockAhead: true });
  for (let i = 0; i < 3; i++) assertEquals((await ask(command.port, "GET", "/b/a.txt")).text, "kept");
  // Deno concatenates the two: a cache that looks at the URL only would take it for the cached file.
  const pasted = await raw(command.port, "GET /a.txt HTTP/1.1\r\nHost: localhost/b\r\nConnection: close\r\n\r\n");
  assertEquals(pasted.status, 400);
  const sum = await ask(command.port, "GET", "/b/a.txt?sha256");
  assertMatch(sum.text, /^[0-9a-f]{64} {2}a\.txt\n$/);
  assertEquals((await ask(command.port, "GET", "/b/a.txt?x")).text, "kept");
});

Deno.test({
  name: "a cached index page does not hide a program that becomes the index of its directory",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await oldTree({ "index.html": "kept", "d/index.html": "kept" });
    const programs = cgiFeature({ extensions: [".cgi"], index: ["index.cgi"] });
    const fetch = toFetch(fileServer(tree.path, { features: [programs], log: false }));
    const read = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
    for (const directory of ["/", "/d/"]) {
      for (let i = 0; i < 3; i++) assertEquals(await read(directory), "kept");
      const program = tree.at(`${directory}index.cgi`);
      await Deno.writeTextFile(program, "#!/bin/sh\necho Content-Type: text/plain; echo; echo new\n", { mode: 0o755 });
      assertEquals(await read(directory), "new\n");
    }
    await programs.end!();
  },
});

Deno.test("precompressed files are cached for each set of accepted codings, until any of the siblings changes", async () => {
  const names = ["a.txt", "a.txt.gz", "old.txt", "old.txt.br"];
  await using tree = await oldTree(Object.fromEntries(names.map((name) => [name, `bytes of ${name}`])));
  await Deno.utime(tree.at("old.txt"), 2_000, 2_000);
  await Deno.utime(tree.at("old.txt.br"), 1_000, 1_000);
  const disked = disk(tree.path);
  const calls = { open: 0 };
  const source: FileSource = { ...sourceOf(disked), open: (path, seen) => (calls.open++, disked.open(path, seen)) };
  const fetch = toFetch(fileServer(source, { log: false, precompressed: true }));
  const ask = async (name: string, codings: string) => {
    const response = await fetch(new Request(`http://localhost/${name}`, { headers: { "accept-encoding": codings } }));
    return [response.headers.get("content-encoding"), response.headers.get("vary"), await response.text()];
  };
  const gzipped = ["gzip", "accept-encoding", "bytes of a.txt.gz"];
  const plain = [null, "accept-encoding", "bytes of a.txt"];
  const old = [null, "accept-encoding", "bytes of old.txt"];
  for (let round = 0; round < 3; round++) {
    assertEquals(await ask("a.txt", "gzip, br"), gzipped);
    assertEquals(await ask("a.txt", "br;q=1, gzip;q=0.9"), gzipped);
    assertEquals(await ask("a.txt", "br"), plain);
    assertEquals(await ask("a.txt", "identity"), plain);
    assertEquals(await ask("old.txt", "br"), old);
  }
  assertEquals(calls.open, 4, "one for each set of codings and file");
  await Deno.writeTextFile(tree.at("a.txt.gz"), "other bytes");
  assertEquals(await ask("a.txt", "gzip, br"), ["gzip", "accept-encoding", "other bytes"]);
  await Deno.writeTextFile(tree.at("a.txt.br"), "brotli");
  for (const codings of ["gzip, br", "br"]) {
    assertEquals(await ask("a.txt", codings), ["br", "accept-encoding", "brotli"]);
  }
  await Deno.utime(tree.at("old.txt.br"), 3_000, 3_000);
  assertEquals(await ask("old.txt", "br"), ["br", "accept-encoding", "bytes of old.txt.br"]);
  await nextTick();
  await Deno.writeTextFile(tree.at("a.txt"), "new"); // and newer than its sibling
  assertEquals(await ask("a.txt", "gzip"), [null, "accept-encoding", "new"]);
});

/** The functions of a source as fields, so that one can be replaced. */
function sourceOf(source: FileSource): FileSource {
  return {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open: (path, seen) => source.open(path, seen),
    freshness: (path, seen) => source.freshness!(path, seen),
    absence: (path) => source.absence!(path),
  };
}

Deno.test("listings and absent names are cached separately for each Accept", async () => {
  await using tree = await oldTree({ "d/a.txt": "a" });
  const fetch = toFetch(fileServer(tree.path, { log: false }));
  const ask = (target: string, accept: string) =>
    fetch(new Request(`http://localhost${target}`, { headers: { accept } }));
  const accepts = ["text/html", "application/json", "text/plain"];
  for (const target of ["/d/", "/nothing"]) {
    for (let round = 0; round < 3; round++) {
      for (const accept of accepts) await (await ask(target, accept)).text();
    }
    for (const accept of accepts) {
      const hit = ask(target, accept);
      assert(!(hit instanceof Promise), `${target} for ${accept} is not kept`);
      assertMatch(hit.headers.get("content-type")!, new RegExp(accept.replace("application/json", "json")));
      await hit.text();
    }
  }
});

Deno.test("what is kept does not answer a request that is refused: its Host, its length, its header's size", async () => {
  await using tree = await oldTree({ "a.txt": "kept" });
  const site = fileServer(tree.path, { log: false });
  const [one, other] = [toFetch(site, { hosts: ["one.example"] }), toFetch(site, { hosts: ["other.example"] })];
  const status = async (fetch: typeof one, host: string, headers: Record<string, string> = {}, query = "") => {
    const response = await fetch(new Request(`http://${host}/a.txt${query}`, { headers: { host, ...headers } }));
    await response.body?.cancel();
    return response.status;
  };
  for (let round = 0; round < 3; round++) {
    assertEquals(await status(one, "one.example"), 200);
    assertEquals(await status(other, "one.example"), 421); // the cache is shared, the names are not
    assertEquals(await status(other, "other.example"), 200);
    assertEquals(await status(one, "other.example"), 421);
    assertEquals(await status(one, "one.example", { cookie: "x".repeat(40_000) }), 431);
    assertEquals(await status(one, "one.example", {}, `?${"x".repeat(70_000)}`), 414);
    assertEquals(await status(one, "one.example", { host: "a b" }), 400);
  }
});
