/** listing(): order, formats, links, unusual names and times. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { chain, disk, files, listing, memory, mount, toFetch } from "@x/pyserve";
import type { Listing } from "@x/pyserve/handlers";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SITE = memory({ "f10": "1234567890", "f2": "12", "F1": "", "dir/a": "a", "b dir/c/d": "d" }, {
  modified: MODIFIED,
});

async function list(target: string, headers: HeadersInit = {}): Promise<Response> {
  return await toFetch(listing(SITE))(new Request(`http://localhost${target}`, { headers }));
}

async function names(query: string): Promise<string[]> {
  const { entries }: Listing = await (await list(`/?format=json${query}`)).json();
  return entries.map(({ name }) => name);
}

Deno.test("listing() sorts directories first, names in natural order", async () => {
  assertEquals(await names(""), ["b dir", "dir", "F1", "f2", "f10"]);
  assertEquals(await names("&order=desc"), ["dir", "b dir", "f10", "f2", "F1"]);
  assertEquals(await names("&sort=size"), ["b dir", "dir", "F1", "f2", "f10"]);
  assertEquals(await names("&sort=size&order=desc"), ["b dir", "dir", "f10", "f2", "F1"]);
  assertEquals(await names("&sort=modified&other=ignored"), ["b dir", "dir", "F1", "f2", "f10"]);
});

Deno.test("listing() as JSON follows its schema", async () => {
  const response = await list("/?format=json");
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(await response.json(), {
    version: 1,
    path: "/",
    sort: "name",
    order: "asc",
    totals: { directories: 2, files: 3, bytes: 12 },
    entries: [
      entry("b dir", "directory", null, "b%20dir/"),
      entry("dir", "directory", null, "dir/"),
      entry("F1", "file", 0, "F1"),
      entry("f2", "file", 2, "f2"),
      entry("f10", "file", 10, "f10"),
    ],
  });
});

function entry(name: string, kind: string, size: number | null, href: string) {
  return { name, kind, size, modified: "2026-01-02T03:04:05.678Z", link: false, href, problem: null };
}

Deno.test("listing() chooses the format by Accept, and by ?format= before that", async () => {
  const rows = [
    [{}, "/", "text/html; charset=utf-8"],
    [{ accept: "*/*" }, "/", "text/html; charset=utf-8"],
    [{ accept: "text/html,application/xml;q=0.9,*/*;q=0.8" }, "/", "text/html; charset=utf-8"],
    [{ accept: "application/json" }, "/", "application/json"],
    [{ accept: "text/plain" }, "/", "text/plain; charset=utf-8"],
    [{ accept: "text/plain;q=0.5, application/json;q=0.9" }, "/", "application/json"],
    [{ accept: "image/png" }, "/", "text/html; charset=utf-8"],
    [{ accept: "text/html" }, "/?format=text", "text/plain; charset=utf-8"],
  ] as const;
  for (const [headers, target, type] of rows) {
    const response = await list(target, headers);
    await response.body?.cancel();
    assertEquals(response.headers.get("content-type"), type, JSON.stringify(headers));
    assertEquals(response.headers.get("vary"), "accept");
  }
});

Deno.test("listing() refuses unknown values, and ignores unknown keys", async () => {
  for (const query of ["format=xml", "sort=owner", "order=up", "sort="]) {
    const response = await list(`/?${query}`);
    assertEquals(response.status, 400, query);
    assertStringIncludes(await response.text(), "is not one of");
  }
});

Deno.test("listing() redirects to the slash, and declines files and missing paths", async () => {
  const redirect = await list("/b%20dir?x=1");
  assertEquals([redirect.status, redirect.headers.get("location")], [301, "b%20dir/?x=1"]);
  for (const target of ["/f2", "/nothing/"]) {
    const response = await list(target);
    await response.body?.cancel();
    assertEquals(response.status, 404);
  }
});

Deno.test("listing() answers conditional requests", async () => {
  const first = await list("/");
  await first.body?.cancel();
  const etag = first.headers.get("etag")!;
  assert(etag.startsWith("W/"));
  assertEquals((await list("/", { "if-none-match": etag })).status, 304);
  const ranged = await list("/", { range: "bytes=0-5" });
  await ranged.body?.cancel();
  assertEquals([ranged.status, ranged.headers.get("accept-ranges")], [200, null]);
});

Deno.test("listing() as a page matches its snapshot", async (t) => {
  const source = memory({ "b dir/<b>/x": "x", "b dir/a&b.txt": "12345" }, { modified: MODIFIED });
  const response = await toFetch(mount("/files", listing(source)))(new Request("http://localhost/files/b%20dir/"));
  const html = await response.text();
  await t.assertSnapshot(html.replace(/<style>[^]*<\/style>/, "<style>…</style>"));
});

Deno.test("listing() has a policy that allows its style and nothing else", async () => {
  const response = await list("/");
  const policy = response.headers.get("content-security-policy")!;
  const style = /<style>([^]*)<\/style>/.exec(await response.text())![1]!;
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(style))).toBase64();
  assertStringIncludes(policy, `style-src 'sha256-${hash}'`);
  assertStringIncludes(policy, "default-src 'none'");
  assert(!policy.includes("script-src") && !policy.includes("unsafe"));
});

