/** Headers for some paths: which responses have them, from the cache as well, and what they never break. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { derive, fileServer, type FileServerOptions, headers, type Layer, settle, toFetch, wrap } from "../../mod.ts";
import { headersFor } from "../../handlers/layers/headers_for.ts";
import { clockAhead } from "../support/clock.ts";
import { tempTree } from "../support/tree.ts";
import { internalsOf } from "../../handlers/core/internals.ts";

const SITE = {
  "assets/app.css": "body {}",
  "docs/index.html": "<h1>Docs",
  "list/a.txt": "a",
  "404.html": "<h1>Nothing",
};

const RULES = [
  headersFor("/assets/**", [["cache-control", "max-age=3600"], ["x-rule", "assets"], ["server", null]]),
  headersFor(["*.txt", "**/"], [["x-rule", "names"], ["link", "<a>; rel=preload"], ["link", "<b>; rel=preload"]]),
];

/** On disk, and with files that count as old, so that responses are cached. */
function site(root: string, options: FileServerOptions = {}) {
  const fetch = toFetch(fileServer(root, { headers: [["x-all", "1"], ...RULES], log: false, ...options }));
  return async (path: string, init: RequestInit = {}) => {
    const response = await fetch(new Request(`http://localhost${path}`, init));
    await response.body?.cancel();
    return response;
  };
}

Deno.test("files, ranges, 304, 404, redirects, listings and HEAD have them alike, the first time and from the cache", async () => {
  await using tree = await tempTree(SITE);
  using _clock = clockAhead();
  const ask = site(tree.path);
  const etag = (await ask("/assets/app.css")).headers.get("etag")!;
  const rows: [path: string, init: RequestInit, status: number, rule: string | null][] = [
    ["/assets/app.css", {}, 200, "assets"],
    ["/assets/app.css", { method: "HEAD" }, 200, "assets"],
    ["/assets/app.css", { headers: { range: "bytes=0-1" } }, 206, "assets"],
    ["/assets/app.css", { headers: { range: "bytes=90-" } }, 416, "assets"],
    ["/assets/app.css", { headers: { "if-none-match": etag } }, 304, "assets"],
    ["/%61ssets/app.css", {}, 200, "assets"],
    ["/x/../assets//app.css", {}, 200, "assets"],
    ["/assets/none.css", {}, 404, "assets"],
    ["/assets/none.css", { headers: { accept: "text/html" } }, 404, "assets"],
    ["/assets/app.css", { method: "DELETE" }, 405, "assets"],
    ["/docs", {}, 301, null],
    ["/docs/", {}, 200, "names"],
    ["/list/", {}, 200, "names"],
    ["/list/a.txt", {}, 200, "names"],
    ["/404.html", {}, 200, null],
    ["/%zz", {}, 400, null],
  ];
  for (let round = 1; round <= 3; round++) {
    for (const [path, init, status, rule] of rows) {
      const { status: given, headers } = await ask(path, init);
      assertEquals([path, given, headers.get("x-rule"), headers.get("x-all")], [path, status, rule, "1"]);
      if (rule === "assets") {
        assertEquals([headers.get("cache-control"), headers.get("server")], ["max-age=3600", null]);
      }
      if (rule === "names") assertEquals(headers.get("link"), "<a>; rel=preload, <b>; rel=preload");
    }
  }
  const whole = await ask("/assets/app.css");
  assertEquals([whole.headers.get("content-length"), whole.headers.get("content-type")], [
    "7",
    "text/css; charset=utf-8",
  ]);
});

Deno.test("of several rules the last one counts, and Vary is only extended", async () => {
  await using tree = await tempTree(SITE);
  const ask = site(tree.path, {
    headers: [
      ["vary", "x-all"],
      headersFor("*.css", [["x-a", "1"], ["vary", "x-one, x-two"]]),
      headersFor("/assets/*", [["x-a", "2"]]),
    ],
  });
  const { headers } = await ask("/assets/app.css");
  assertEquals([headers.get("x-a"), headers.get("vary")], ["2", "accept-encoding, x-all, x-one, x-two"]);
});

Deno.test("other rules, other entity tags: a cache must not keep the old headers", async () => {
  await using tree = await tempTree(SITE);
  const tag = async (value: string) => {
    return (await site(tree.path, { headers: [headersFor("*", [["x-a", value]])] })("/assets/app.css")).headers.get(
      "etag",
    );
  };
  assertEquals(await tag("1"), await tag("1"));
  assert(await tag("1") !== await tag("2"));
});

Deno.test("what a user gets stays private, in a 304 from the cache as well", async () => {
  await using tree = await tempTree(SITE);
  using _clock = clockAhead();
  const asUser: Layer = (next) => (request, context) => {
    const visitor = { name: "ada", hasLogin: true, hidden: 0 };
    const client = { user: "ada", may: () => true, view: "ada", visitor };
    return next(request, internalsOf(context).derived(client) ?? derive(context, client));
  };
  for (
    const headers of [[["cache-control", "public, max-age=9"] as const], [
      headersFor("*", [["cache-control", "public, max-age=9"]]),
    ]]
  ) {
    const ask = site(tree.path, { layers: [asUser], headers });
    const etag = (await ask("/assets/app.css")).headers.get("etag")!;
    for (let round = 1; round <= 3; round++) {
      const { status, headers } = await ask("/assets/app.css", { headers: { "if-none-match": etag } });
      assertEquals([status, headers.get("cache-control")], [304, "private, max-age=9"]);
    }
  }
});

Deno.test("the layer takes rules, too; invalid ones are refused when they are made", async () => {
  const fetch = toFetch(wrap(settle(() => new Response("ok")), headers([headersFor("/a", [["x-a", "1"]])])));
  const has = async (path: string) => (await fetch(new Request(`http://localhost${path}`))).headers.has("x-a");
  assertEquals([await has("/a"), await has("/b")], [true, false]);
  assertThrows(() => headersFor("/a", [["x-a", "b\r\nc"]]), TypeError);
  assertThrows(() => headersFor("/a", [["bad name", "b"]]), TypeError);
  assertThrows(() => headersFor("{a,b}", []), TypeError, "braces");
});
