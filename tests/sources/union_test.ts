/** A source made of several: what it shows is what a reference model of mounted trees says, and nothing more. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  archives,
  cgiFeature,
  chain,
  checksums,
  disk,
  fileServer,
  type FileSource,
  filtered,
  memory,
  SitePath,
  toFetch,
  union,
  upload,
  uploadFeatures,
} from "@x/pyserve";
import { isVisible, readOnly, writableIn, type WriteProblem, WriteRefused } from "@x/pyserve/sources";
import { seeded } from "../support/random.ts";
import { Store } from "@x/pyserve/store";
import { nextTick } from "../support/clock.ts";
import { oldTree, tempTree } from "../support/tree.ts";

function path(text: string): SitePath {
  return text.split("/").filter(Boolean).reduce((parent, name) => parent.child(name)!, SitePath.root);
}

/** A tree: the content of files, and null for directories. */
type Tree = Map<string, string | null>;

/** Everything in a source, by stat, list and open. */
async function treeOf(source: FileSource, at = SitePath.root, tree: Tree = new Map()): Promise<Tree> {
  const stat = await source.stat(at);
  if (stat?.kind !== "directory") {
    using file = await source.open(at, stat!);
    const bytes = new Uint8Array(stat!.size);
    tree.set(at.text, new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes))));
    return tree;
  }
  tree.set(at.text, null);
  for await (const slice of (await source.list(at))!) {
    for (const { name, stat } of slice) {
      const child = at.child(name)!;
      assert(!tree.has(child.text), `${child.text} is listed twice`);
      assertEquals((await source.stat(child))?.kind, stat?.kind, child.text);
      await treeOf(source, child, tree);
    }
  }
  return tree;
}

/** The reference model: each mount, the outer ones first, clears its place and puts its tree there. */
function merged(mounts: Readonly<Record<string, Tree>>): Tree {
  const all: Tree = new Map([["/", null]]);
  const prefixes = Object.keys(mounts).sort((a, b) => a.split("/").length - b.split("/").length);
  for (const prefix of prefixes) {
    const top = prefix === "/" ? "" : prefix;
    for (const known of [...all.keys()]) if (known === prefix || known.startsWith(`${top}/`)) all.delete(known);
    for (const [text, content] of mounts[prefix]!) all.set(text === "/" ? prefix : top + text, content);
  }
  for (const prefix of prefixes) {
    for (let above = path(prefix).parent; above !== null; above = above.parent) all.set(above.text, null);
  }
  // A file where a directory has to be hides nothing: nothing is below it.
  return new Map([...all].sort(([a], [b]) => a < b ? -1 : 1));
}

const NAMES = ["a", "b", "docs", "docs-old", "ü ü"];

function randomFiles(upTo: (limit: number) => number): Record<string, string> {
  const files: Record<string, string> = {};
  const isFree = (text: string) =>
    Object.keys(files).every((at) => !`${at}/`.startsWith(`${text}/`) && !`${text}/`.startsWith(`${at}/`));
  for (let i = upTo(8); i > 0; i--) {
    const text = Array.from({ length: 1 + upTo(3) }, () => NAMES[upTo(NAMES.length)]).join("/");
    if (isFree(text)) files[text] = `${i}${"x".repeat(upTo(5))}`;
  }
  return files;
}

