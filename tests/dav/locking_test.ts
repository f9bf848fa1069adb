/** LOCK, UNLOCK and If over HTTP (RFC 4918), with the methods of uploads behind them. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { chain, type Context, derive, disk, files, toFetch, upload } from "@x/pyserve";
import type { Right } from "../../handlers/core/types.ts";
import { lockDiscovery } from "../../handlers/dav/lock_answers.ts";
import { LockTable } from "../../handlers/dav/lock_table.ts";
import { lockHandler } from "../../handlers/dav/lock_methods.ts";
import type { LockSite } from "../../handlers/dav/lock_site.ts";
import { tagger } from "../../handlers/files/representations.ts";
import { Limiter } from "../../handlers/core/limiter.ts";
import { Store } from "../../handlers/store/store.ts";
import { treeOf } from "../store/support.ts";
import { pathOf } from "../support/source.ts";
import { tempTree } from "../support/tree.ts";

/** What a client is, and may do; by the header `x-user`. */
type Rights = (user: string | null, right: Right, path: string) => boolean;

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly token: string;
  readonly headers: Headers;
}

type Ask = (method: string, target: string, headers?: Record<string, string>, body?: string) => Promise<Answer>;

/** A site with locks, and a function that asks it. */
function siteOf(
  root: string,
  { rights = () => true, change = true }: { rights?: Rights; change?: boolean } = {},
): { ask: Ask; locks: LockTable; discovery: (path: string, user: string | null) => string } {
  const source = disk(root);
  const locks = new LockTable();
  const store = new Store(source, { rights: { create: true, change }, locks });
  const settings = {
    etagOf: tagger({ sandbox: true }),
    onConflict: "overwrite",
    index: [],
    stallMs: 1_000,
  } as const;
  const site: LockSite = { store, locks, settings, transfers: new Limiter({ max: 1, queueMs: 0 }) };
  const options = { rights: { create: true, change }, onConflict: change ? "overwrite" : "fail", locks } as const;
  const handler = chain(lockHandler(site), upload(source, options), files(source));
  const as = (user: string | null, context: Context) =>
    derive(context, { user, may: (right, path) => rights(user, right, path.text), view: "some" });
  const seen: { context?: Context } = {};
  const fetch = toFetch((request, context) => {
    seen.context = context;
    return handler(request, as(request.headers.get("x-user"), context));
  });
  const ask: Ask = async (method, target, headers = {}, body) => {
    const url = new URL(`http://localhost${target}`);
    const response = await fetch(new Request(url, { method, headers, ...body !== undefined && { body } }));
    const token = /^<(.*)>$/.exec(response.headers.get("lock-token") ?? "")?.[1] ?? "";
    return { status: response.status, body: await response.text(), token, headers: response.headers };
  };
  const discovery = (path: string, user: string | null) =>
    lockDiscovery(locks.current(), pathOf(path), as(user, seen.context!));
  return { ask, locks, discovery };
}

function lockInfo(scope = "exclusive", owner = ""): string {
  return `<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><${scope}/></lockscope>` +
    `<locktype><write/></locktype>${owner}</lockinfo>`;
}

