/** What responses tell browsers and caches: for how long they are good, their types, headers that are added or removed. */

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fileServer, type FileServerOptions, toFetch } from "@x/pyserve";
import { cachePolicy } from "@x/pyserve/handlers";
import { isolated } from "@x/pyserve/layers";
import { start } from "../support/command.ts";
import { oldTree } from "../support/tree.ts";

const FILES = {
  "index.html": "home",
  "app-5LRS2FJV.js": "app()",
  "app-5LRS2FJV.html": "a page",
  "a.foo": "foo",
  "a.svg": "<svg/>",
  "docs/index.html": "docs",
  "404.html": "nothing",
};

interface Seen {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

type Ask = (target: string, init?: RequestInit) => Promise<Seen>;

/** Asks a server three times, so that the last response comes from the cache; all have to be the same. */
function thrice(ask: (target: string, init: RequestInit) => Promise<Response>): Ask {
  return async (target, init = {}) => {
    let last: Seen | null = null;
    for (let round = 0; round < 3; round++) {
      const response = await ask(target, init);
      const seen = { status: response.status, headers: response.headers, text: await response.text() };
      // Each response with several parts has a boundary of its own.
      const lasting = ({ headers }: Seen) => {
        return [...headers].filter(([name, value]) => name !== "date" && !value.startsWith("multipart/"));
      };
      if (last) assertEquals(lasting(seen), lasting(last), `${target}, request ${round + 1}`);
      last = seen;
    }
    return last!;
  };
}

function library(root: string, options: FileServerOptions): Ask {
  const fetch = toFetch(fileServer(root, { log: false, ...options }));
  return thrice(async (target, init) => await fetch(new Request(`http://localhost${target}`, init)));
}

/** Runs checks with the library, and with the command. */
async function both(args: string[], options: FileServerOptions, check: (ask: Ask) => Promise<void>): Promise<void> {
  await using tree = await oldTree(FILES);
  await check(library(tree.path, options));
  await using command = await start([tree.path, "--quiet", ...args], { clockAhead: true });
  await check(
    thrice((target, init) => fetch(`http://127.0.0.1:${command.port}${target}`, { redirect: "manual", ...init })),
  );
}

const HTML = { headers: { accept: "text/html" } };

Deno.test("--cache", async (t) => {
  const year = "max-age=31536000, immutable";
  const rows: readonly (readonly [value: string, hashed: string, other: string, redirect: string])[] = [
    ["auto", year, "no-cache", "no-cache"],
    ["off", "no-store", "no-store", "no-store"],
    ["60", "max-age=60", "max-age=60", "max-age=60"],
    ["0", "no-cache", "no-cache", "no-cache"],
  ];
  for (const [value, hashed, other, redirect] of rows) {
    await t.step(value, async () => {
      const cacheControl = cachePolicy(/\d/.test(value) ? Number(value) : value as "auto");
      await both(["--cache", value, "--spa"], { cacheControl, spa: true }, async (ask) => {
        const policyOf = async (target: string) => (await ask(target, HTML)).headers.get("cache-control");
        assertEquals(await policyOf("/app-5LRS2FJV.js"), hashed);
        assertEquals(await policyOf("/app-5LRS2FJV.html"), other);
        assertEquals(await policyOf("/"), other);
        assertEquals(await policyOf("/a/deep/link"), other);
        assertEquals(await policyOf("/docs"), redirect);
        assertEquals(await policyOf("/gone-5LRS2FJV.js"), "no-cache");
        const etag = (await ask("/app-5LRS2FJV.js")).headers.get("etag")!;
        const again = await ask("/app-5LRS2FJV.js", { headers: { "if-none-match": etag } });
        assertEquals([again.status, again.headers.get("cache-control")], [304, hashed]);
      });
    });
  }
  assertThrows(() => cachePolicy(-1), RangeError);
});

Deno.test("what users get who have logged in is private, also if it is immutable", async () => {
  await using tree = await oldTree(FILES);
  const args = [tree.path, "--quiet", "--cache=auto", "--auth-env", "U", "--public"];
  await using state = await oldTree({});
  const options = { clockAhead: true, env: { U: "ann:secret" } };
  await using command = await start([...args, "--state", state.path], options);
  const ask = thrice((target, init) => fetch(`http://127.0.0.1:${command.port}${target}`, init));
  const user = { headers: { authorization: `Basic ${btoa("ann:secret")}` } };
  const policyOf = async (init?: RequestInit) => (await ask("/app-5LRS2FJV.js", init)).headers.get("cache-control");
  assertEquals(await policyOf(), "max-age=31536000, immutable");
  assertEquals(await policyOf(user), "private, max-age=31536000, immutable");
});

Deno.test("headers can be removed", async () => {
  const headers = [["x-mine", "1"], ["Server", null], ["cache-control", null]] as const;
  const args = ["-H", "x-mine: 1", "--remove-header", "Server", "--remove-header=cache-control"];
  await both(args, { headers }, async (ask) => {
    for (const target of ["/", "/a.foo", "/docs", "/missing"]) {
      const { headers } = await ask(target);
      assertEquals([headers.get("x-mine"), headers.get("server")], ["1", null], target);
      assertEquals(headers.get("cache-control"), null, target);
    }
  });
});

Deno.test("--type", async () => {
  const types = { foo: "text/x-foo; charset=utf-16", svg: "text/plain" };
  await both(["--type", ".FOO=text/x-foo; charset=utf-16", "--type=.svg=text/plain"], { types }, async (ask) => {
    assertEquals((await ask("/a.foo")).headers.get("content-type"), types.foo);
    assertEquals((await ask("/a.svg")).headers.get("content-type"), types.svg);
    assertMatch((await ask("/app-5LRS2FJV.js")).headers.get("content-type")!, /javascript/);
  });
});

const ISOLATION = ["cross-origin-opener-policy", "cross-origin-embedder-policy", "cross-origin-resource-policy"];

Deno.test("--isolated", async () => {
  const valuesOf = async (ask: Ask, target: string, init?: RequestInit) => {
    const { headers } = await ask(target, init);
    return ISOLATION.map((name) => headers.get(name));
  };
  await both(["--isolated"], { layers: [isolated()] }, async (ask) => {
    const etag = (await ask("/")).headers.get("etag")!;
    for (
      const [target, init] of [["/"], ["/missing"], ["/docs"], ["/", { headers: { "if-none-match": etag } }]] as const
    ) {
      assertEquals(await valuesOf(ask, target, init), ["same-origin", "require-corp", "same-origin"], target);
    }
  });
  await using tree = await oldTree(FILES);
  const args = [tree.path, "--quiet", "--isolated", "--cors", "-H", "Cross-Origin-Embedder-Policy: credentialless"];
  await using command = await start(args, { clockAhead: true });
  const ask = thrice((target, init) => fetch(`http://127.0.0.1:${command.port}${target}`, init));
  assertEquals(await valuesOf(ask, "/"), ["same-origin", "credentialless", "cross-origin"]);
});

Deno.test("types, entity tags, dates and ranges can be turned off", async () => {
  await using tree = await oldTree(FILES);
  const shown = async (options: FileServerOptions, init?: RequestInit) => {
    const { status, headers, text } = await library(tree.path, options)("/app-5LRS2FJV.js", init);
    const names = ["content-type", "x-content-type-options", "etag", "last-modified", "accept-ranges"];
    return { status, has: names.filter((name) => headers.has(name)).join(" "), text };
  };
  const whole = { status: 200, text: "app()" };
  assertEquals(await shown({ etag: false }), {
    ...whole,
    has: "content-type x-content-type-options last-modified accept-ranges",
  });
  assertEquals(await shown({ lastModified: false }), {
    ...whole,
    has: "content-type x-content-type-options etag accept-ranges",
  });
  assertEquals(await shown({ ranges: false }), {
    ...whole,
    has: "content-type x-content-type-options etag last-modified",
  });
  assertEquals(await shown({ contentType: false }), { ...whole, has: "etag last-modified accept-ranges" });
  const none = { etag: false, lastModified: false, ranges: false, contentType: false };
  assertEquals(await shown(none), { ...whole, has: "" });
  const conditions: Record<string, string>[] = [
    { "if-none-match": '"x"' },
    { "if-modified-since": new Date().toUTCString() },
    { range: "bytes=0-1" },
    { range: "bytes=0-1,3-4" },
  ];
  for (const headers of conditions) assertEquals((await shown(none, { headers })).status, 200, JSON.stringify(headers));
  const parts = await shown({ contentType: false }, { headers: { range: "bytes=0-1,3-4" } });
  assertEquals([parts.status, /content-type/i.test(parts.text)], [206, false]);
});

Deno.test("without types, everything that uploads may have written is sandboxed", async () => {
  await using tree = await oldTree(FILES);
  const ask = library(tree.path, { contentType: false, sandbox: true });
  assertMatch((await ask("/a.foo")).headers.get("content-security-policy") ?? "", /^sandbox /);
  const typed = library(tree.path, { sandbox: true });
  assertEquals((await typed("/a.foo")).headers.get("content-security-policy"), null);
});

Deno.test("a policy decides by path", async () => {
  await using tree = await oldTree(FILES);
  const seen: string[] = [];
  const ask = library(tree.path, {
    cacheControl: (path) => (seen.push(path.text), path.segments[0] === "docs" ? "max-age=5" : "max-age=6"),
  });
  assertEquals((await ask("/docs/")).headers.get("cache-control"), "max-age=5");
  assertEquals((await ask("/")).headers.get("cache-control"), "max-age=6");
  assertEquals([...new Set(seen)], ["/docs/index.html", "/index.html"]);
});