Deno.test("union() shows what the reference model says, for random trees and mount points", async () => {
  const random = seeded(11);
  const upTo = (limit: number) => Math.floor(random() * limit);
  for (let round = 0; round < 300; round++) {
    const mounts: Record<string, FileSource> = upTo(5) > 0 ? { "/": memory(randomFiles(upTo)) } : {};
    for (let i = upTo(5); i > 0; i--) {
      mounts[`/${Array.from({ length: 1 + upTo(3) }, () => NAMES[upTo(NAMES.length)]).join("/")}`] = memory(
        randomFiles(upTo),
      );
    }
    const encoded = Object.fromEntries(Object.entries(mounts).map(([at, source]) => [encodeURI(at), source]));
    const source = union(encoded);
    const trees: Record<string, Tree> = {};
    for (const [at, mounted] of Object.entries(mounts)) trees[at] = await treeOf(mounted);
    const [shown, expected] = [await treeOf(source), merged(trees)];
    assertEquals([...shown].sort(([a], [b]) => a < b ? -1 : 1), [...expected], JSON.stringify(Object.keys(mounts)));
    for (let i = 0; i < 30; i++) {
      const asked = path(Array.from({ length: 1 + upTo(4) }, () => NAMES[upTo(NAMES.length)]).join("/"));
      const stat = await source.stat(asked);
      assertEquals(stat !== null, expected.has(asked.text), asked.text);
      assertEquals(await source.list(asked) !== null, expected.get(asked.text) === null, asked.text);
    }
  }
});

Deno.test("union() refuses what is no path, and two sources at one", () => {
  const source = memory({});
  assertThrows(() => union({ docs: source }), TypeError, 'Cannot mount at "docs": It must begin with a slash');
  assertThrows(() => union({ "/../docs": source }), TypeError, "above the root");
  assertThrows(() => union({ "/a%2Fb": source }), TypeError, "encoded slash");
  assertThrows(() => union({ "/docs": source, "/%64ocs/": source }), TypeError, "another source is mounted there");
});

Deno.test("union() without a source at the root has nothing but its mount points", async () => {
  const source = union({ "/a/b": memory({ "c.txt": "c" }) });
  assertEquals([...(await treeOf(source)).keys()], ["/", "/a", "/a/b", "/a/b/c.txt"]);
  assertEquals(await source.stat(path("c.txt")), null);
  assertEquals(await source.stat(path("a/c")), null);
  assertEquals([...(await treeOf(union({}))).keys()], ["/"]);
});

Deno.test("a union can be mounted in another one", async () => {
  await using tree = await tempTree({ "in/a.html": "<p>a", "docs/b.html": "<p>b" });
  const inner = union({ "/in": disk(tree.at("in")), "/docs": readOnly(disk(tree.at("docs"))) });
  const source = union({ "/site": inner, "/site/in/m": memory({ "c.html": "<p>c" }) });
  const all = ["/", "/site", "/site/docs", "/site/docs/b.html", "/site/in", "/site/in/a.html", "/site/in/m"];
  assertEquals([...(await treeOf(source)).keys()].toSorted(), [...all, "/site/in/m/c.html"]);
  const fetch = toFetch(chain(upload(source), fileServer(source, { log: false })));
  const ask = (at: string, init?: RequestInit) => fetch(new Request(`http://localhost${at}`, init));
  assertEquals((await ask("/site/in/new.html", { method: "PUT", body: "<p>n" })).status, 201);
  assertEquals((await ask("/site/docs/new.html", { method: "PUT", body: "<p>n" })).status, 403);
  const isSandboxed = async (at: string) => (await ask(at)).headers.has("content-security-policy");
  assertEquals(
    await Promise.all(["/site/in/new.html", "/site/docs/b.html", "/site/in/m/c.html"].map(isSandboxed)),
    [true, false, false],
  );
});

Deno.test("files of a mounted disk are cached, and made anew when they change", async () => {
  await using tree = await oldTree({ "docs/a.txt": "first" });
  const docs = disk(tree.at("docs"));
  let opened = 0;
  const counted: FileSource = {
    stat: (path) => docs.stat(path),
    list: (path) => docs.list(path),
    open: (path, seen, range) => (opened++, docs.open(path, seen, range)),
    freshness: (path, seen) => docs.freshness!(path, seen),
    absence: (path) => docs.absence!(path),
  };
  const fetch = toFetch(fileServer(union({ "/": memory({}), "/docs": counted }), { log: false }));
  const get = async (at: string) => {
    const response = await fetch(new Request(`http://localhost${at}`));
    return response.ok ? await response.text() : `${response.status}`;
  };
  assertEquals([await get("/docs/a.txt"), await get("/docs/a.txt"), await get("/docs/a.txt")], Array(3).fill("first"));
  assertEquals(opened, 1);
  assertEquals([await get("/docs/b.txt"), await get("/docs/b.txt"), await get("/docs/b.txt")], Array(3).fill("404"));
  await nextTick();
  await Deno.writeTextFile(tree.at("docs/a.txt"), "second");
  await Deno.writeTextFile(tree.at("docs/b.txt"), "b");
  assertEquals([await get("/docs/a.txt"), await get("/docs/b.txt")], ["second", "b"]);
});

