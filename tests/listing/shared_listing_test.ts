/** Listings that are shared and cached: how often a directory is read, and that no response is older than its request. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  chain,
  disk,
  fileServer,
  type FileSource,
  filtered,
  headers,
  listing,
  memory,
  mount,
  toFetch,
  wrap,
} from "@x/pyserve";
import type { ListingOptions } from "@x/pyserve/handlers";
import { clockAhead, nextTick } from "../support/clock.ts";
import { tempTree } from "../support/tree.ts";

/** A source that counts how often its directories are read, and how often at the same time. */
function counted(source: FileSource) {
  const counts = { lists: 0, running: 0, most: 0 };
  const slices = async function* (found: Awaited<ReturnType<FileSource["list"]>>) {
    try {
      yield* found!;
    } finally {
      counts.running -= 1;
    }
  };
  const counting: FileSource = {
    stat: (path) => source.stat(path),
    async list(path) {
      counts.lists += 1;
      counts.most = Math.max(counts.most, ++counts.running);
      await new Promise((resolve) => setImmediate(resolve));
      return slices(await source.list(path));
    },
    open: (path, seen) => source.open(path, seen),
    ...(source.freshness && { freshness: (path, seen) => source.freshness!(path, seen) }),
  };
  return { counts, source: counting };
}

/** A clock that only the test advances, so that the age of cached pages does not depend on the machine. */
function stoppedClock() {
  const { now } = performance;
  const clock = { milliseconds: 1_000, [Symbol.dispose]: () => void (performance.now = now) };
  performance.now = () => clock.milliseconds;
  return clock;
}

function asking(source: FileSource, options?: ListingOptions) {
  const fetch = toFetch(listing(source, options));
  return (target: string, init?: RequestInit) => Promise.resolve(fetch(new Request(`http://localhost${target}`, init)));
}

const SITE = { "a/1": "1", "b/2": "22", "c/3": "333" };

Deno.test("a directory is read once for concurrent requests", async () => {
  using _clock = stoppedClock();
  const { counts, source } = counted(memory(SITE));
  const ask = asking(source);
  const texts = await Promise.all(Array.from({ length: 50 }, async () => await (await ask("/")).text()));
  assertEquals([counts.lists, new Set(texts).size], [1, 1]);
  assertStringIncludes(texts[0]!, '<a href="a/">');
});

Deno.test("an unchanged directory is not read again until sizes and dates may be outdated", async () => {
  for (const kind of ["memory", "disk"]) {
    await using tree = await tempTree(SITE);
    using _ahead = clockAhead();
    using clock = stoppedClock();
    const { counts, source } = counted(kind === "disk" ? disk(tree.path) : memory(SITE));
    const ask = asking(source);
    for (let i = 0; i < 10; i++) await (await ask("/")).text();
    assertEquals(counts.lists, 1, kind);
    for (const target of ["/?format=json", "/?format=text", "/?sort=size", "/?order=desc"]) {
      for (let i = 0; i < 3; i++) await (await ask(target)).text();
    }
    assertEquals(counts.lists, 5, kind);
    await (await ask("/?other=1&sort=size")).text();
    assertEquals(counts.lists, 5, kind);
    clock.milliseconds += 99;
    await (await ask("/")).text();
    assertEquals(counts.lists, 5, kind);
    clock.milliseconds += 1;
    await (await ask("/")).text();
    assertEquals(counts.lists, 6, kind);
  }
});

Deno.test("two directories are read at a time", async () => {
  const files = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`d${i}/a`, "a"]));
  const { counts, source } = counted(memory(files));
  const ask = asking(source);
  const responses = await Promise.all(Object.keys(files).map((name) => ask(`/${name.slice(0, -1)}`)));
  for (const response of responses) assertStringIncludes(await response.text(), '<a href="a">');
  assertEquals([counts.lists, counts.most, counts.running], [20, 2, 0]);
});

Deno.test("the cache has a limit, and evicts the least recently used page", async () => {
  using _clock = stoppedClock();
  const { counts, source } = counted(memory(SITE));
  const size = (await (await asking(memory(SITE))("/a/")).bytes()).length;
  const ask = asking(source, { cacheBytes: Math.floor(2.5 * size) });
  const readFor = async (target: string) => {
    const before = counts.lists;
    await (await ask(target)).text();
    return counts.lists - before;
  };
  assertEquals([await readFor("/a/"), await readFor("/b/"), await readFor("/a/")], [1, 1, 0]);
  assertEquals(await readFor("/c/"), 1);
  assertEquals([await readFor("/a/"), await readFor("/b/")], [0, 1]);
  const keepNothing = asking(source, { cacheBytes: 0 });
  const before = counts.lists;
  for (let i = 0; i < 3; i++) await (await keepNothing("/")).text();
  assertEquals(counts.lists - before, 3);
});

