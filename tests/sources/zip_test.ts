/** Archives as sources: real ones made by other programs, and hostile ones made by hand. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  archives,
  checksums,
  fileServer,
  type FileSource,
  memory,
  searches,
  SitePath,
  toFetch,
  union,
} from "@x/pyserve";
import { FileChanged, zip, ZipError } from "@x/pyserve/sources";
import { crc32 } from "node:zlib";
import { seeded } from "../support/random.ts";
import { missing } from "../support/programs.ts";
import { oldTree, tempTree } from "../support/tree.ts";
import { type HandArchive, type HandEntry, handZip } from "../support/zip.ts";

function serving(source: FileSource): (path: string, headers?: Record<string, string>) => Promise<Response> {
  const fetch = toFetch(fileServer(source, { features: [archives(), checksums(), searches()], log: false }), {
    log: { access() {}, error() {} },
  });
  return async (path, headers = {}) => await fetch(new Request(`http://localhost${path}`, { headers }));
}

async function served(archive: Uint8Array, path: string, headers: Record<string, string> = {}): Promise<Response> {
  await using tree = await tempTree({ "a.zip": archive });
  const response = await serving(zip(tree.at("a.zip")))(path, headers);
  return new Response(await response.bytes(), response);
}

async function textOf(response: Response): Promise<[number, string]> {
  return [response.status, await response.text()];
}

/** The names in the root. */
async function names(entries: readonly HandEntry[], options: HandArchive = {}): Promise<string[]> {
  await using tree = await tempTree({ "a.zip": handZip(entries, options) });
  const slices = await zip(tree.at("a.zip")).list(SitePath.root);
  const all: string[] = [];
  for await (const slice of slices!) all.push(...slice.map(({ name }) => name));
  return all.sort();
}

async function problemOf(archive: Uint8Array, maxEntries = 1_000): Promise<string> {
  await using tree = await tempTree({ "a.zip": archive });
  const source = zip(tree.at("a.zip"), { maxEntries });
  return (await assertRejects(async () => await source.stat(SitePath.root), ZipError)).message;
}

const LARGE = Array.from({ length: 200_000 }, (_, i) => `line ${i}\n`).join("");

Deno.test("an archive is a tree of files: indexes, listings, types, ranges, validators, HEAD", async () => {
  const archive = handZip([
    { name: "index.html", data: "<h1>Site" },
    { name: "docs/a.txt", data: "hello" },
    { name: "docs/large.txt", data: LARGE, method: 8 },
    { name: "docs/small.txt", data: "hello ".repeat(100), method: 8 },
    { name: "empty/" },
    { name: "empty.txt", method: 8 },
  ]);
  await using tree = await tempTree({ "a.zip": archive });
  const get = serving(zip(tree.at("a.zip")));
  assertEquals(await textOf(await get("/")), [200, "<h1>Site"]);
  assertEquals(await textOf(await get("/docs/a.txt")), [200, "hello"]);
  assertEquals(await textOf(await get("/empty.txt")), [200, ""]);
  assertEquals(await textOf(await get("/docs/small.txt")), [200, "hello ".repeat(100)]);
  assertEquals((await get("/docs")).status, 301);
  assertEquals((await get("/missing")).status, 404);
  const listing = await (await get("/docs/", { accept: "application/json" })).json();
  assertEquals(listing.entries.map(({ name, size }: { name: string; size: number }) => [name, size]), [
    ["a.txt", 5],
    ["large.txt", LARGE.length],
    ["small.txt", 600],
  ]);
  const whole = await get("/docs/large.txt");
  assertEquals(whole.headers.get("content-length"), String(LARGE.length));
  assert(await whole.text() === LARGE);
  const etag = whole.headers.get("etag")!;
  assertEquals((await get("/docs/large.txt", { "if-none-match": etag })).status, 304);
  for (const range of ["5-99", "1000000-1300000", "-7"]) {
    const part = await get("/docs/large.txt", { range: `bytes=${range}` });
    const [, start, end] = /(\d+)-(\d+)/.exec(part.headers.get("content-range")!)!;
    assertEquals(part.status, 206);
    assert(await part.text() === LARGE.slice(Number(start), Number(end) + 1), range);
  }
  const parts = await (await get("/docs/large.txt", { range: "bytes=1500000-1500009,5-9,700000-700003" })).text();
  const pieces = [LARGE.slice(1_500_000, 1_500_010), LARGE.slice(5, 10), LARGE.slice(700_000, 700_004)];
  for (const piece of pieces) assert(parts.includes(`\r\n\r\n${piece}\r\n--`));
});