Deno.test("no spelling of a path reaches another source than the one that is mounted there", async () => {
  await using tree = await tempTree({
    "site/docs/hidden.txt": "hidden",
    "site/a.txt": "a",
    "docs/b.txt": "b",
    "secret.txt": "s",
  });
  if (Deno.build.os !== "windows") {
    await Deno.symlink("../docs", tree.at("site/out"));
    await Deno.symlink("../site/a.txt", tree.at("docs/across.txt"));
    await Deno.symlink("docs", tree.at("site/alias"));
  }
  const source = union({ "/": disk(tree.at("site")), "/docs": disk(tree.at("docs")) });
  const fetch = toFetch(fileServer(source, { log: false, features: [archives(), checksums()] }));
  const status = async (target: string) => {
    const response = await fetch(new Request(`http://localhost${target}`));
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("/docs/b.txt"), 200);
  assertEquals(await status("/%64ocs/b.txt"), 200);
  assertEquals(await status("/x/../docs/b.txt"), 200);
  for (
    const target of [
      "/docs/hidden.txt",
      "/%64%6f%63%73/hidden.txt",
      "/docs/./hidden.txt",
      "/docs//hidden.txt",
      "/docs/../secret.txt",
      "/docs/..%2fa.txt",
      "/docs/%2e%2e/%2e%2e/secret.txt",
      "/docs%2fhidden.txt",
      "/docs%5chidden.txt",
      "/docs/across.txt",
      "/out/b.txt",
      "/docs-old/b.txt",
      "/doc/b.txt",
      "/b.txt",
    ]
  ) assertEquals(await status(target), 404, target);
  // A link inside of one source stays in it: what its own directory has, not what is mounted over that.
  if (Deno.build.os !== "windows") assertEquals(await status("/alias/hidden.txt"), 200);
  assertEquals(await status("/docs/a.txt"), 404);
});

Deno.test("a listing shows mount points, is kept, and is made anew when one of its sources changes", async () => {
  await using tree = await oldTree({ "site/a.txt": "a", "docs/b.txt": "b" });
  const [site, docs] = [disk(tree.at("site")), disk(tree.at("docs"))];
  const source = union({ "/": site, "/docs": docs, "/deep/er": docs });
  const fetch = toFetch(fileServer(source, { log: false }));
  const names = async (at = "/") => await (await fetch(new Request(`http://localhost${at}?format=text`))).text();
  assertEquals(await names(), "deep/\ndocs/\na.txt\n");
  assertEquals(await names("/deep/"), "er/\n");
  await Deno.writeTextFile(tree.at("docs/new.txt"), "new");
  assertEquals(await names("/docs/"), "b.txt\nnew.txt\n");
  await Deno.writeTextFile(tree.at("site/new.txt"), "new");
  assertEquals(await names(), "deep/\ndocs/\na.txt\nnew.txt\n");
  await Deno.remove(tree.at("docs"), { recursive: true });
  assertEquals(await names(), "deep/\na.txt\nnew.txt\n"); // nothing is there to be listed
});

