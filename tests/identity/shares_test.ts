/** Share links over HTTP: who can make them, what they show, and when they end. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { SitePath } from "../../mod.ts";
import { narrowShare, Shares } from "../../handlers/identity/shares.ts";
import { clockAhead } from "../support/clock.ts";
import { basic, type SentShare, sharingSite } from "../support/sharing.ts";

const JSON_TYPE = { "content-type": "application/json" };
const HTML = { accept: "text/html,*/*;q=0.8" };

Deno.test("a user shares a file, a directory or several, for a time; the link works without an account", async () => {
  await using site = await sharingSite();
  const before = Date.now();
  const file = await site.share({ paths: ["/team/plan.txt"], for: "2h" });
  assertEquals([file.paths, file.rights], [["/team/plan.txt"], ["read"]]);
  assert(file.expires! >= before + 7_200_000 && file.expires! <= Date.now() + 7_200_000);
  assert(/^share\/[\w.-]+\/team\/plan\.txt$/.test(file.link), "relative, so that it works behind a prefix");
  assertEquals(await site.text(file.url), "plan");

  const directory = await site.share({ paths: ["/team"], for: "0" });
  assertEquals([directory.paths, directory.expires], [["/team/"], null]);
  assertEquals(await site.text(`${directory.url}?format=text`), "sub/\nplan.txt\n");
  assertEquals(await site.text(`${directory.url}sub/deep.txt`), "deep");

  const all = await site.share({ paths: ["/"] });
  assertEquals([all.paths, await site.text(`${all.url}secret.txt`)], [["/"], "secret"]);
});

Deno.test("a form makes a link, too, and its page shows it; without script", async () => {
  await using site = await sharingSite();
  const page = await site.text("/.pyserve/shares?path=/team/&upload", { headers: { ...basic("ann"), ...HTML } });
  assert(page.includes('name="path" value="/team/"') && page.includes('value="read,upload"'));
  const only = await site.text("/.pyserve/shares?path=/team/", { headers: { ...basic("ann"), ...HTML } });
  assert(!only.includes('value="upload"'));
  const body = new URLSearchParams({ path: "/team/", rights: "read", for: "1h" });
  const sent = await site.send("/.pyserve/shares", { method: "POST", body, headers: { ...basic("ann"), ...HTML } });
  const location = sent.headers.get("location")!;
  assertEquals([sent.status, /^shares\?made=[\w-]{12}$/.test(location)], [303, true]);
  const made = await site.text(`/.pyserve/${location}`, { headers: { ...basic("ann"), ...HTML } });
  const [, link] = /class="link" href="([^"]+)"/.exec(made)!;
  assertEquals(await site.text(`/.pyserve/${link}plan.txt`), "plan");
  const [, id] = /name="revoke" value="([^"]+)"/.exec(made)!;
  const revoke = { method: "POST", body: new URLSearchParams({ revoke: id! }), headers: { ...basic("ann"), ...HTML } };
  assertEquals(await site.status("/.pyserve/shares", revoke), 303);
  assertEquals(await site.status(`/.pyserve/${link}plan.txt`), 404);
});

Deno.test("a selection is an overview: only what leads to shared paths is listed", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/docs/a/one.txt", "/docs/b/"] });
  assert(url.endsWith("/"));
  const start = await site.send(url);
  assertEquals([start.status, start.headers.get("location")], [303, "docs/"]);
  await start.body?.cancel();
  assertEquals(await site.text(`${url}docs/?format=text`), "a/\nb/\n");
  assertEquals(await site.text(`${url}docs/a/?format=text`), "one.txt\n");
  assertEquals(await site.text(`${url}docs/b/two.txt`), "two");
  for (const path of ["", "docs/c/", "docs/c/three.txt", "docs/a/none", "secret.txt", "team/"]) {
    const status = await site.status(`${url}${path}?format=text`);
    assertEquals(status, path === "" ? 303 : 403, path);
  }
  const found = await site.send(`${url}docs/?q=txt`, { headers: { accept: "application/json" } });
  assertEquals((await found.json()).results.map(({ path }: { path: string }) => path).sort(), [
    "a/one.txt",
    "b/two.txt",
  ]);
  const tar = new TextDecoder("latin1").decode(await (await site.send(`${url}docs/?archive=tar`)).bytes());
  assert(tar.includes("one.txt") && tar.includes("two.txt") && !tar.includes("three"));
});

