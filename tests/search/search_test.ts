/** The search: patterns against a naive reference, results in every format, limits and disconnects. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { disk, fileServer, type FileSource, filtered, memory, mount, search, searches, toFetch } from "@x/pyserve";
import type { Found, SearchOptions, SearchResults } from "@x/pyserve/handlers";
import { isVisible } from "@x/pyserve/sources";
import { patternOf } from "../../handlers/search/pattern.ts";
import { start } from "../support/command.ts";
import { skeletonOf } from "../support/html.ts";
import { tempTree } from "../support/tree.ts";

const WINDOWS = Deno.build.os === "windows";
const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SITE = memory({
  "notes.txt": "",
  "docs/Notes-10.md": "12345",
  "docs/notes-2.md": "",
  "docs/deep/er/notes.txt": "",
  "docs/deep/café.txt": "",
  "photos/IMG_1.JPG": "",
  "photos/notes/x": "",
}, { modified: MODIFIED });

function ask(source: FileSource, target: string, init: RequestInit = {}, options: SearchOptions = {}) {
  return Promise.resolve(toFetch(search(source, options))(new Request(`http://localhost${target}`, init)));
}

async function found(source: FileSource, target: string, options: SearchOptions = {}): Promise<string[]> {
  const { results }: SearchResults = await (await ask(source, `${target}&format=json`, {}, options)).json();
  return results.map(({ path }) => path);
}

Deno.test("a pattern matches what it should", () => {
  const rows: readonly [pattern: string, names: string, others: string][] = [
    ["note", "notes.txt NOTE my-Note.md", "not ote"],
    ["*.txt", "a.txt A.TXT .txt", "a.txt.gz atxt"],
    ["*", "a .b", ""],
    ["a?c", "abc a☂c a😀c a-c", "ac abbc a/c"],
    ["[a-c]x", "ax BX cx", "dx x abx"],
    ["[!a-c]x", "dx ☂x", "ax /x"],
    ["[^a-c]x", "dx", "bx"],
    ["[]]", "]", "["],
    ["[!]]", "a", "]"],
    ["[a-]", "a -", "b"],
    ["[a", "[a", "a xa"],
    ["[", "[", "a[ ]"],
    ["[]", "[]", "] ["],
    ["a*b*c", "abc axxbyyc abbcc", "acb ab"],
    ["docs/*.md", "docs/a.md", "docs/a/b.md a.md x/docs/a.md"],
    ["docs/**/*.md", "docs/a.md docs/a/b.md docs/a/b/c.md", "docs.md xdocs/a.md docs/a.txt"],
    ["**/b", "b a/b a/a/b", "ab a/bb a/ab"],
    ["**/a/**/b", "a/b x/a/b a/y/b x/a/y/z/b", "xa/b a/xb b"],
    ["a/**", "a/ a/b a/b/c", "a b/a"],
    ["a**b/c", "ab/c a/x/b/c axb/c", "ab/d"],
    ["docs/no", "docs/notes xdocs/NO", "docs/x/no"],
    ["café", "cafe\u0301.txt CAFÉ", "cafe"],
    ["cafe\u0301*", "café.txt", "cafe.txt"],
    ["(a+)+$", "x(a+)+$", "aaaa"],
    ["a.c", "a.c xa.cx", "abc"],
    ["\\*", "\\ \\x", "* x"],
  ];
  for (const [pattern, names, others] of rows) {
    const { matches } = patternOf(pattern);
    for (const name of names.split(" ")) assert(matches(name), `${pattern} should match ${name}`);
    for (const name of others.split(" ").filter(Boolean)) assert(!matches(name), `${pattern} should not match ${name}`);
  }
});