Deno.test("the freshness of a directory with mount points covers all of them", async () => {
  await using tree = await oldTree({ "site/a.txt": "a", "docs/b.txt": "b" });
  const source = union({ "/": disk(tree.at("site")), "/docs": disk(tree.at("docs")), "/v/w": disk(tree.at("docs")) });
  const checkOf = async (at: SitePath) => source.freshness!(at, (await source.stat(at))!);
  const root = await checkOf(SitePath.root);
  assert(root!());
  await Deno.mkdir(tree.at("site/v")); // a directory where there was none but for the mount point
  assert(!root!());
  await nextTick();
  const again = await checkOf(SitePath.root);
  assert(again!());
  await Deno.writeTextFile(tree.at("docs/c.txt"), "c");
  assert(!again!());
  await nextTick();
  const isAbsent = source.absence!(path("docs/nothing.txt"));
  assert(isAbsent!());
  await Deno.writeTextFile(tree.at("docs/nothing.txt"), "something");
  assert(!isAbsent!());
});

Deno.test("archives and checksums go through mount points", async () => {
  const source = union({ "/": memory({ "a.txt": "a" }), "/docs": memory({ "b.txt": "bb" }) });
  const fetch = toFetch(fileServer(source, { features: [archives(), checksums()], log: false }));
  const tar = new TextDecoder().decode(await (await fetch(new Request("http://localhost/?archive=tar"))).bytes());
  assert(tar.includes("docs/b.txt") && tar.includes("a.txt"));
  const sum = await (await fetch(new Request("http://localhost/docs/b.txt?md5"))).text();
  assertEquals(sum, "21ad0bd836b90d08f4cf640b4c298e7c  b.txt\n");
});

/** The problem for which a write is refused, or null. */
async function problemOf(write: Promise<unknown>): Promise<WriteProblem | null> {
  try {
    await write;
    return null;
  } catch (error) {
    if (error instanceof WriteRefused) return error.problem;
    throw error;
  }
}

Deno.test("mount points cannot be removed, moved or replaced, and nothing is moved between sources", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "site/v/x.txt": "x", "docs/b.txt": "b" });
  const source = union({
    "/": disk(tree.at("site")),
    "/docs": disk(tree.at("docs")),
    "/v/w": readOnly(disk(tree.at("docs"))),
    "/m": memory({ "c.txt": "c" }),
  });
  const writer = await source.openWriter!();
  const to = (text: string, replace = false) => ({ paths: [path(text)], replace });
  const refused: [string, () => Promise<unknown>, WriteProblem][] = [
    ["remove a mount point", () => writer.remove(path("docs"), { recursive: true }), "mount"],
    ["remove what contains one", () => writer.remove(path("v"), { recursive: true }), "mount"],
    ["remove the root", () => writer.remove(SitePath.root, { recursive: true }), "name"],
    ["move a mount point", () => writer.move(path("docs"), to("elsewhere")), "mount"],
    ["move what contains one", () => writer.move(path("v"), to("elsewhere")), "mount"],
    ["make a mount point", () => writer.makeDirectory(path("docs")), "taken"],
    ["a file at a mount point", () => writer.create(path("docs"), "1"), "directory"],
    ["move to a mount point", () => writer.move(path("a.txt"), to("docs")), "taken"],
    ["replace a mount point", () => writer.move(path("a.txt"), to("docs", true)), "directory"],
    ["move across", () => writer.move(path("a.txt"), to("docs/a.txt")), "elsewhere"],
    ["move out", () => writer.move(path("docs/b.txt"), to("b.txt")), "elsewhere"],
    ["write to a read-only mount", () => writer.create(path("v/w/new.txt"), "1"), "not here"],
    ["remove from a read-only mount", () => writer.remove(path("v/w/b.txt")), "not here"],
    ["write to memory", () => writer.makeDirectory(path("m/new")), "not here"],
  ];
  for (const [what, write, problem] of refused) assertEquals(await problemOf(write()), problem, what);
  assertEquals([...(await treeOf(disk(tree.path))).keys()].toSorted(), [
    "/",
    "/docs",
    "/docs/b.txt",
    "/site",
    "/site/a.txt",
    "/site/v",
    "/site/v/x.txt",
  ]);
});