Deno.test("features work on archives: search, checksums, and archives of archives", async () => {
  await using tree = await tempTree({ "a.zip": handZip([{ name: "docs/large.txt", data: LARGE, method: 8 }]) });
  const get = serving(union({ "/demo": zip(tree.at("a.zip")) }));
  assertEquals(await (await get("/?q=large&format=text")).text(), "demo/docs/large.txt\n");
  assertEquals((await (await get("/demo/docs/large.txt?md5")).text()).slice(32), "  large.txt\n");
  await Deno.writeFile(tree.at("b.zip"), await (await get("/demo/?archive=zip")).bytes());
  const again = serving(zip(tree.at("b.zip")));
  const { entries: [{ name }] } = await (await again("/", { accept: "application/json" })).json();
  assert(await (await again(`/${name}/docs/large.txt`)).text() === LARGE, name);
});

Deno.test({
  name: "archives of other programs are read",
  ignore: missing("zip", "python3"),
  async fn() {
    await using tree = await tempTree({ "site/a.txt": "hello", "site/ü ü/large.txt": LARGE });
    const commands: readonly (readonly [program: string, ...args: string[]])[] = [
      ["zip", "-qr", "../zip.zip", "."],
      ["zip", "-qr0", "../stored.zip", "."],
      ["zip", "-qr", "-fz", "../zip64.zip", "."],
      ["python3", "-m", "zipfile", "-c", "../python.zip", "a.txt", "ü ü"],
    ];
    for (const [program, ...args] of commands) {
      const { success } = await new Deno.Command(program, { args, cwd: tree.at("site") }).output();
      const name = args.find((arg) => arg.startsWith("../"))!.slice(3);
      assert(success, name);
      const get = serving(zip(tree.at(name)));
      assertEquals(await textOf(await get("/a.txt")), [200, "hello"], name);
      assert(await (await get("/%C3%BC%20%C3%BC/large.txt")).text() === LARGE, name);
    }
  },
});

Deno.test("ZIP64 records, a comment, bytes in front of the archive, and names in old encodings are understood", async () => {
  const entries: HandEntry[] = [{ name: "a.txt", data: "hello", isWide: true }, { name: "b.txt", data: "b" }];
  assertEquals(await textOf(await served(handZip(entries, { isWide: true }), "/a.txt")), [200, "hello"]);
  assertEquals(await textOf(await served(handZip(entries, { comment: "PK\x05\x06 comment" }), "/a.txt")), [
    200,
    "hello",
  ]);
  for (const isWide of [false, true]) {
    const program = new Uint8Array([...new TextEncoder().encode("#!/bin/sh\n"), ...handZip(entries, { isWide })]);
    assertEquals(await textOf(await served(program, "/b.txt")), [200, "b"]);
  }
  assertEquals(await names([{ name: new Uint8Array([0x81, 0x2e, 0x74]) }, { name: "ü.t" }]), ["ü.t"]);
});

Deno.test("names that no program should extract are left out; of several entries with one name the last counts", async () => {
  const bad = ["../up", "a/../../up", "/absolute", "a//b", "./a", "a\\b", "..\\up", "C:/a", "a\0b", "a\nb", "", "/"];
  assertEquals(await names([...bad.map((name) => ({ name })), { name: "good" }]), ["good"]);
  assertEquals(await names([{ name: new Uint8Array([0xff, 0x61]), flags: 0x800 }, { name: "good" }]), ["good"]);
  const twice = handZip([{ name: "a.txt", data: "first" }, { name: "a.txt", data: "last" }]);
  assertEquals(await textOf(await served(twice, "/a.txt")), [200, "last"]);
  for (const pair of [[{ name: "a" }, { name: "a/b" }], [{ name: "a/b" }, { name: "a" }]]) {
    assertEquals((await served(handZip(pair), "/a/b")).status, 200);
  }
});

Deno.test("symlinks and devices are listed, and never followed", async () => {
  const archive = handZip([
    { name: "link", data: "/etc/passwd", mode: 0o120777 },
    { name: "fifo", mode: 0o010644 },
    { name: "file", data: "hello", mode: 0o100600 },
  ]);
  assertEquals((await served(archive, "/link")).status, 404);
  assertEquals((await served(archive, "/fifo")).status >= 403, true);
  assertEquals(await textOf(await served(archive, "/file")), [200, "hello"]);
  const { entries } = await (await served(archive, "/", { accept: "application/json" })).json();
  assertEquals(entries.length, 3);
});