/** A naive matcher, which may take exponential time. */
function naive(glob: string, name: string, isStart = true): boolean {
  if (glob === "") return name === "";
  const stars = /^\*+/.exec(glob)?.[0].length ?? 0;
  if (stars === 0) {
    const [group, negation, members] = /^\[([!^]?)(\]?[^\]]*)\]/.exec(glob) ?? [];
    if (group && members) {
      if (name === "" || name[0] === "/") return false;
      return inClass(members, name[0]!) === (negation === "") && naive(glob.slice(group.length), name.slice(1), false);
    }
    const one = name !== "" && (glob[0] === "?" ? name[0] !== "/" : glob[0] === name[0]);
    return one && naive(glob.slice(1), name.slice(1), glob[0] === "/");
  }
  const rest = glob.slice(stars);
  if (stars > 1 && isStart && rest.startsWith("/")) {
    const starts = [0, ...Array.from(name.matchAll(/\//g), ({ index }) => index + 1)];
    return starts.some((start) => naive(rest.slice(1), name.slice(start)));
  }
  for (let end = 0; end <= name.length; end++) {
    const taken = name.slice(0, end);
    if (stars === 1 && taken.includes("/")) break;
    if (naive(rest, name.slice(end), false)) return true;
  }
  return false;
}

function inClass(members: string, character: string): boolean {
  for (let i = 0; i < members.length; i++) {
    const isRange = members[i + 1] === "-" && i + 2 < members.length;
    const high = isRange ? members[i + 2]! : members[i]!;
    if (members[i]! <= character && character <= high) return true;
    if (isRange) i += 2;
  }
  return false;
}

Deno.test("20,000 globs at random match what a naive matcher matches", () => {
  let state = 12345;
  const random = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const text = (characters: readonly string[], length: number) => {
    return Array.from({ length: random(length + 1) }, () => characters[random(characters.length)]).join("");
  };
  let matched = 0;
  for (let turn = 0; turn < 20_000; turn++) {
    const glob = text(["a", "b", "/", "*", "?", "[ab]", "[!a]", "**", "**/", "/**/", "[a", "-", "]", "[]a-b]"], 8);
    if (!/[*?[]/.test(glob)) continue;
    const name = text(["a", "b", "/", "-", "]"], 8);
    const expected = naive(glob, name);
    assertEquals(patternOf(glob).matches(name), expected, `${glob} and ${name}`);
    matched += Number(expected);
  }
  assert(matched > 500, `only ${matched} matched: the test proves little`);
});

Deno.test("no pattern takes long, even those that would keep a backtracking matcher busy forever", () => {
  const name = `${"a".repeat(4_000)}b`;
  for (const unit of ["*a", "a*", "**a", "**/", "*?", "?*", "[a-z]*", "**", "*/"]) {
    const pattern = patternOf(`${unit.repeat(Math.floor(250 / unit.length))}c`);
    assertEquals(pattern.matches(name), false, unit);
  }
});

Deno.test("search() finds names below a directory, nearest first, in natural order", async () => {
  const all = ["notes.txt", "docs/notes-2.md", "docs/Notes-10.md", "photos/notes", "docs/deep/er/notes.txt"];
  assertEquals(await found(SITE, "/?q=note"), all);
  assertEquals(await found(SITE, "/?q=NOTE"), all);
  assertEquals(await found(SITE, "/docs/?q=note"), ["notes-2.md", "Notes-10.md", "deep/er/notes.txt"]);
  assertEquals(await found(SITE, "/?q=*.jpg"), ["photos/IMG_1.JPG"]);
  assertEquals(await found(SITE, "/?q=docs/**/*.txt"), ["docs/deep/café.txt", "docs/deep/er/notes.txt"]);
  assertEquals(await found(SITE, "/?q=deep/"), ["docs/deep/er", "docs/deep/café.txt", "docs/deep/er/notes.txt"]);
  assertEquals(await found(SITE, `/?q=${encodeURIComponent("cafe\u0301")}`), ["docs/deep/café.txt"]);
  assertEquals(await found(SITE, "/?q=nothing"), []);
});

Deno.test("search() as JSON and NDJSON follows its schema", async () => {
  const result: Found = {
    path: "docs/Notes-10.md",
    name: "Notes-10.md",
    kind: "file",
    size: 5,
    modified: "2026-01-02T03:04:05.678Z",
    link: false,
    href: "docs/Notes-10.md",
    problem: null,
  };
  const json = await ask(SITE, "/?q=-10", { headers: { accept: "application/json" } });
  const tail = { count: 1, more: false, end: "complete" };
  assertEquals(await json.json(), { version: 1, path: "/", query: "-10", results: [result], ...tail });
  const lines = await ask(SITE, "/?q=-10", { headers: { accept: "application/x-ndjson" } });
  assertEquals(lines.headers.get("content-type"), "application/x-ndjson");
  assertEquals((await lines.text()).trimEnd().split("\n").map((line) => JSON.parse(line)), [result, tail]);
});

Deno.test("search() as text has a path on each line, and HEAD has the headers of GET", async () => {
  const site = memory({ "d/a\nb": "", "d/c": "" });
  assertEquals(await (await ask(site, "/?q=d&format=text")).text(), "d/\n");
  assertEquals(await (await ask(site, "/?q=d/*&format=text")).text(), "d/a\\x0ab\nd/c\n");
  for (const format of ["html", "json", "ndjson", "text"]) {
    const target = `/?q=d&format=${format}`;
    const [head, get] = [await ask(site, target, { method: "HEAD" }), await ask(site, target)];
    await get.body!.cancel();
    assertEquals([head.status, [...head.headers], head.body], [200, [...get.headers], null]);
  }
});

Deno.test("search() as a page shows hostile names and queries as text", async () => {
  const site = memory({ "d/<img src=x onerror=alert(1)>": "", 'd/"&quot;': "", "d/javascript:alert(1)": "" });
  const response = await ask(site, `/?q=${encodeURIComponent("[!x]*")}`);
  assertStringIncludes(response.headers.get("content-security-policy")!, "default-src 'none'");
  const html = await response.text();
  assertStringIncludes(
    html,
    '<a href="d/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E"><bdi>d/&lt;img src=x onerror=alert(1)&gt;</bdi></a>',
  );
  assertStringIncludes(html, 'href="d/javascript%3Aalert%281%29"');
  assertStringIncludes(html, "4 found.");
  const plain = await (await ask(memory({ "d/a": "" }), "/?q=zzz")).text();
  const hostile = await (await ask(memory({ "d/a": "" }), `/?q=${encodeURIComponent("</title><script>'\"\u202e")}`))
    .text();
  assertEquals(skeletonOf(hostile), skeletonOf(plain));
});

Deno.test("search() refuses long patterns and unknown values, declines other requests, and redirects to the slash", async () => {
  const longest = await ask(SITE, `/?q=${"x".repeat(256)}`);
  assertEquals([longest.status, await longest.text().then((text) => text.includes("Nothing found"))], [200, true]);
  assertEquals((await ask(SITE, `/?q=${"x".repeat(257)}`)).status, 400);
  assertEquals((await ask(SITE, "/?q=x&format=xml")).status, 400);
  for (const target of ["/?q=", "/?q", "/notes.txt?q=x", "/nothing/?q=x", "/"]) {
    assertEquals((await ask(SITE, target)).status, 404, target);
  }
  assertEquals((await ask(SITE, "/?q=x", { method: "POST" })).status, 404);
  const redirect = await ask(SITE, "/docs?q=a%20b");
  assertEquals([redirect.status, redirect.headers.get("location")], [301, "docs/?q=a%20b"]);
});

Deno.test("an index page keeps its own query", async () => {
  const site = memory({ "app/index.html": "<h1>App</h1>", "app/x": "", "plain/x": "" });
  const fetch = toFetch(mount("/m", fileServer(site, { features: [searches()], log: false })));
  const text = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
  assertEquals(await text("/m/app/?q=x&format=text"), "<h1>App</h1>");
  assertEquals(await text("/m/plain/?q=x&format=text"), "x\n");
  assertEquals(await text("/m/?q=x&format=text"), "app/index.html\napp/x\nplain/x\n");
  assertEquals((JSON.parse(await text("/m/plain/?q=x&format=json")) as SearchResults).path, "/m/plain/");
});

Deno.test({
  name: "hidden names, files outside the root, and files that cannot be fetched are not found; loops of links end",
  ignore: WINDOWS,
  async fn() {
    await using tree = await tempTree({
      "root/d/x-file": "",
      "root/d/.x-hidden": "",
      "root/.git/x-config": "",
      "root-secret/x-secret": "",
    });
    const links = {
      up: "..",
      here: ".",
      "x-out": "../../root-secret",
      "x-etc": "/etc",
      "x-broken": "nowhere",
      "x-in": "x-file",
    };
    for (const [name, target] of Object.entries(links)) await Deno.symlink(target, tree.at(`root/d/${name}`));
    await Deno.symlink("d", tree.at("root/again"));
    const source = filtered(disk(tree.at("root")), isVisible);
    // By whichever path comes first: each directory is searched once.
    assertEquals(await found(source, "/?q=x-"), ["again/x-file", "again/x-in"]);
    assertEquals(await found(source, "/?q=*"), ["again", "d", "again/here", "again/up", "again/x-file", "again/x-in"]);
  },
});

Deno.test("limits end the search, which reports them", async () => {
  const site = memory(Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`d${i % 10}/x${i}`, ""])));
  const rows: readonly [options: SearchOptions, count: number, end: string][] = [
    [{ maxResults: 30 }, 30, "complete"],
    [{ maxResults: 29 }, 29, "results"],
    [{ maxResults: 1 }, 1, "results"],
    [{ maxDirectories: 5 }, 12, "directories"],
    [{ maxDirectories: 11 }, 30, "complete"],
    [{ maxMilliseconds: -1 }, 0, "time"],
  ];
  for (const [options, count, end] of rows) {
    const answer: SearchResults = await (await ask(site, "/?q=x&format=json", {}, options)).json();
    assertEquals([answer.results.length, answer.count, answer.more, answer.end], [
      count,
      count,
      end !== "complete",
      end,
    ]);
  }
  const page = await (await ask(site, "/?q=x", {}, { maxResults: 3 })).text();
  assertStringIncludes(page, "3 found. There are more");
});