Deno.test("an error below a link leads to the start of the link, and that of an invalid link nowhere", async () => {
  await using site = await sharingSite();
  const { id, url } = await site.share({ paths: ["/team"] });
  const start = url.replace(/team\/$/, "");
  for (const path of ["team/none.txt", "team/none.txt", "secret.txt", ".pyserve/none"]) {
    const response = await site.send(`${start}${path}`, { headers: HTML });
    const [, href] = /<a href="([^"]*)">Go to the start page/.exec(await response.text())!;
    const at = new URL(`${start}${path}`, "http://localhost");
    assertEquals(new URL(href!, at).href, new URL(start, at).href, path);
    assertEquals(response.headers.get("referrer-policy"), "no-referrer", path);
  }
  assertEquals(await site.status(`/.pyserve/shares/${id}`, { method: "DELETE", headers: basic("ann") }), 204);
  for (const path of [url, `${url}none.txt`, "/.pyserve/share/forged/"]) {
    const response = await site.send(path, { headers: HTML });
    const page = await response.text();
    assert(page.includes("This link has expired or was revoked. Ask whoever sent it for a new one."), page);
    assert(!page.includes("start page") && !page.includes("mistyped"), page);
    assertEquals([response.status, response.headers.get("referrer-policy")], [404, "no-referrer"]);
  }
  const other = await site.send("/none.txt", { headers: { ...basic("ann"), ...HTML } });
  assertEquals(other.headers.get("referrer-policy"), "same-origin");
  assert((await other.text()).includes('<a href="./">Go to the start page'));
});

Deno.test("an overview of several directories with little in common is in the root, which stays closed otherwise", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/docs/a/one.txt", "/team/sub/"] });
  assertEquals(await site.text(`${url}?format=text`), "docs/\nteam/\n");
  assertEquals(await site.text(`${url}team/?format=text`), "sub/\n");
  assertEquals(await site.status(`${url}team/plan.txt`), 403);
  assertEquals(await site.status(`${url}secret.txt`), 403);
});

Deno.test("the dates of directories that only lead to what is shared are not shown", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/docs/a/one.txt", "/docs/b/"] });
  const json = async (query: string) => {
    return await (await site.send(`${url}docs/${query}`, { headers: { accept: "application/json" } })).json();
  };
  const dated = ({ name, path, modified }: { name?: string; path?: string; modified: string | null }) => {
    return `${path ?? name} ${modified !== null}`;
  };
  assertEquals((await json("")).entries.map(dated), ["a false", "b true"]);
  assertEquals((await json("?q=*")).results.map(dated).sort(), [
    "a false",
    "a/one.txt true",
    "b true",
    "b/two.txt true",
  ]);
  const tar = await (await site.send(`${url}docs/?archive=tar`)).bytes();
  const blocks = Array.from({ length: tar.length / 512 }, (_, n) => tar.subarray(n * 512, n * 512 + 512));
  const headers = blocks.map((block) => new TextDecoder("latin1").decode(block)).filter((text) =>
    text.startsWith("docs/")
  );
  const times = headers.map((text) => `${text.split("\0")[0]} ${parseInt(text.slice(136, 147), 8) > 0}`);
  const expected = ["docs/ false", "docs/a/ false", "docs/a/one.txt true", "docs/b/ true", "docs/b/two.txt true"];
  assertEquals(times, expected);
  const etag = async () => {
    const pages = await Promise.all([site.send(`${url}docs/`), site.send(`${url}docs/?archive=zip`)]);
    await Promise.all(pages.map((page) => page.body?.cancel()));
    return pages.map((page) => page.headers.get("etag"));
  };
  const before = await etag();
  await Deno.writeTextFile(site.at("docs/a/other.txt"), "other");
  assertEquals(await etag(), before);
});