Deno.test("a cached page is answered like a new one: conditions, HEAD, and headers of layers", async () => {
  using _clock = stoppedClock();
  const ask = asking(memory(SITE));
  const cold = await ask("/");
  const hot = await ask("/");
  assertEquals([...hot.headers], [...cold.headers]);
  assertEquals(hot.headers.get("content-length"), String((await hot.bytes()).length));
  await cold.body?.cancel();
  const etag = cold.headers.get("etag")!;
  const head = await ask("/", { method: "HEAD" });
  assertEquals([head.status, head.body, [...head.headers].join()], [200, null, [...cold.headers].join()]);
  const rows = [
    [{ "if-none-match": etag }, 304],
    [{ "if-none-match": `"x", ${etag}` }, 304],
    [{ "if-none-match": "*" }, 304],
    [{ "if-none-match": '"x"' }, 200],
    [{ "if-match": "*" }, 200],
    [{ "if-match": etag }, 412], // a weak tag matches nothing strongly
    [{ "if-match": '"x"', "if-none-match": etag }, 412],
    [{ "if-modified-since": new Date(2 ** 41).toUTCString() }, 200],
    [{ range: "bytes=0-3" }, 200],
  ] as const;
  for (const [fields, status] of rows) {
    const response = await ask("/", { headers: fields });
    await response.body?.cancel();
    assertEquals(response.status, status, JSON.stringify(fields));
    if (status === 304) {
      assertEquals([...response.headers.keys()], [
        "cache-control",
        "content-security-policy",
        "etag",
        "referrer-policy",
        "vary",
      ]);
    }
  }
  let round = 0;
  const numbered = toFetch(wrap(listing(memory(SITE)), (next) => async (request, context) => {
    const response = await next(request, context);
    response?.headers.append("x-round", String(round++));
    return response;
  }, headers([["vary", "*"]])));
  for (const expected of ["0", "1", "2"]) {
    const response = await numbered(new Request("http://localhost/"));
    await response.body?.cancel();
    assertEquals([response.headers.get("x-round"), response.headers.get("vary")], [expected, "*"]);
  }
});

Deno.test("a name created, renamed or removed just before the request is seen at once", async () => {
  await using tree = await tempTree(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`dir/old ${i}`, ""])));
  const source = filtered(disk(tree.path), () => true);
  const fetch = toFetch(fileServer(source, { log: false }));
  const names = async () => {
    const response = await fetch(new Request("http://localhost/dir/?format=text"));
    return (await response.text()).trimEnd().split("\n");
  };
  for (let round = 0; round < 300; round++) {
    // Requests before the change, whose reading may still be under way after it.
    const before = Array.from({ length: round % 4 }, names);
    for (let i = 0; i < round % 11; i++) await Promise.resolve();
    const [made, renamed] = [`new ${round}`, `renamed ${round}`];
    Deno.writeTextFileSync(tree.at(`dir/${made}`), "");
    const [first, ...others] = await Promise.all([names(), names(), names()]);
    assert(first.includes(made), `Round ${round}: a new name was missing`);
    for (const other of others) assertEquals(other, first);
    Deno.renameSync(tree.at(`dir/${made}`), tree.at(`dir/${renamed}`));
    const after = await names();
    assert(after.includes(renamed) && !after.includes(made), `Round ${round}: a new name was missing`);
    Deno.removeSync(tree.at(`dir/${renamed}`));
    assert(!(await names()).includes(renamed), `Round ${round}: an old name was there`);
    await Promise.all(before);
  }
});

Deno.test("a change is seen at once in a directory whose page was cached", async () => {
  await using tree = await tempTree({ "dir/a": "", "dir/b": "" });
  const { counts, source } = counted(disk(tree.path));
  const ask = asking(source);
  await nextTick();
  using _ahead = clockAhead();
  using _clock = stoppedClock();
  const page = async () => await (await ask("/dir/?format=text")).text();
  assertEquals([await page(), await page(), counts.lists], ["a\nb\n", "a\nb\n", 1]);
  await Deno.rename(tree.at("dir/a"), tree.at("dir/c"));
  assertEquals([await page(), counts.lists], ["b\nc\n", 2]);
  await Deno.remove(tree.at("dir/b"));
  assertEquals(await page(), "c\n");
  await Deno.remove(tree.at("dir"), { recursive: true });
  assertEquals((await ask("/dir/")).status, 404);
});