Deno.test("what is written arrives in the source that is mounted there, under its own path", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "docs/old.txt": "old" });
  const source = union({ "/": disk(tree.at("site")), "/docs/v1": disk(tree.at("docs")) });
  const writer = await source.openWriter!();
  const part = await writer.create(path("docs/v1/new/b.txt"), "id");
  await part.write(new TextEncoder().encode("hello"));
  await part.keep();
  assertEquals(await writer.progress(path("docs/v1/new/b.txt"), "id"), 5);
  const resumed = await writer.resume(path("docs/v1/new/b.txt"), "id");
  const stored = await resumed!.commit({ paths: [path("docs/v1/new/b.txt")], replace: false, notes: "noted" });
  assertEquals([stored.path.text, await Deno.readTextFile(tree.at("docs/new/b.txt"))], ["/docs/v1/new/b.txt", "hello"]);
  assertEquals((await writer.recall(path("docs/v1/new/b.txt"), "id"))?.finished?.path.text, "/docs/v1/new/b.txt");
  assert(await writer.forget(path("docs/v1/new/b.txt"), "id"));
  const moved = await writer.move(path("docs/v1/old.txt"), { paths: [path("docs/v1/new/old.txt")], replace: false });
  assertEquals([moved.path.text, await Deno.readTextFile(tree.at("docs/new/old.txt"))], [
    "/docs/v1/new/old.txt",
    "old",
  ]);
  // So far, the directory above the mount point was only there because of that.
  await writer.makeDirectory(path("docs/v2"));
  assertEquals([...(await treeOf(source)).keys()].filter((name) => /v2|a.txt/.test(name)).sort(), [
    "/a.txt",
    "/docs/v2",
  ]);
  await writer.remove(path("docs/v2"));
});

Deno.test("files and directories are copied from one mount to another, and from one that is read-only", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "docs/in/deep/b.txt": "b" });
  const source = union({
    "/": disk(tree.at("site")),
    "/x/docs": readOnly(disk(tree.at("docs"))),
    "/m": memory({ "c.txt": "c" }),
  });
  const store = new Store(source, { rights: { create: true, change: true } }).as({ may: () => true });
  assertEquals((await store.copy(path("x/docs/in"), path("x/copy"))).path.text, "/x/copy");
  await store.copy(path("m/c.txt"), path("c.txt"));
  assertEquals(await problemOf(store.copy(path("a.txt"), path("x/docs/a.txt"))), "not here");
  assertEquals(await problemOf(store.copy(path("x/docs/in"), path("m/in"))), "not here");
  assertEquals(await problemOf(store.move(path("x/docs/in"), path("in"))), "not here");
  assertEquals(await problemOf(store.remove(path("x"), { recursive: true })), "mount");
  const tops = ["/a.txt", "/c.txt", "/x/copy/deep/b.txt"];
  const site = await treeOf(disk(tree.at("site")));
  assertEquals(tops.map((at) => site.get(at)), ["a", "c", "b"]);
});

Deno.test("beside programs, files that are not on disk are served", async () => {
  await using tree = await tempTree({ "site/cgi-bin/a.sh": "#!/bin/sh\n", "site/a.txt": "a" });
  const source = union({ "/": disk(tree.at("site")), "/m": filtered(memory({ "b.txt": "b" }), isVisible) });
  const site = fileServer(source, { features: [cgiFeature()], log: false });
  const get = async (at: string) => await (await toFetch(site)(new Request(`http://localhost${at}`))).text();
  assertEquals([await get("/a.txt"), await get("/m/b.txt"), await get("/m/?format=text")], ["a", "b", "b.txt\n"]);
  const alone = fileServer(filtered(memory({ "b.txt": "b" }), isVisible), { features: [cgiFeature()], log: false });
  assertEquals(await (await toFetch(alone)(new Request("http://localhost/b.txt"))).text(), "b");
});