Deno.test("an index page of the overview's directory is not shown, unless it is shared", async () => {
  await using site = await sharingSite();
  await Deno.writeTextFile(site.at("docs/index.html"), "INDEX PAGE");
  const without = await site.share({ paths: ["/docs/a/", "/docs/b/"] });
  assertEquals(await site.text(`${without.url}docs/?format=text`), "a/\nb/\n");
  assert(!(await site.text(`${without.url}docs/`)).includes("INDEX PAGE"));
  assertEquals(await site.status(`${without.url}docs/index.html`), 403);
  const shared = await site.share({ paths: ["/docs/a/", "/docs/index.html"] });
  assertEquals(await site.text(`${shared.url}docs/`), "INDEX PAGE");
});

Deno.test("links from a token permit no more than the token", async () => {
  await using site = await sharingSite();
  const post = async (path: string) => {
    const headers = { ...JSON_TYPE, authorization: "Bearer team" };
    const body = JSON.stringify({ paths: [path] });
    return await site.status("/.pyserve/shares", { method: "POST", headers, body });
  };
  assertEquals([await post("/team/"), await post("/team/sub/"), await post("/docs/"), await post("/")], [
    201,
    201,
    403,
    403,
  ]);
});

Deno.test("two links to parts of one directory share no cached page", async () => {
  await using site = await sharingSite();
  using _clock = clockAhead();
  const links = [
    await site.share({ paths: ["/docs/a/", "/docs/b/"] }),
    await site.share({ paths: ["/docs/b/", "/docs/c/"] }),
  ];
  for (let round = 0; round < 3; round++) {
    const pages = await Promise.all(links.map(({ url }) => site.text(`${url}docs/`, { headers: HTML })));
    const names = pages.map((page) => [...page.matchAll(/<a href="(\w)\/">/g)].map(([, name]) => name).join(""));
    assertEquals(names, ["ab", "bc"]);
  }
  site.state.revocations.add(links[0]!.id, Infinity);
  assertEquals(await site.status(`${links[0]!.url}docs/`), 404, "although it is in the cache");
});

Deno.test("paths below others are shared once, and many paths still make a link", async () => {
  await using site = await sharingSite();
  assertEquals((await site.share({ paths: ["/docs/a/one.txt", "/docs/", "/docs"] })).paths, ["/docs/"]);
  const names = Array.from({ length: 100 }, (_, n) => `/team/sub/file-number-${n}.txt`);
  for (const name of names) await Deno.writeTextFile(site.at(name), name);
  const { url } = await site.share({ paths: names });
  assertEquals((await site.text(`${url}team/sub/?format=text`)).split("\n").length, 101);
  assertEquals(await site.text(`${url}team/sub/file-number-99.txt`), names[99]);
  const more = Array.from({ length: 400 }, (_, n) => `/team/a-name-that-is-much-longer-${n}.txt`);
  await assertRejects(() => site.share({ paths: more }), Error, "400 Too many paths for one link");
});