Deno.test("encrypted files and unknown methods are refused in words", async () => {
  const archive = handZip([
    { name: "secret", data: "hello", flags: 1 },
    { name: "aes", data: "hello", method: 99 },
    { name: "bzip2", data: "hello", method: 12 },
  ]);
  for (const [path, words] of [["/secret", "encrypted"], ["/aes", "encrypted"], ["/bzip2", "not supported"]] as const) {
    const [status, text] = await textOf(await served(archive, path));
    assertEquals([status, text.includes(words)], [403, true], text);
  }
});

/** What a client gets of a file, and how the response ends. */
async function received(entry: Omit<HandEntry, "name">): Promise<{ status: number; bytes: number; isWhole: boolean }> {
  await using tree = await tempTree({
    "a.zip": handZip([{ name: "a.bin", ...entry }, { name: "b.txt", data: "neighbour" }]),
  });
  const response = await serving(zip(tree.at("a.zip")))("/a.bin");
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) bytes += chunk.length;
    return { status: response.status, bytes, isWhole: true };
  } catch {
    return { status: response.status, bytes, isWhole: false };
  }
}

Deno.test("lies about sizes, offsets, names and checksums: an error, or a body that breaks off; never more bytes than promised", async () => {
  const small = new TextEncoder().encode("hello ".repeat(50));
  const large = new TextEncoder().encode(LARGE);
  const status = async (entry: Omit<HandEntry, "name">) => (await received(entry)).status;
  assertEquals(await status({ data: small, size: 10 }), 500);
  assertEquals(await status({ data: small, packed: 1e6, size: 1e6 }), 500);
  assertEquals(await status({ data: small, start: 5 }), 500);
  assertEquals(await status({ data: small, start: 1e9 }), 500);
  assertEquals(await status({ data: small, localName: "else" }), 500);
  assertEquals(await status({ data: small, method: 8, size: small.length - 1 }), 500);
  assertEquals(await status({ data: small, method: 8, size: small.length + 1 }), 500);
  assertEquals(await status({ data: small, method: 8, crc: 1 }), 500);
  assertEquals(await status({ data: small, method: 8, size: 1e9 }), 500);
  assertEquals(await status({ data: small, method: 8, packed: 5 }), 500);
  const last = handZip([{ name: "a.bin", data: small, packed: small.length + 3, size: small.length + 3 }]);
  assertEquals((await served(last, "/a.bin")).status, 500); // it would end within the central directory
  for (const lie of [{ size: large.length - 1 }, { size: large.length + 1 }, { crc: 1 }, { packed: 100_000 }]) {
    const { status, bytes, isWhole } = await received({ data: large, method: 8, ...lie });
    assertEquals([status, isWhole], [200, false]);
    assert(bytes < (lie.size ?? large.length), JSON.stringify(lie));
  }
  assertEquals(await received({ data: large, method: 8 }), { status: 200, bytes: large.length, isWhole: true });
});

Deno.test("a file that cannot be parsed is not an archive: one sentence", async () => {
  const entries = [{ name: "a.txt", data: "hello" }];
  const good = handZip(entries);
  assertEquals(await problemOf(new TextEncoder().encode("text")), "it is not a ZIP archive");
  assertEquals(await problemOf(new Uint8Array()), "it is not a ZIP archive");
  assertEquals(await problemOf(good.subarray(0, good.length - 1)), "it is not a ZIP archive");
  assertEquals(await problemOf(handZip(entries, { count: 2 })), "it is damaged");
  assertEquals(await problemOf(handZip(entries, { count: 0 })), "it is damaged");
  assertEquals(await problemOf(handZip(entries, { directoryStart: 1_000 })), "it is damaged");
  assertEquals(await problemOf(handZip(entries, { directoryLength: 1e9 })), "it is damaged");
  assertEquals(await problemOf(handZip(entries, { directoryLength: 3 })), "it is damaged");
  assertEquals(await problemOf(handZip(entries, { count: 1e12, isWide: true })), "it has more than 1000 entries");
  assertEquals(await problemOf(handZip(entries, { disk: 1 })), "it spans several files");
});