Deno.test("a lock is granted, shown, respected and released", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const { ask, discovery } = siteOf(tree.path);
  const owner = "<owner><href>http://example.com/&lt;me&gt;</href></owner>";
  const taken = await ask(
    "LOCK",
    "/a.txt",
    { timeout: "Infinite, Second-5", depth: "0" },
    lockInfo("exclusive", owner),
  );
  assertEquals(taken.status, 200);
  assertEquals(taken.headers.get("content-type"), "application/xml; charset=utf-8");
  assertMatch(taken.token, /^opaquelocktoken:[0-9a-f-]{36}$/);
  for (
    const part of [
      "<D:exclusive/>",
      "<D:write/>",
      "<D:depth>0</D:depth>",
      '<D:owner><href xmlns="DAV:">http://example.com/&lt;me&gt;</href></D:owner>',
      "<D:timeout>Second-3600</D:timeout>",
      `<D:locktoken><D:href>${taken.token}</D:href></D:locktoken>`,
      "<D:lockroot><D:href>/a.txt</D:href></D:lockroot>",
    ]
  ) {
    assert(taken.body.includes(part), `${part} in ${taken.body}`);
    assert(discovery("a.txt", null).includes(part), part);
  }
  const token = `<${taken.token}>`;
  assertEquals((await ask("GET", "/a.txt")).body, "a");
  assertEquals((await ask("PUT", "/a.txt", {}, "b")).status, 423);
  assertEquals((await ask("PUT", "/a.txt", { if: `(${token})` }, "b")).status, 204);
  const other = await ask("LOCK", "/a.txt", {}, lockInfo("shared"));
  assertEquals(other.status, 423);
  assert(other.body.includes("<D:no-conflicting-lock><D:href>/a.txt</D:href></D:no-conflicting-lock>"), other.body);
  assertEquals((await ask("UNLOCK", "/a.txt", { "lock-token": token })).status, 204);
  assertEquals((await ask("UNLOCK", "/a.txt", { "lock-token": token })).status, 409);
  assertEquals((await ask("PUT", "/a.txt", {}, "c")).status, 204);
  assertEquals(discovery("a.txt", null), "");
});

Deno.test("a lock on a name that is free creates an empty file, in directories that exist", async () => {
  await using tree = await tempTree({ "dir/": "", "file": "f" });
  const { ask, locks } = siteOf(tree.path);
  const { status, token } = await ask("LOCK", "/dir/new.txt", {}, lockInfo());
  assertEquals(status, 201);
  assertEquals(treeOf(tree.path), { "dir": null, "dir/new.txt": "", "file": "f" });
  assertEquals((await ask("PUT", "/dir/new.txt", { if: `(<${token}>)` }, "new")).status, 204);
  assertEquals((await ask("LOCK", "/none/new.txt", {}, lockInfo())).status, 409);
  assertEquals((await ask("LOCK", "/file/new.txt", {}, lockInfo())).status, 409);
  assertEquals((await ask("LOCK", "/none/", {}, lockInfo())).status, 404);
  assertEquals((await ask("LOCK", "/", {}, lockInfo())).status, 403);
  assertEquals(locks.current().all.length, 1);
  assertEquals(treeOf(tree.path), { "dir": null, "dir/new.txt": "new", "file": "f" });
});

Deno.test("a lock on a directory covers what is in it and what will be, and fails because of locks in it", async () => {
  await using tree = await tempTree({ "dir/a/b.txt": "b" });
  const { ask } = siteOf(tree.path);
  const inner = await ask("LOCK", "/dir/a/b.txt", {}, lockInfo());
  const failed = await ask("LOCK", "/dir/", {}, lockInfo());
  assertEquals(failed.status, 207);
  assert(failed.body.includes("<D:href>/dir/a/b.txt</D:href><D:status>HTTP/1.1 423 Locked</D:status>"), failed.body);
  assert(
    failed.body.includes("<D:href>/dir/</D:href><D:status>HTTP/1.1 424 Failed Dependency</D:status>"),
    failed.body,
  );
  assertEquals((await ask("UNLOCK", "/dir/a/b.txt", { "lock-token": `<${inner.token}>` })).status, 204);
  const outer = await ask("LOCK", "/dir", {}, lockInfo());
  for (
    const [method, target] of [["PUT", "/dir/new"], ["PUT", "/dir/a/b.txt"], ["MKCOL", "/dir/d"], [
      "DELETE",
      "/dir/a?recursive",
    ]]
  ) {
    assertEquals(
      (await ask(method!, target!, {}, method === "PUT" ? "x" : undefined)).status,
      423,
      `${method} ${target}`,
    );
  }
  assertEquals((await ask("LOCK", "/dir/new", {}, lockInfo())).status, 423);
  // Any resource in the scope of the lock can be named to release it (RFC 4918 section 9.11).
  assertEquals((await ask("UNLOCK", "/", { "lock-token": `<${outer.token}>` })).status, 409);
  assertEquals((await ask("UNLOCK", "/dir/a/b.txt", { "lock-token": `<${outer.token}>` })).status, 204);
});