Deno.test("breadcrumbs link only what can be read", async () => {
  await using site = await sharingSite({ rules: ["anyone:read@/docs/a", "ann:all@/docs/a", "ann:all"] });
  await Deno.mkdir(site.at("docs/a/x/y"), { recursive: true });
  const heading = async (path: string) => {
    const text = await site.text(path, { headers: HTML });
    return { links: [.../<h1>(.*)<\/h1>/.exec(text)![1]!.matchAll(/href="([^"]+)"/g)].map(([, href]) => href), text };
  };
  assertEquals((await heading("/docs/a/x/y/")).links, ["../../", "../"]);
  const top = await heading("/docs/a/");
  assertEquals([top.links, top.text.includes('class="parent"')], [[], false]);
  const { url } = await site.share({ paths: ["/docs/a/x/"] });
  const shared = await heading(`${url}y/`);
  assertEquals([shared.links, shared.text.includes('class="parent"')], [["../"], true]);
  assert(!/href="[^"]*\.\.\/\.\.\//.test(shared.text), "nothing leads out of the share");
});

Deno.test("making a link needs the rights to share and to do what is shared, on each path", async () => {
  await using site = await sharingSite();
  const attempts: [name: string, wish: Record<string, unknown>, problem: string][] = [
    ["eve", { paths: ["/docs/"] }, "403 You may not share this"],
    ["bob", { paths: ["/team/"] }, "403 You may not share this"],
    ["bob", { paths: ["/"] }, "403 You may not share this"],
    ["bob", { paths: ["/docs/a/", "/team/"] }, "403 You may not share this"],
    ["bob", { paths: ["/docs/../team/"] }, "403 You may not share this"],
    ["bob", { paths: ["/docs/"], rights: ["upload"] }, "403 You cannot share what you may not do: upload"],
    ["bob", { paths: ["/docs/"], rights: ["read", "upload"] }, "403 You cannot share what you may not do: upload"],
    ["ann", { paths: ["/none"] }, "409 This cannot be shared"],
    ["ann", { paths: [] }, "400 There is nothing to share"],
    ["ann", { paths: ["docs"] }, "400 A path to share is a path of this site"],
    ["ann", { paths: ["//evil.example/%00"] }, "400 A path to share"],
    ["ann", { paths: ["/docs/?q=x"] }, "400 A path to share"],
    ["ann", { paths: ["/docs/"], rights: ["run"] }, "400 The rights of a share"],
    ["ann", { paths: ["/docs/"], rights: ["read", "delete"] }, "400 The rights of a share"],
    ["ann", { paths: ["/docs/"], rights: [] }, "400 The rights of a share"],
    ["ann", { paths: ["/docs/"], for: "forever" }, "400 The time is not a duration"],
    ["ann", { paths: ["/docs/"], for: 3 }, "400 A share is"],
    ["ann", { paths: "/docs/" }, "400 A share is"],
    ["ann", { paths: ["/docs/", "/team/"], rights: ["upload"] }, "400 An upload link leads to one directory"],
  ];
  for (const [name, wish, problem] of attempts) {
    await assertRejects(() => site.share(wish, name), Error, problem);
  }
  assertEquals(site.state.records.all(), []);
  assert((await site.share({ paths: ["/docs/"] }, "bob")).url);
});

Deno.test("malformed requests, other sites, other methods and clients without an account are refused", async () => {
  await using site = await sharingSite();
  const post = (headers: Record<string, string>, body: BodyInit) => {
    return site.status("/.pyserve/shares", { method: "POST", headers, body });
  };
  const wish = JSON.stringify({ paths: ["/docs/"] });
  const ann = basic("ann");
  assertEquals(await post({ ...ann, ...JSON_TYPE }, "{"), 400);
  assertEquals(await post({ ...ann, ...JSON_TYPE }, "null"), 400);
  assertEquals(await post({ ...ann, ...JSON_TYPE }, `{"paths":["${"/a".repeat(40_000)}"]}`), 413);
  assertEquals(await post({ ...ann, "content-type": "text/plain" }, wish), 415);
  assertEquals(await post(JSON_TYPE, wish), 401);
  assertEquals(await post({ ...JSON_TYPE, authorization: "Bearer read" }, wish), 403, "a token without the right");
  assertEquals(await post({ ...JSON_TYPE, authorization: "Bearer share" }, wish), 201);
  for (const foreign of [{ origin: "http://evil.example" }, { "sec-fetch-site": "cross-site" }, { origin: "null" }]) {
    assertEquals(await post({ ...ann, ...JSON_TYPE, ...foreign }, wish), 403, JSON.stringify(foreign));
    const { id } = await site.share({ paths: ["/docs/"] });
    const remove = { method: "DELETE", headers: { ...ann, ...foreign } };
    assertEquals(await site.status(`/.pyserve/shares/${id}`, remove), 403);
  }
  assertEquals(await site.status("/.pyserve/shares", { method: "PUT", body: "x", headers: ann }), 405);
  assertEquals(await site.status("/.pyserve/shares/x/y", { headers: ann }), 404);
  assertEquals(await site.status("/.pyserve/shares"), 401);
  const browser = await site.send("/.pyserve/shares?path=/docs/", {
    headers: { ...HTML, "user-agent": "Mozilla/5.0" },
  });
  assertEquals([browser.status, browser.headers.get("location")], [
    303,
    "login?to=%2F.pyserve%2Fshares%3Fpath%3D%2Fdocs%2F",
  ]);
});

Deno.test("users list and revoke their own links, and no others", async () => {
  await using site = await sharingSite();
  const mine = await site.share({ paths: ["/docs/a/"] });
  const his = await site.share({ paths: ["/docs/b/"] }, "bob");
  const list = async (name: string): Promise<SentShare[]> => {
    const headers = { ...basic(name), accept: "application/json" };
    return (await (await site.send("/.pyserve/shares", { headers })).json()).shares;
  };
  const { url: _, ...recorded } = mine;
  assertEquals(await list("ann"), [recorded], "with the same link");
  assertEquals((await list("bob")).map(({ id }) => id), [his.id]);
  const remove = (name: string, id: string) => {
    return site.status(`/.pyserve/shares/${id}`, { method: "DELETE", headers: basic(name) });
  };
  assertEquals(await remove("ann", his.id), 404);
  assertEquals(await site.status(his.url), 200);
  assertEquals(await remove("ann", mine.id), 204);
  assertEquals(await remove("ann", mine.id), 404);
  assertEquals([await site.status(mine.url), await list("ann")], [404, []]);
  const narrower = narrowShare(his.url.split("/")[3]!, { expires: Date.now() + 60_000 });
  assertEquals(await site.text(`/.pyserve/share/${narrower}/docs/b/two.txt`), "two");
  await remove("bob", his.id);
  assertEquals(await site.status(`/.pyserve/share/${narrower}/docs/b/two.txt`), 404, "and with it all narrower ones");
});

Deno.test("a link ends when it expires, with its user, and with a right of the user", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/docs/b/two.txt"], for: "1h" }, "bob");
  assertEquals(await site.status(url), 200);
  const paths = [SitePath.root.child("docs")!];
  const expiring = (expires: number) =>
    new Shares(site.state.key, () => 0).make({ paths, rights: new Set(["read"]), expires }, "bob");
  assertEquals(await site.status(`/.pyserve/share/${expiring(Date.now() + 60_000).token}/docs/b/two.txt`), 200);
  assertEquals(await site.status(`/.pyserve/share/${expiring(Date.now()).token}/docs/b/two.txt`), 404);
  site.users.names.delete("bob");
  assertEquals(await site.status(url), 404);
  site.users.names.add("bob");
  for (const rules of [["bob:read"], ["bob:share"], ["bob:read,share", "bob:none@/docs/b"]]) {
    await using other = await sharingSite({ rules, state: site.state });
    assertEquals(await other.status(url), 403, String(rules));
  }
});