Deno.test("each mount has its own rights: Allow, the page's controls, and what may be done", async () => {
  await using tree = await tempTree({ "site/a.txt": "a", "docs/b.txt": "b" });
  const source = union({ "/": disk(tree.at("site")), "/docs": readOnly(disk(tree.at("docs"))) });
  const features = uploadFeatures({ rights: { create: true, change: true } });
  const fetch = toFetch(fileServer(source, { features, log: false }));
  const ask = (method: string, at: string, init: RequestInit = {}) =>
    fetch(new Request(`http://localhost${at}`, { method, ...init }));
  const allowed = async (at: string) => (await ask("OPTIONS", at)).headers.get("allow")!.includes("PUT");
  assertEquals([await allowed("/a.txt"), await allowed("/docs/b.txt")], [true, false]);
  const can = async (at: string) => (await (await ask("GET", `${at}?format=json`)).json()).can;
  assertEquals([await can("/"), await can("/docs/")], [["upload", "delete"], []]);
  const status = async (method: string, at: string, init?: RequestInit) => {
    const response = await ask(method, at, init);
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await status("PUT", "/new.txt", { body: "new" }), 201);
  assertEquals(await status("PUT", "/docs/new.txt", { body: "new" }), 403);
  assertEquals(await status("DELETE", "/docs/b.txt"), 403);
  assertEquals(await status("DELETE", "/a.txt"), 204);
  assertEquals(await status("DELETE", "/docs/"), 403);
  assertEquals([...Deno.readDirSync(tree.at("docs"))].map(({ name }) => name), ["b.txt"]);
});

Deno.test("only pages that a client may have written are sandboxed, each mount for itself", async () => {
  const page = "<p>page";
  await using tree = await tempTree({ "in/a.html": page, "docs/b.html": page, "in/part/c.html": page });
  const source = union({
    "/in": disk(tree.at("in")),
    "/docs": readOnly(disk(tree.at("docs"))),
    "/part": readOnly(disk(tree.at("in/part"))), // written through /in
    "/m": memory({ "d.html": page }),
  });
  const sites = {
    "with the feature": fileServer(source, {
      features: uploadFeatures({ rights: { create: true, change: false } }),
      log: false,
    }),
    "beside the handler": chain(upload(source), fileServer(filtered(source, isVisible), { log: false })),
  };
  for (const [name, site] of Object.entries(sites)) {
    const isSandboxed = async (at: string) => {
      const response = await toFetch(site)(new Request(`http://localhost${at}`));
      assertEquals(await response.text(), page);
      return response.headers.get("content-security-policy")?.startsWith("sandbox") ?? false;
    };
    const found = await Promise.all(["/in/a.html", "/docs/b.html", "/part/c.html", "/m/d.html"].map(isSandboxed));
    assertEquals(found, [true, false, true, false], name);
  }
});

Deno.test("filtered(), writableIn() and union() go together", async () => {
  await using tree = await tempTree({
    "site/incoming/": "",
    "site/.env": "s",
    "docs/.git/config": "s",
    "docs/in/": "",
  });
  const inner = union({ "/": disk(tree.at("site")), "/docs": filtered(disk(tree.at("docs")), isVisible) });
  const source = writableIn(filtered(inner, isVisible), ["/incoming", "/docs/in"]);
  assertEquals([...(await treeOf(source)).keys()].toSorted(), ["/", "/docs", "/docs/in", "/incoming"]);
  const writer = await source.openWriter!();
  const problem = async (at: string) => await problemOf(writer.makeDirectory(path(at)));
  assertEquals(await problem("incoming/new"), null);
  assertEquals(await problem("docs/in/new"), null);
  assertEquals([await problem("new"), await problem("docs/new"), await problem("docs")], [
    "not here",
    "not here",
    "not here",
  ]);
  assertEquals(await problem("docs/in/.hidden"), "hidden");
  await Deno.remove(tree.at("docs/in"), { recursive: true });
  if (Deno.build.os === "windows") return;
  await Deno.symlink(tree.at("site"), tree.at("docs/in")); // leads out of its own source
  assertEquals(await problem("docs/in/again"), "not here");
  assertEquals([...(await treeOf(disk(tree.at("site")))).keys()].toSorted(), [
    "/",
    "/.env",
    "/incoming",
    "/incoming/new",
  ]);
});