Deno.test("the number of entries is bounded, and so are the directories that names imply", async () => {
  const many = Array.from({ length: 1_001 }, (_, i) => ({ name: `${i}` }));
  assertEquals(await problemOf(handZip(many)), "it has more than 1000 entries");
  assertEquals(await problemOf(handZip([{ name: "a/".repeat(1_001) }])), "it has more than 1000 entries");
  assertEquals((await served(handZip(many.slice(1)), "/7")).status, 200);
});

Deno.test("a bomb is inflated piece by piece, and has no ranges", async () => {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  await using tree = await tempTree({ "a.zip": handZip([{ name: "zeros.bin", data: zeros, method: 8 }]) });
  const get = serving(zip(tree.at("a.zip")));
  const ranged = await get("/zeros.bin", { range: "bytes=-1" });
  assertEquals([ranged.status, ranged.headers.get("accept-ranges")], [200, null]);
  const reader = ranged.body!.getReader();
  assert((await reader.read()).value!.length <= 262_144);
  await reader.cancel();
  const whole = await get("/zeros.bin");
  let [count, sum] = [0, 0];
  for await (const chunk of whole.body!) {
    count += chunk.length;
    sum = crc32(chunk, sum);
  }
  assertEquals([count, sum], [zeros.length, crc32(zeros)]);
});

Deno.test("an archive that is replaced is served as it is now; a download under way goes on from the old one", async () => {
  await using tree = await tempTree({
    "a.zip": handZip([{ name: "a.txt", data: "old" }, { name: "large", data: LARGE, method: 8 }]),
  });
  const get = serving(zip(tree.at("a.zip")));
  assertEquals(await textOf(await get("/a.txt")), [200, "old"]);
  const old = await get("/large");
  const { etag } = Object.fromEntries((await get("/a.txt")).headers);
  await Deno.writeFile(tree.at("new.zip"), handZip([{ name: "a.txt", data: "new" }]));
  await Deno.rename(tree.at("new.zip"), tree.at("a.zip"));
  assertEquals(await textOf(await get("/a.txt", { "if-none-match": etag! })), [200, "new"]);
  assertEquals((await get("/large")).status, 404);
  assert(await old.text() === LARGE);
  await Deno.writeTextFile(tree.at("a.zip"), "not an archive any more");
  assertEquals((await get("/a.txt")).status, 500);
  await Deno.remove(tree.at("a.zip"));
  assertEquals((await get("/a.txt")).status, 404);
});

Deno.test("what was looked up in one archive is not opened in another", async () => {
  await using tree = await tempTree({ "a.zip": handZip([{ name: "a.txt", data: "old" }]) });
  const source = zip(tree.at("a.zip"));
  const path = SitePath.root.child("a.txt")!;
  const seen = (await source.stat(path))!;
  await Deno.writeFile(tree.at("b.zip"), handZip([{ name: "a.txt", data: "new" }]));
  await Deno.rename(tree.at("b.zip"), tree.at("a.zip"));
  await assertRejects(async () => await source.open(path, seen), FileChanged);
  const now = (await source.stat(path))!;
  await assertRejects(async () => await source.open(path, seen), FileChanged);
  assertEquals(source.freshness!(path, seen), null);
  using file = await source.open(path, now);
  const into = new Uint8Array(9);
  assertEquals(new TextDecoder().decode(into.subarray(0, await file.read(0, into))), "new");
});

Deno.test("a change of the archive is reported as one of the directory that is watched", async () => {
  await using tree = await tempTree({ "a.zip": handZip([{ name: "a.txt", data: "old" }]), "other/": "" });
  const source = union({ "/": memory({ "b.txt": "b" }), "/demo": zip(tree.at("a.zip")) });
  const stop = new AbortController();
  const changes = source.watch!(SitePath.root, stop.signal)[Symbol.asyncIterator]();
  const change = changes.next();
  await Deno.writeTextFile(tree.at("b.txt"), "b");
  await Deno.writeTextFile(tree.at("other/a.zip"), "c");
  await Deno.writeFile(tree.at("new.zip"), handZip([{ name: "a.txt", data: "new" }]));
  await Deno.rename(tree.at("new.zip"), tree.at("a.zip"));
  const { value } = await change;
  assertEquals([value?.text, await textOf(await serving(source)("/demo/a.txt"))], ["/demo", [200, "new"]]);
  stop.abort();
  await changes.return?.();
});