Deno.test("a share without paths or with an expiry that has passed is not made", () => {
  const shares = new Shares(new Uint8Array(32), () => 1000);
  const paths = [SitePath.root];
  const rights = new Set(["read"] as const);
  assertThrows(() => shares.make({ paths: [], rights, expires: Infinity }, null), TypeError, "it has no paths");
  for (const expires of [NaN, 0, 1000, -Infinity]) {
    assertThrows(() => shares.make({ paths, rights, expires }, null), RangeError, "not in the future");
  }
  for (const expires of [1001, Infinity]) assert(shares.make({ paths, rights, expires }, null).token);
});

Deno.test("a file that moves away from a shared path is no longer shared, and what replaces it is", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/team/plan.txt"] });
  await Deno.rename(site.at("team/plan.txt"), site.at("team/new.txt"));
  assertEquals(await site.status(url), 404);
  assertEquals(await site.status(url.replace("plan", "new")), 403);
});

Deno.test({
  name: "a link on disk does not lead out of a share",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using site = await sharingSite();
    await Deno.symlink("../secret.txt", site.at("team/link.txt"));
    await Deno.symlink("../docs", site.at("team/docs"));
    const { url } = await site.share({ paths: ["/team/"] });
    assertEquals(await site.text(`${url}?format=text`), "sub/\nplan.txt\n");
    assertEquals(await site.status(`${url}link.txt`), 404);
    assertEquals(await site.status(`${url}docs/a/one.txt`), 404);
    await assertRejects(() => site.share({ paths: ["/team/link.txt"] }), Error, "409 This cannot be shared");
  },
});