Deno.test("a lock is prolonged by its token; without one, or with a wrong one, it is not", async () => {
  await using tree = await tempTree({ "a": "a", "b": "b" });
  const { ask, locks } = siteOf(tree.path);
  const { token } = await ask("LOCK", "/a", { timeout: "Second-10" }, lockInfo());
  const refreshed = await ask("LOCK", "/a", { if: `(<${token}>)`, timeout: "Second-100" });
  assertEquals([refreshed.status, refreshed.token], [200, ""]);
  assert(refreshed.body.includes("<D:timeout>Second-100</D:timeout>"), refreshed.body);
  assertEquals(locks.current().all.map(({ seconds }) => seconds), [100]);
  assertEquals((await ask("LOCK", "/a")).status, 400);
  assertEquals((await ask("LOCK", "/b", { if: `(<${token}>)` })).status, 412);
  assertEquals((await ask("LOCK", "/b", { if: `</a> (<${token}>)` })).status, 412);
  assertEquals((await ask("LOCK", "/a", { if: "(<urn:other>)" })).status, 412);
});

Deno.test("timeouts are bounded, and unknown ones are ignored", async () => {
  await using tree = await tempTree({ "a": "a" });
  const { ask, locks } = siteOf(tree.path);
  const rows: readonly (readonly [string | null, number])[] = [
    [null, 600],
    ["Second-30", 30],
    ["second-0", 1],
    ["Second-4100000000", 3_600],
    ["Infinite", 3_600],
    ["Extend-1, Second-7", 7],
    ["nonsense", 600],
    [`Second-${"9".repeat(900)}`, 3_600],
  ];
  for (const [timeout, seconds] of rows) {
    const { token } = await ask("LOCK", "/a", timeout === null ? {} : { timeout }, lockInfo());
    assertEquals(locks.current().all[0]?.seconds, seconds, `${timeout}`);
    assertEquals((await ask("UNLOCK", "/a", { "lock-token": `<${token}>` })).status, 204);
  }
});

Deno.test("malformed requests are refused, and lock nothing", async () => {
  await using tree = await tempTree({ "a": "a" });
  const { ask, locks } = siteOf(tree.path);
  const rows: readonly [Record<string, string>, string][] = [
    [{ depth: "1" }, lockInfo()],
    [{ depth: "x" }, lockInfo()],
    [{}, lockInfo("unknown")],
    [{}, lockInfo().replace("write", "read")],
    [{}, lockInfo().replaceAll("lockinfo", "other")],
    [{}, lockInfo().replace("DAV:", "OTHER:")],
    [{}, lockInfo("shared", `<owner>${"x".repeat(1_025)}</owner>`)],
    [{ if: "(<a:b>" }, lockInfo()],
  ];
  for (const [headers, body] of rows) assertEquals((await ask("LOCK", "/a", headers, body)).status, 400, body);
  for (const token of ["", "x", "<>", "<a", "<a b>", "<a><b>"]) {
    assertEquals((await ask("UNLOCK", "/a", { "lock-token": token })).status, 400, token);
  }
  assertEquals((await ask("UNLOCK", "/a")).status, 400);
  assertEquals((await ask("LOCK", "/a", { if: "(<a:b>)" }, lockInfo())).status, 412);
  assertEquals(locks.current().size, 0);
});

