/** Reading by range: a source over a network answers a request with one request for exactly the bytes wanted. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { archive, chain, checksum, disk, files, memory, serve, SitePath, toFetch } from "@x/pyserve";
import { openRanges } from "@x/pyserve/sources";
import { Store } from "@x/pyserve/store";
import type { ByteRange } from "@x/pyserve/http";
import { originOf, remote } from "../support/remote.ts";
import { seeded } from "../support/random.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { tempTree } from "../support/tree.ts";

const LARGE = Array.from({ length: 300_000 }, (_, i) => String.fromCharCode(97 + i % 23)).join("");
const PAGE = `<meta charset="utf-8">${LARGE}`;

interface Case {
  readonly name: string;
  readonly path: string;
  readonly init?: RequestInit;
  readonly status?: number;
  readonly text: string;
  readonly fetched: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "a small file", path: "/small.txt", text: "0123456789", fetched: ["GET /small.txt bytes=0-9"] },
  { name: "an empty file", path: "/empty.txt", text: "", fetched: [] },
  { name: "a large file", path: "/large.txt", text: LARGE, fetched: ["GET /large.txt bytes=0-299999"] },
  {
    name: "a large page that declares its encoding",
    path: "/page.html",
    text: PAGE,
    fetched: [`GET /page.html bytes=0-${PAGE.length - 1}`],
  },
  {
    name: "a small range",
    path: "/large.txt",
    init: { headers: { range: "bytes=100-149" } },
    status: 206,
    text: LARGE.slice(100, 150),
    fetched: ["GET /large.txt bytes=100-149"],
  },
  {
    name: "a large range",
    path: "/large.txt",
    init: { headers: { range: "bytes=100-250000" } },
    status: 206,
    text: LARGE.slice(100, 250_001),
    fetched: ["GET /large.txt bytes=100-250000"],
  },
  {
    name: "a range of a page, and the declaration of its encoding",
    path: "/page.html",
    init: { headers: { range: "bytes=5000-5009" } },
    status: 206,
    text: PAGE.slice(5000, 5010),
    fetched: ["GET /page.html bytes=5000-5009", "GET /page.html bytes=0-1023"],
  },
  { name: "HEAD", path: "/large.txt", init: { method: "HEAD" }, text: "", fetched: [] },
  {
    name: "a range past the end",
    path: "/small.txt",
    init: { headers: { range: "bytes=20-" } },
    status: 416,
    text: "416",
    fetched: [],
  },
];

const FILES = { "small.txt": "0123456789", "empty.txt": "", "large.txt": LARGE, "page.html": PAGE };

for (const door of ["in process", "over HTTP/1"]) {
  for (const { name, path, init, status = 200, text, fetched } of CASES) {
    Deno.test(`a source over HTTP is asked only for what is sent: ${name}, ${door}`, async () => {
      await using origin = originOf(memory(FILES));
      const answer = toFetch(files(remote(origin.url)));
      const server = serve(answer, { hostname: "127.0.0.1", port: 0 });
      await using _closing = { [Symbol.asyncDispose]: () => server.drain() };
      const ask = door === "in process" ? answer : fetch;
      const url = `http://127.0.0.1:${server.address.port}${path}`;
      const response = await ask(new Request(url, init));
      const body = await response.text();
      assertEquals(response.status, status);
      if (status < 400) assert(body === text, `${body.length} bytes`);
      assertEquals(origin.requests().filter((request) => request.startsWith("GET")), fetched);
    });
  }
}

Deno.test("a source over HTTP is asked once for each of several ranges", async () => {
  await using origin = originOf(memory(FILES));
  const headers = { range: "bytes=0-9,1000-1009,200000-200009" };
  const response = await toFetch(files(remote(origin.url)))(new Request("http://localhost/large.txt", { headers }));
  const body = await response.text();
  for (const start of [0, 1000, 200_000]) assert(body.includes(LARGE.slice(start, start + 10)));
  assertEquals(origin.requests().slice(1), [
    "GET /large.txt bytes=0-9",
    "GET /large.txt bytes=1000-1009",
    "GET /large.txt bytes=200000-200009",
  ]);
});

Deno.test("a checksum fetches a file of a source over HTTP once", async () => {
  await using origin = originOf(memory(FILES));
  const fetch = toFetch(checksum(remote(origin.url)));
  const response = await fetch(new Request("http://localhost/large.txt?sha256"));
  assertEquals((await response.text()).split(" ").at(-1), "large.txt\n");
  assertEquals(origin.requests().filter((request) => request.startsWith("GET")), ["GET /large.txt bytes=0-299999"]);
});

Deno.test("copying a file of a source over HTTP fetches it once", async () => {
  await using tree = await tempTree();
  await using origin = originOf(memory(FILES));
  const store = new Store(disk(tree.path)).as({ may: () => true });
  await store.copy(SitePath.root.child("large.txt")!, SitePath.root.child("copy")!, { source: remote(origin.url) });
  assert(await Deno.readTextFile(tree.at("copy")) === LARGE);
  assertEquals(origin.requests().filter((request) => request.startsWith("GET")), ["GET /large.txt bytes=0-299999"]);
});

Deno.test("a file of a source over HTTP that was exchanged is looked up again", async () => {
  const [old, newer] = [memory({ "a.txt": "old" }), memory({ "a.txt": "newer" })];
  let isExchanged = false;
  const now = () => isExchanged ? newer : old;
  await using origin = originOf({
    stat: (path) => now().stat(path),
    list: (path) => now().list(path),
    open: (path, seen) => now().open(path, seen),
  });
  const inner = remote(origin.url);
  const source: typeof inner = {
    ...inner,
    async stat(path) {
      const stat = await inner.stat(path);
      isExchanged = true;
      return stat;
    },
  };
  const response = await toFetch(chain(files(source)))(new Request("http://localhost/a.txt"));
  assertEquals(await response.text(), "newer");
});

Deno.test("a client that disconnects ends the request to the origin", async () => {
  for (const isBegun of [false, true]) {
    const cancelled = Promise.withResolvers<void>();
    const fetchRange = () =>
      new ReadableStream<Uint8Array<ArrayBuffer>>({
        pull: (controller) => controller.enqueue(new Uint8Array(1000)),
        cancel: () => cancelled.resolve(),
      });
    const file = await openRanges(fetchRange, { size: 1e9, range: { start: 0, end: 1e9 } });
    if (isBegun) await file.read(0, new Uint8Array(10));
    const reader = file.stream!().getReader();
    await reader.read();
    await reader.cancel();
    await cancelled.promise;
  }
});

Deno.test("openRanges() reads any bytes in any order, however they are sliced", async () => {
  const random = seeded(7);
  const upTo = (limit: number) => Math.floor(random() * limit);
  const content = new Uint8Array(20_000).map(() => upTo(256));
  const sliced = ({ start, end }: ByteRange) =>
    ReadableStream.from((function* () {
      for (let at = start; at < end;) {
        const size = upTo(10) === 0 ? 0 : 1 + upTo(5000);
        yield content.slice(at, Math.min(end, at + size));
        at += size;
      }
    })());
  for (let round = 0; round < 300; round++) {
    const start = upTo(content.length);
    const range = { start, end: start + upTo(content.length - start + 1) };
    using file = await openRanges(sliced, { size: content.length, ...(upTo(4) > 0 && { range }) });
    let at = upTo(2) === 0 ? start : upTo(content.length);
    for (let turn = 0; turn < 20; turn++) {
      const into = new Uint8Array(1 + upTo(8000));
      const count = await file.read(at, into);
      assertEquals(into.subarray(0, count), content.subarray(at, at + count));
      if (at < content.length && at !== range.end) assert(count > 0);
      at = upTo(5) === 0 ? upTo(content.length) : at + count;
    }
    if (!file.stream) continue;
    const streamed = await new Response(file.stream()).bytes();
    assert(streamed.length <= range.end - range.start);
    assertEquals(streamed, content.slice(range.start, range.end));
  }
});

Deno.test({
  name: "the stream of a file on disk begins where the range does",
  ignore: DESCRIPTORS === null, // files opened by name have none
  async fn() {
    await using tree = await tempTree({ "a.txt": "0123456789" });
    const source = disk(tree.path);
    const path = SitePath.root.child("a.txt")!;
    const file = await source.open(path, (await source.stat(path))!, { start: 4, end: 10 });
    const into = new Uint8Array(2);
    assertEquals([await file.read(0, into), new TextDecoder().decode(into)], [2, "01"]);
    assertEquals(await new Response(file.stream!()).text(), "456789");
  },
});

Deno.test("an archive of a source over HTTP fetches each file once", async () => {
  await using origin = originOf(memory({ "docs/a.txt": LARGE, "docs/b.txt": "b" }));
  const inner = remote(origin.url);
  const names = ["a.txt", "b.txt"].map((name) => SitePath.root.child("docs")!.child(name)!);
  const source: typeof inner = {
    ...inner,
    list: async (path) =>
      path.text !== "/docs" ? null : [
        await Promise.all(
          names.map(async (path) => ({ name: path.name, stat: await inner.stat(path), link: false, problem: null })),
        ),
      ],
  };
  const response = await toFetch(archive(source))(new Request("http://localhost/docs/?archive=tar"));
  assertEquals(response.status, 200);
  await response.bytes();
  const gets = origin.requests().filter((request) => request.startsWith("GET"));
  assertEquals(gets, ["GET /docs/a.txt bytes=0-299999", "GET /docs/b.txt bytes=0-0"]);
});

Deno.test("an error of the origin is an error of the response, not an empty file", async () => {
  const failing = () => Promise.reject(new Error("The origin is down"));
  await assertRejects(() => openRanges(failing, { size: 3, range: { start: 0, end: 3 } }), Error, "down");
  using file = await openRanges(failing, { size: 3 });
  await assertRejects(async () => await file.read(0, new Uint8Array(3)), Error, "down");
});