Deno.test("no way out of a share: neighbours, parents, forms of paths, methods, other endpoints", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/team/sub/"], rights: ["read", "upload"] });
  const base = url.slice(0, -"team/sub/".length);
  const outside = ["", "team/", "team/plan.txt", "team/subx", "team/sub/../plan.txt", "team/sub/%2e%2e/plan.txt"]
    .concat(
      "team/sub/..%2fplan.txt",
      "secret.txt",
      "TEAM/sub/",
      "team//plan.txt",
      "team/./plan.txt",
      "docs/?q=one",
      "team/?archive=zip",
      "team/plan.txt?sha256",
      "?format=json",
      "team/?format=json",
      ".pyserve/shares",
      ".pyserve/login",
      ".pyserve/share/x/team/plan.txt",
    );
  for (const path of outside) {
    const response = await site.send(`${base}${path}`);
    const text = await response.text();
    const leads = response.status === 303 && path.startsWith("?") || path === "";
    assert(leads || response.status === 403 || response.status === 404, `${path}: ${response.status}`);
    assert(!/secret|plan\b|one\.txt/.test(text.replaceAll(path, "")), `${path}: ${text}`);
  }
  const writes: [method: string, path: string, headers?: Record<string, string>][] = [
    ["PUT", "team/new.txt"],
    ["PUT", "team/sub/../new.txt"],
    ["PUT", "team/sub/deep.txt?on-conflict=overwrite"],
    ["PUT", "team/sub/deep.txt"],
    ["DELETE", "team/sub/deep.txt"],
    ["DELETE", "team/sub/?recursive"],
    ["MKCOL", "team/new"],
    ["MOVE", "team/sub/deep.txt", { destination: `${base}team/sub/moved.txt` }],
    ["MOVE", "team/sub/deep.txt", { destination: `/team/moved.txt` }],
    ["COPY", "team/plan.txt", { destination: `${base}team/sub/stolen.txt` }],
    ["COPY", "team/sub/deep.txt", { destination: `${base}team/copied.txt` }],
    ["COPY", "team/sub/deep.txt", { destination: "/team/copied.txt" }],
    ["POST", ".pyserve/shares", JSON_TYPE],
  ];
  for (const [method, path, headers = {}] of writes) {
    const body = method === "PUT" ? "x" : method === "POST" ? JSON.stringify({ paths: ["/"] }) : null;
    const status = await site.status(`${base}${path}`, { method, headers, body });
    assert([403, 404, 405, 409].includes(status), `${method} ${path}: ${status}`);
  }
  assertEquals(await Deno.readTextFile(site.at("team/sub/deep.txt")), "deep");
  assertEquals([...Deno.readDirSync(site.at("team"))].map(({ name }) => name).sort(), ["plan.txt", "sub"]);
  assertEquals(await site.status(`${base}team/sub/new.txt`, { method: "PUT", body: "new" }), 201);
});

Deno.test("a narrower link made offline permits what both permit", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/docs/", "/team/"], rights: ["read", "upload"] });
  const token = url.split("/")[3]!;
  const pathOf = (text: string) => text.split("/").reduce((path, name) => path.child(name)!, SitePath.root);
  const narrow = (terms: Parameters<typeof narrowShare>[1]) => `/.pyserve/share/${narrowShare(token, terms)}/`;
  const docs = narrow({ paths: [pathOf("docs/a")], rights: new Set(["read"]) });
  assertEquals(await site.text(`${docs}docs/a/one.txt`), "one");
  for (const path of ["docs/b/two.txt", "docs/", "team/plan.txt"]) assertEquals(await site.status(docs + path), 403);
  assertEquals(await site.status(`${docs}docs/a/x`, { method: "PUT", body: "x" }), 403);
  const wider = narrow({ paths: [SitePath.root], rights: new Set(["read", "change", "share"]), expires: Infinity });
  assertEquals(await site.text(`${wider}docs/a/one.txt`), "one");
  assertEquals(await site.status(`${wider}secret.txt`), 403);
  assertEquals(await site.status(`${wider}docs/a/one.txt`, { method: "DELETE" }), 403);
  assertEquals(await site.status(`${narrow({ paths: [pathOf("secret.txt")] })}secret.txt`), 403);
  assertEquals(await site.status(`${narrow({ expires: 1 })}docs/a/one.txt`), 404);
});