Deno.test("a user cannot use, see or end the lock of another; locks need rights", async () => {
  await using tree = await tempTree({ "a": "a", "d/secret/x": "x", "d/y": "y" });
  const rights: Rights = (user, right, path) => {
    if (user === "reader" || user === null) return right === "read" && !path.startsWith("/d/secret");
    if (user === "box") return right === "create";
    if (user === "most") return !path.startsWith("/d/secret");
    return true;
  };
  const { ask, locks, discovery } = siteOf(tree.path, { rights });
  const ann = { "x-user": "ann" };
  const { token } = await ask("LOCK", "/a", ann, lockInfo("exclusive", "<owner>Ann</owner>"));
  assert(discovery("a", "ann").includes(token));
  assert(!discovery("a", "ben").includes(token) && discovery("a", "ben").includes("Ann"));
  const stolen = { if: `(<${token}>)`, "x-user": "ben" };
  assertEquals((await ask("PUT", "/a", stolen, "b")).status, 423);
  assertEquals((await ask("DELETE", "/a", stolen)).status, 423);
  assertEquals((await ask("LOCK", "/a", stolen)).status, 412);
  assertEquals((await ask("UNLOCK", "/a", { "lock-token": `<${token}>`, "x-user": "ben" })).status, 403);
  assertEquals((await ask("UNLOCK", "/a", { "lock-token": `<${token}>` })).status, 403);
  assertEquals((await ask("PUT", "/a", { ...stolen, ...ann }, "b")).status, 204);
  assertEquals((await ask("UNLOCK", "/a", { "lock-token": `<${token}>`, ...ann })).status, 204);

  const before = treeOf(tree.path);
  for (
    const [user, target] of [["reader", "/a"], ["reader", "/new"], ["box", "/a"], ["box", "/new"], ["most", "/d"], [
      "most",
      "/d/secret/x",
    ]]
  ) {
    assertEquals((await ask("LOCK", target!, { "x-user": user! }, lockInfo())).status, 403, `${user} ${target}`);
  }
  assertEquals([locks.current().size, treeOf(tree.path)], [0, before]);
  assertEquals((await ask("LOCK", "/d", { "x-user": "most", depth: "0" }, lockInfo())).status, 200);
});

Deno.test("If compares entity tags, of the target and of others, and what cannot be read has none", async () => {
  await using tree = await tempTree({ "a": "a", "b": "b", "secret": "s" });
  const { ask } = siteOf(tree.path, { rights: (_, right, path) => right !== "read" || path !== "/secret" });
  const etag = async (path: string) => (await ask("GET", path)).headers.get("etag")!;
  const [a, b] = [await etag("/a"), await etag("/b")];
  const put = async (value: string) => (await ask("PUT", "/new", { if: value }, "x")).status;
  const rows: readonly [string, boolean][] = [
    [`</a> ([${a}])`, true],
    [`<http://localhost/a> ([${a}]) </b> (["x"])`, true],
    [`</a> ([${b}])`, false],
    [`</a> (Not [${b}])`, true],
    [`<http://elsewhere/a> ([${a}])`, false],
    [`<http://elsewhere/a> (Not [${a}])`, true],
    ['</secret> (["x"])', false],
    ['</none> (Not ["x"])', true],
    ["(Not <DAV:no-lock>)", true],
    ["(<DAV:no-lock>)", false],
  ];
  for (const [value, holds] of rows) assertEquals((await put(value)) !== 412, holds, value);
  assertEquals(await put("("), 400);
  assertEquals(await put(`(<${"a".repeat(9_000)}>)`), 400);
});

Deno.test("pages of other sites, and names that are not the server's own, neither lock nor unlock", async () => {
  await using tree = await tempTree({ "a": "a" });
  const { ask, locks } = siteOf(tree.path);
  const foreign = [{ origin: "http://evil.example" }, { "sec-fetch-site": "cross-site" }, { host: "evil.example" }];
  for (const headers of foreign) assert([403, 421].includes((await ask("LOCK", "/a", headers, lockInfo())).status));
  const { token } = await ask("LOCK", "/a", {}, lockInfo());
  for (const headers of foreign) {
    const { status } = await ask("UNLOCK", "/a", { ...headers, "lock-token": `<${token}>` });
    assert([403, 421].includes(status), `${status}`);
  }
  assertEquals(locks.current().size, 1);
});

Deno.test("where only new files are allowed, nothing can be locked: what a lock creates would stay empty", async () => {
  await using tree = await tempTree({ "a": "a" });
  const { ask } = siteOf(tree.path, { change: false });
  assertEquals((await ask("LOCK", "/a", {}, lockInfo())).status, 403);
  assertEquals((await ask("LOCK", "/new", {}, lockInfo())).status, 403);
  assertEquals(treeOf(tree.path), { "a": "a" });
});