Deno.test({
  name: "without a disk at the root, too, nothing is written through a link out of the writable directory",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree({ "up/in/": "", "up/other/": "" });
    await Deno.symlink("../other", tree.at("up/in/link"));
    for (const mounts of [{}, { "/": memory({}) }]) {
      const source = writableIn(union({ ...mounts, "/up": disk(tree.at("up")) }), ["/up/in"]);
      const writer = await source.openWriter!();
      assertEquals(await problemOf(writer.makeDirectory(path("up/in/link/new"))), "not here");
      assertEquals(await problemOf(writer.create(path("up/in/link/new"), "id")), "not here");
      await writer.makeDirectory(path(`up/in/${Object.keys(mounts).length}`));
    }
    assertEquals([...Deno.readDirSync(tree.at("up/other"))], []);
  },
});

Deno.test("whatever is written, it changes the mount that the path lies in, and no mount point", async () => {
  await using tree = await tempTree({ "0/a/b.txt": "ab", "1/a/b.txt": "1", "2/docs/x": "2" });
  const random = seeded(5);
  const upTo = (limit: number) => Math.floor(random() * limit);
  const points = ["/", "/docs", "/a/b"];
  const disks = points.map((_, index) => disk(tree.at(String(index))));
  const source = union(Object.fromEntries(points.map((point, index) => [point, disks[index]!])));
  const writer = await source.openWriter!();
  const randomPath = () => path(Array.from({ length: 1 + upTo(4) }, () => NAMES[upTo(4)]).join("/"));
  const mountOf = (at: SitePath) => at.below(path("docs")) ? 1 : at.below(path("a/b")) ? 2 : 0;
  const snapshot = async () =>
    await Promise.all(disks.map(async (one) => JSON.stringify([...await treeOf(one)].sort())));
  const done: Record<string, number> = {};
  let before = await snapshot();
  for (let turn = 0; turn < 400; turn++) {
    const [at, to] = [randomPath(), randomPath()];
    const operations = {
      put: async () => {
        const part = await writer.create(at, "id");
        try {
          await part.write(new TextEncoder().encode(String(turn)));
          await part.commit({ paths: [at], replace: upTo(2) === 0 });
        } catch (error) {
          await part.discard();
          throw error;
        }
      },
      makeDirectory: () => writer.makeDirectory(at),
      remove: () => writer.remove(at, { recursive: upTo(2) === 0 }),
      move: () => writer.move(at, { paths: [to], replace: upTo(2) === 0 }),
    };
    const names = Object.keys(operations) as (keyof typeof operations)[];
    const name = names[upTo(names.length)]!;
    const problem = await problemOf(operations[name]());
    done[`${name} ${problem === null}`] = (done[`${name} ${problem === null}`] ?? 0) + 1;
    const after = await snapshot();
    const changed = after.flatMap((text, index) => text === before[index] ? [] : [index]);
    const touched = problem === null ? [mountOf(at)] : [];
    // A refused operation may have made the directory that leads to a mount point.
    assert(
      changed.every((index) => touched.includes(index) || (index === 0 && problem !== null)),
      `${name} ${at.text} ${to.text}`,
    );
    for (const point of points) assertEquals((await source.stat(path(point)))?.kind, "directory", point);
    before = after;
  }
  assertEquals(Object.keys(done).length, 8, JSON.stringify(done)); // each succeeded, and each was refused
  const trees = await Promise.all(disks.map((one) => treeOf(one)));
  const expected = merged(Object.fromEntries(points.map((point, index) => [point, trees[index]!])));
  assertEquals([...await treeOf(source)].sort(([a], [b]) => a < b ? -1 : 1), [...expected]);
});