Deno.test("responses are cached, and never stale", async () => {
  await using tree = await oldTree({ "a.zip": handZip([{ name: "a.txt", data: "old" }]) });
  let opened = 0;
  const source = zip(tree.at("a.zip"));
  const counting: FileSource = {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    freshness: (path, seen) => source.freshness!(path, seen),
    absence: (path) => source.absence!(path),
    open(path, seen) {
      opened += 1;
      return source.open(path, seen);
    },
  };
  const get = serving(counting);
  for (let i = 0; i < 3; i++) {
    assertEquals(await textOf(await get("/a.txt")), [200, "old"]);
    assertEquals((await get("/b.txt")).status, 404);
  }
  assertEquals(opened, 1);
  await Deno.writeFile(tree.at("a.zip"), handZip([{ name: "a.txt", data: "new" }, { name: "b.txt", data: "b" }]));
  assertEquals(await textOf(await get("/a.txt")), [200, "new"]);
  assertEquals(await textOf(await get("/b.txt")), [200, "b"]);
});

Deno.test("what is no file is not accepted as an archive", async () => {
  await using tree = await tempTree({ "docs/": "" });
  assertThrows(() => zip(tree.at("docs")), TypeError, "it is not a file");
  assertThrows(() => zip(tree.at("missing.zip")), Deno.errors.NotFound);
});

Deno.test("whatever bytes an archive consists of, each response is an error, whole, or breaks off", async () => {
  const random = seeded(14);
  const upTo = (limit: number) => Math.floor(random() * limit);
  const data = LARGE.slice(0, 400_000);
  const good = handZip([
    { name: "a.txt", data: "hello", isWide: true },
    { name: "docs/b.txt", data: "hello ".repeat(50), method: 8 },
    { name: "docs/large.txt", data, method: 8, mode: 0o100644 },
  ], { isWide: true });
  // Mostly in the records, which lie at the end.
  const flipped = () => {
    const bytes = good.slice();
    for (let i = 1 + upTo(3); i > 0; i--) {
      bytes[random() < 0.8 ? bytes.length - 1 - upTo(420) : upTo(bytes.length)] = upTo(256);
    }
    return random() < 0.1 ? bytes.subarray(0, upTo(bytes.length)) : bytes;
  };
  await using tree = await tempTree({ "a.zip": good });
  const outcomes = new Map<string, number>();
  for (let round = 0; round < 300; round++) {
    await Deno.writeFile(tree.at("a.zip"), flipped());
    const get = serving(zip(tree.at("a.zip")));
    for (const path of ["/", "/?q=*&format=text", "/a.txt", "/docs/b.txt", "/docs/large.txt"]) {
      const response = await get(path, { accept: "text/plain" });
      const length = response.headers.get("content-length");
      const outcome = await response.bytes().then((bytes) => {
        assert(length === null || bytes.length === Number(length), `${path} in round ${round}`);
        return `${response.status}`;
      }, () => `${response.status}, broken off`);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
  }
  assertEquals([...outcomes.keys()].sort(), ["200", "200, broken off", "403", "404", "500"]);
});

Deno.test({
  name: "no archive stays open: after whole, partial, cancelled and refused responses",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const zeros = new Uint8Array(4_000_000);
    await using tree = await tempTree({
      "a.zip": handZip([
        { name: "stored.bin", data: zeros },
        { name: "deflated.bin", data: zeros, method: 8 },
        { name: "small.txt", data: "hello", method: 8 },
        { name: "lie.bin", data: zeros, method: 8, crc: 1 },
        { name: "secret.txt", data: "hello", flags: 1 },
      ]),
    });
    const get = serving(zip(tree.at("a.zip")));
    for (const path of ["/stored.bin", "/deflated.bin", "/small.txt", "/lie.bin", "/secret.txt"]) {
      await (await get(path)).bytes().catch(() => {});
      await (await get(path, { range: "bytes=9-700000" })).bytes().catch(() => {});
      await (await get(path)).body?.cancel();
      const reader = (await get(path)).body!.getReader();
      await reader.read();
      await reader.cancel();
      assertEquals(openBelow(tree.path), [], path);
    }
  },
});

function openBelow(directory: string): string[] {
  const names = [...Deno.readDirSync("/proc/self/fd")].flatMap(({ name }) => {
    try {
      return [Deno.readLinkSync(`/proc/self/fd/${name}`)];
    } catch {
      return []; // closed meanwhile
    }
  });
  return names.filter((name) => name.startsWith(directory));
}