/** A source with a directory in each directory, without end; it counts how many were read. */
function bottomless(): FileSource & { lists: number } {
  const stat = { kind: "directory", size: 0, modified: 0, version: "1", stable: true } as const;
  return {
    lists: 0,
    stat: ({ name }) => name.includes(".htm") ? null : stat,
    list() {
      this.lists += 1;
      return this.lists < 20_000 ? [[{ name: "x", stat, link: false, problem: null }]] : [];
    },
    open() {
      throw new Deno.errors.NotFound();
    },
  };
}

Deno.test("results are streamed during the search, no faster than they are read", async () => {
  const source = bottomless();
  const reader = (await ask(source, "/?q=x&format=ndjson")).body!.getReader();
  const line = new TextDecoder().decode((await reader.read()).value);
  assertEquals((JSON.parse(line) as Found).path, "x");
  assertEquals(source.lists, 1);
  await reader.cancel();
});

Deno.test("a search ends when its client disconnects, in the middle of a directory", async () => {
  const source = bottomless();
  const reader = (await ask(source, "/?q=nothing&format=json")).body!.getReader();
  await reader.read();
  const pending = reader.read();
  while (source.lists < 10) await new Promise((resolve) => setImmediate(resolve));
  await reader.cancel();
  await pending;
  assert(source.lists < 20_000, "it went on to the end");
});