/** Names of every kind; each is the content of its file, too. */
const NASTY = [
  "with space",
  "per%20cent",
  "%41",
  "hash#mark",
  "question?mark",
  'double"quote',
  "single'quote",
  "<script>alert(1)<",
  "<img src=x onerror=alert(1)>",
  "&amp;.txt",
  "new\nline",
  "back\\slash",
  "emoji 🐍",
  "עברית",
  "\u202egnp.exe",
  "javascript:alert(1)",
  "http:evil",
  "~tilde",
  "plus+sign",
  "semi;colon",
  "...",
  " leading",
  "trailing ",
  "-dash",
  "\x7f\x1b[31m",
];

Deno.test({
  name: "names of every kind are listed, linked and fetched",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree(Object.fromEntries(NASTY.map((name) => [name, name])));
    for (const name of NASTY) await Deno.mkdir(tree.at(`d ${name}`));
    const source = disk(tree.path);
    const fetch = toFetch(chain(files(source), listing(source)));
    const page = await (await fetch(new Request("http://localhost/"))).text();
    assert(!page.includes("<script") && !page.includes("<img") && !page.includes("\u202e") && !page.includes("\x1b"));
    const fetched = new Set<string>();
    for (const [, escaped] of page.matchAll(/<a href="([^"?]+)"/g)) {
      const url = new URL(unescapeHtml(escaped!), "http://localhost/");
      assertEquals(url.host, "localhost");
      const response = await fetch(new Request(url));
      assertEquals(response.status, 200, escaped);
      const body = await response.text();
      if (!url.pathname.endsWith("/")) fetched.add(body);
      else assertStringIncludes(body, "This directory is empty");
    }
    assertEquals(fetched, new Set(NASTY));
    const plain = await (await fetch(new Request("http://localhost/?format=text"))).text();
    assertEquals(plain.split("\n").length, NASTY.length * 2 + 1);
  },
});

function unescapeHtml(text: string): string {
  return text.replace(/&lt;|&gt;|&quot;|&#39;|&amp;/g, (entity) => {
    return { "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'", "&amp;": "&" }[entity]!;
  });
}

Deno.test({
  name: "what cannot be fetched is shown, marked and not linked",
  ignore: Deno.build.os === "windows" || missing("mkfifo"),
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    await Deno.symlink("nothing", tree.at("broken"));
    await Deno.symlink("/etc", tree.at("outside"));
    await Deno.symlink("a.txt", tree.at("inside"));
    await new Deno.Command("mkfifo", { args: [tree.at("fifo")] }).output();
    const fetch = toFetch(listing(disk(tree.path)));
    const page = await (await fetch(new Request("http://localhost/"))).text();
    for (const [name, problem] of [["broken@", "broken link"], ["outside@", "broken link"], ["fifo", "special file"]]) {
      assertStringIncludes(page, `<bdi>${name}</bdi> <span class="problem">${problem}</span>`);
    }
    assertStringIncludes(page, '<a href="inside"><bdi>inside@</bdi></a>');
    assertEquals(await (await fetch(new Request("http://localhost/?format=text"))).text(), "a.txt\ninside\n");
  },
});

Deno.test("times out of the range of Date are listed as unknown", async () => {
  for (const modified of [8.64e15 + 1, -8.64e15 - 1, NaN]) {
    const response = await toFetch(listing(memory({ "a": "a" }, { modified })))(new Request("http://localhost/"));
    assertEquals(response.status, 200);
    assertStringIncludes(await response.text(), '<td class="date"></td>');
  }
});

Deno.test("times are listed as toISOString writes them, to the ends of the calendar", async () => {
  const times = [
    0,
    -1,
    0.5,
    -0.5,
    59_999,
    60_000,
    -60_001,
    1e12 + 1.9,
    -1e12 - 1.9,
    8.64e15,
    -8.64e15,
    2 ** 48,
    -(2 ** 46),
  ];
  for (const modified of [...times, ...times]) {
    const response = await toFetch(listing(memory({ "a": "a" }, { modified })))(new Request("http://localhost/"));
    const iso = new Date(modified).toISOString();
    const [, day, time] = /^(.*)T(\d\d:\d\d)/.exec(iso)!;
    assertStringIncludes(await response.text(), `<time datetime="${iso}">${day} ${time}</time>`);
  }
});

Deno.test("names that collate equal have an order, too, which both sort directions reverse", async () => {
  const names = ["f1", "f01", "f001", "F1", "f2", "f10", "f02"];
  for (const given of [names, names.toReversed()]) {
    const source = memory(Object.fromEntries(given.map((name) => [name, ""])));
    const list = async (query: string) => {
      const response = await toFetch(listing(source))(new Request(`http://localhost/?format=text&${query}`));
      return (await response.text()).trim().split("\n");
    };
    const ascending = ["f001", "f01", "f1", "F1", "f02", "f2", "f10"];
    assertEquals(await list("sort=name&order=asc"), ascending);
    assertEquals(await list("sort=name&order=desc"), ascending.toReversed());
    assertEquals(await list("sort=size&order=desc"), ascending); // all of one size
  }
});