Deno.test("what a link shows is kept by no shared cache and no search engine", async () => {
  await using site = await sharingSite();
  const { url } = await site.share({ paths: ["/team/"] });
  for (const path of ["", "plan.txt", "?format=json"]) {
    const { headers, body } = await site.send(url + path);
    await body?.cancel();
    assert(headers.get("cache-control")!.startsWith("private"), path);
    assertEquals([headers.get("x-robots-tag"), headers.get("referrer-policy")], ["noindex", "same-origin"]);
  }
});

Deno.test("the page offers sharing to users with the right only", async () => {
  await using site = await sharingSite({
    rules: ["anyone:read", "ann:all", "bob:read", "ann:all@/docs", "bob:read,share@/docs"],
  });
  const offers = async (path: string, headers: Record<string, string> = {}) => {
    const text = await site.text(path, { headers: { ...HTML, ...headers } });
    return [/data-can="[^"]*\bshare\b/.test(text), text.includes(".pyserve/shares?path=")];
  };
  assertEquals(await offers("/"), [false, false]);
  assertEquals(await offers("/", basic("bob")), [false, false]);
  assertEquals(await offers("/docs/", basic("bob")), [true, true]);
  assertEquals(await offers("/team/", basic("ann")), [true, true]);
  const { url } = await site.share({ paths: ["/team/"] });
  assertEquals(await offers(url), [false, false]);
});

Deno.test("neither pages nor downloads have the token in their names, also below a mount", async () => {
  await using site = await sharingSite();
  for (const prefix of ["", "/files"]) {
    const headers = { ...basic("ann"), ...JSON_TYPE, accept: "application/json" };
    const made = await site.send(`${prefix}/.pyserve/shares`, { method: "POST", headers, body: '{"paths":["/"]}' });
    const { link } = await made.json();
    const url = `${prefix}/.pyserve/${link}`;
    assert(/^share\/[\w.-]+\/$/.test(link), "relative, so that it works below a prefix");
    const page = await (await site.send(url, { headers: HTML })).text();
    assert(page.includes("<title>Directory listing for /</title>") && !page.includes('class="parent"'));
    const found = await (await site.send(`${url}?q=plan`, { headers: HTML })).text();
    assert(found.includes("<bdi>/</bdi>") && !found.includes(link.split("/")[1]!));
    const archive = await site.send(`${url}?archive=tar`);
    assertEquals(archive.headers.get("content-disposition"), 'attachment; filename="files.tar"');
    assert(!new TextDecoder("latin1").decode(await archive.bytes()).includes(link.split("/")[1]!));
  }
});

Deno.test("the number of links of a user is bounded, and revoked ones make room", async () => {
  await using site = await sharingSite();
  const { id } = await site.share({ paths: ["/docs/"], for: "0" });
  const { records } = site.state;
  const [record] = records.all();
  for (let n = 1; n < 500; n++) records.add({ ...record!, id: String(n) });
  await assertRejects(() => site.share({ paths: ["/docs/"] }), Error, "409 There are 500 share links already");
  assert((await site.share({ paths: ["/docs/"] }, "bob")).id);
  site.state.revocations.add(id, Infinity);
  assert((await site.share({ paths: ["/docs/"] })).id);
});

Deno.test("the log has the id of a link, and not what is as good as a password", async () => {
  await using site = await sharingSite();
  const { url, id } = await site.share({ paths: ["/team/"] });
  assert(site.lines[0]!.includes('" 201 ') && site.lines[0]!.includes(" ann "), site.lines[0]);
  const token = url.split("/")[3]!;
  await site.text(`${url}plan.txt`, { headers: { referer: `http://localhost${url}` } });
  await site.text(`${url}none.txt`);
  const narrower = narrowShare(token, { rights: new Set(["read"]) });
  await site.text(url.replace(token, narrower));
  assertEquals(site.lines.length, 4);
  for (const line of site.lines.slice(1)) {
    assert(line.includes(`/.pyserve/share/${id}.../team/`) && !line.includes(token.slice(-32)), line);
    assert(!line.includes(narrower.slice(-32)));
  }
});