Deno.test("a search whose client disconnects in the queue reads nothing", async () => {
  const turn = Promise.withResolvers<void>();
  const site = memory({ "a/x": "", "b/x": "", "c/x": "" });
  const read: string[] = [];
  const source: FileSource = {
    stat: (path) => site.stat(path),
    open: (path, seen) => site.open(path, seen),
    async list(path) {
      read.push(path.text);
      await turn.promise;
      return await site.list(path);
    },
  };
  const fetch = toFetch(search(source));
  const readers = await Promise.all(["a", "b", "c"].map(async (name) => {
    return (await fetch(new Request(`http://localhost/${name}/?q=x&format=text`))).body!.getReader();
  }));
  const reads = readers.map((reader) => reader.read());
  while (read.length < 2) await new Promise((resolve) => setImmediate(resolve));
  const left = readers[2]!.cancel();
  turn.resolve();
  await Promise.all([left, ...reads]);
  assertEquals(read, ["/a", "/b"]);
  await Promise.all(readers.map((reader) => reader.cancel()));
});

Deno.test("a search whose results are not read is aborted, and its slot goes to the next", async () => {
  const source = bottomless();
  const fetch = toFetch(search(source, { maxAtOnce: 1, stallTimeout: 20 }));
  const ask = () => fetch(new Request("http://localhost/?q=x&format=ndjson"));
  const stalled = (await ask()).body!.getReader();
  await stalled.read();
  const next = await ask();
  assertEquals(next.status, 200);
  await next.body?.cancel();
  await assertRejects(() => stalled.read(), Error, "stopped reading");
});