Deno.test("the whole server answers with a cached listing as with the first one", async () => {
  await using tree = await tempTree({ "dir/a": "1", "dir/b": "22" });
  using _ahead = clockAhead();
  using clock = stoppedClock();
  const starting = () => {
    const server = fileServer(tree.path, { log: false, headers: [["x-site", "mine"]] });
    return toFetch(chain(mount("/one", server), mount("/two", server), server));
  };
  const said = async (fetch: ReturnType<typeof starting>, target: string, init?: RequestInit) => {
    const response = await fetch(new Request(`http://localhost${target}`, init));
    return [response.status, Object.fromEntries(response.headers), await response.text()] as const;
  };
  const warm = starting();
  const first = await said(warm, "/dir/");
  for (let i = 0; i < 3; i++) assertEquals(await said(warm, "/dir/"), first);
  const etag = first[1].etag!;
  const requests: readonly [target: string, init?: RequestInit][] = [
    ["/dir/"],
    ["/dir/", { method: "HEAD" }],
    ["/dir/", { headers: { accept: "application/json" } }],
    ["/dir/", { headers: { accept: "text/html,*/*;q=0.8" } }],
    ["/dir/", { headers: { "if-none-match": etag } }],
    ["/dir/", { headers: { "if-none-match": etag, accept: "application/json" } }],
    ["/dir/", { headers: { "if-none-match": '"other"' } }],
    ["/dir/", { headers: { "if-modified-since": new Date(2 ** 41).toUTCString() } }],
    ["/dir/", { headers: { "if-match": etag } }],
    ["/dir/", { headers: { range: "bytes=0-3" } }],
    ["/dir/?format=json"],
    ["/dir/?format=text&sort=size&order=desc"],
    ["/dir/?format=none"],
    ["/dir/?"],
    ["/dir/#x"],
    ["/one/dir/"],
    ["/two/dir/"],
    ["/dir"],
  ];
  const expected = [];
  for (const request of requests) expected.push(await said(starting(), ...request));
  for (let round = 0; round < 4; round++) {
    for (const [index, request] of requests.entries()) {
      assertEquals(await said(warm, ...request), expected[index]!, JSON.stringify(request));
    }
  }
  // The size of a file changes without the directory: it is seen as soon as the cached page may be outdated.
  Deno.writeTextFileSync(tree.at("dir/a"), "1".repeat(777));
  clock.milliseconds += 1_000_000;
  assertStringIncludes((await said(warm, "/dir/"))[2], "777 bytes");
  Deno.writeTextFileSync(tree.at("dir/new"), "");
  assertStringIncludes((await said(warm, "/dir/"))[2], 'href="new"');
  Deno.writeTextFileSync(tree.at("dir/index.html"), "the page");
  assertEquals((await said(warm, "/dir/"))[2], "the page");
});

Deno.test("an error reading a directory affects that request, not the next", async () => {
  const inner = memory(SITE);
  let fails = true;
  const ask = asking({
    stat: (path) => inner.stat(path),
    list(path) {
      if (fails) throw new Deno.errors.PermissionDenied();
      return inner.list(path);
    },
    open: (path, seen) => inner.open(path, seen),
  });
  const refused = await Promise.all([ask("/"), ask("/"), ask("/", { method: "HEAD" })]);
  for (const response of refused) {
    await response.body?.cancel();
    assertEquals(response.status, 403);
  }
  fails = false;
  const response = await ask("/");
  assertEquals(response.status, 200);
  await response.body?.cancel();
});

Deno.test("a file that is being written is seen to grow", async () => {
  await using tree = await tempTree({ "dir/log": "1" });
  const ask = asking(disk(tree.path));
  for (let size = 2; size < 50; size++) {
    Deno.writeTextFileSync(tree.at("dir/log"), "x", { append: true });
    const { totals } = await (await ask("/dir/?format=json")).json();
    assertEquals(totals.bytes, size);
  }
});

Deno.test("an index file that appears at the target of a link is seen at once, though the directory is unchanged", async () => {
  await using tree = await tempTree({ "dir/a": "a", "elsewhere/": "" });
  await Deno.symlink("../elsewhere/page", tree.at("dir/index.html"));
  using _ahead = clockAhead();
  const fetch = toFetch(fileServer(tree.path, { log: false }));
  const text = async () => await (await fetch(new Request("http://localhost/dir/"))).text();
  for (let i = 0; i < 3; i++) assertStringIncludes(await text(), "broken link");
  await Deno.writeTextFile(tree.at("elsewhere/page"), "the page");
  assertEquals(await text(), "the page");
});