Deno.test("one client gets a quarter of the slots for searches", async () => {
  const fetch = toFetch(search(bottomless(), { queueTimeout: 0 }));
  const ask = (hostname: string) => {
    const remoteAddr = { transport: "tcp", hostname, port: 1 } as const;
    return fetch(new Request("http://localhost/?q=x", { headers: { host: "localhost" } }), { remoteAddr });
  };
  const answers = await Promise.all(
    ["a", "a", "a", "a", "a", "b"].map((last) => ask(`192.0.2.${last === "a" ? 1 : 2}`)),
  );
  assertEquals(answers.map(({ status }) => status), [200, 200, 200, 200, 429, 200]);
  await Promise.all(answers.map(({ body }) => body?.cancel()));
});

Deno.test("results vary by Accept, and say so", async () => {
  for (const accept of ["text/html", "application/json"]) {
    const response = await ask(memory({ "a": "" }), "/?q=a", { headers: { accept } });
    assertEquals(response.headers.get("vary"), "accept");
    await response.body?.cancel();
  }
});

Deno.test("the command offers searches unless they are turned off", async () => {
  await using tree = await tempTree({ "d/a.txt": "hello", ".hidden/a.txt": "" });
  for (const args of [[], ["--no-search"], ["--no-listing"]]) {
    await using command = await start([tree.path, ...args]);
    const text = await (await fetch(`http://127.0.0.1:${command.port}/?q=a.txt&format=text`)).text();
    assertEquals(text === "d/a.txt\n", args.length === 0, text);
  }
});

Deno.test("every format of the results has Vary: Accept and must not be stored", async () => {
  const fetch = toFetch(search(memory({ "a.txt": "a" })));
  const types = ["text/html", "application/json", "application/x-ndjson", "text/plain", "*/*"];
  const headers = types.map((accept): RequestInit => ({ headers: { accept } }));
  for (const init of [...headers, {}, ...headers.map((init) => ({ ...init, method: "HEAD" }))]) {
    for (const target of ["/?q=a", "/?q=a&format=json"]) {
      const response = await fetch(new Request(`http://localhost${target}`, init));
      await response.body?.cancel();
      assertEquals([response.status, response.headers.get("vary")], [200, "accept"]);
      assertEquals(response.headers.get("cache-control"), "no-store");
    }
  }
});
