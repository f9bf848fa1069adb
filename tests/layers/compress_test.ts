import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createBrotliDecompress, createGunzip, createZstdDecompress } from "node:zlib";
import { Duplex } from "node:stream";
import { fileServer, memory, serve, toFetch } from "@x/pyserve";
import { type CodingName, isCompressible } from "@x/pyserve/http";
import { compress } from "@x/pyserve/layers";
import { compressors } from "../../handlers/layers/compress.ts";
import { watched } from "../support/watched.ts";

const CODINGS: readonly CodingName[] = ["zstd", "br", "gzip"];
const TEXT = "text that repeats itself, ".repeat(200);
type Bytes = Uint8Array<ArrayBuffer>;

function decompressor(coding: CodingName): TransformStream<Bytes, Bytes> {
  const create = { zstd: createZstdDecompress, br: createBrotliDecompress, gzip: createGunzip }[coding];
  return Duplex.toWeb(create()) as TransformStream<Bytes, Bytes>;
}

/** The text of a response, decoded as it says. */
async function textOf(response: Response): Promise<string> {
  const coding = response.headers.get("content-encoding") as CodingName | null;
  return await new Response(coding ? response.body!.pipeThrough(decompressor(coding)) : response.body).text();
}

function site(files: Record<string, string>) {
  const fetch = toFetch(fileServer(memory(files), { layers: [compress()], precompressed: false, log: false }));
  return (path: string, headers: Record<string, string> = {}, method = "GET") =>
    Promise.resolve(fetch(new Request(`http://localhost${path}`, { method, headers })));
}

Deno.test("content is the same in all codings, whatever its size, the first time and from the cache", async () => {
  const sizes = [1_024, 65_536, 65_537, 1_048_576, 1_048_577, 5_000_000];
  const texts = sizes.map((size) => TEXT.repeat(Math.ceil(size / TEXT.length)).slice(0, size));
  const ask = site(Object.fromEntries(texts.map((text, index) => [`${index}.txt`, text])));
  for (const [index, text] of texts.entries()) {
    for (const coding of CODINGS) {
      for (let round = 0; round < 3; round++) {
        const response = await ask(`/${index}.txt`, { "accept-encoding": coding });
        assertEquals(response.headers.get("content-encoding"), coding, `${text.length} bytes`);
        assertEquals(response.headers.get("vary"), "accept-encoding");
        assert(await textOf(response) === text, `${text.length} bytes as ${coding}`);
      }
    }
    const plain = await ask(`/${index}.txt`);
    assertEquals([plain.headers.get("content-encoding"), plain.headers.get("vary")], [null, "accept-encoding"]);
    assert(await plain.text() === text);
  }
});

Deno.test("the client's weights decide, then zstd, br, gzip", async () => {
  const ask = site({ "a.txt": TEXT });
  const cases: readonly (readonly [header: string, coding: string | null])[] = [
    ["gzip, deflate, br, zstd", "zstd"],
    ["gzip, deflate, br", "br"],
    ["gzip", "gzip"],
    ["*", "zstd"],
    ["br;q=0.9, gzip", "gzip"],
    ["zstd;q=0, br;q=0, *;q=0.1", "gzip"], // "*" stands for identity, too
    ["identity, gzip;q=0.5", null],
    ["identity;q=0, gzip;q=0.5", "gzip"],
    ["deflate", null],
    ["", null],
  ];
  for (const [header, coding] of cases) {
    const response = await ask("/a.txt", { "accept-encoding": header });
    assertEquals(response.headers.get("content-encoding"), coding, header);
    assertEquals(await textOf(response), TEXT);
  }
});

Deno.test("each coding has its own entity tag; ranges are of the plain content; HEAD is like GET", async () => {
  const ask = site({ "a.txt": TEXT });
  const tags = new Set<string>();
  for (const accept of ["identity", ...CODINGS]) {
    const headers = { "accept-encoding": accept };
    const response = await ask("/a.txt", headers);
    const etag = response.headers.get("etag")!;
    tags.add(etag);
    assertEquals((await ask("/a.txt", { ...headers, "if-none-match": etag })).status, 304);
    const head = await ask("/a.txt", headers, "HEAD");
    for (const name of ["etag", "content-encoding", "content-type", "vary", "last-modified"]) {
      assertEquals(head.headers.get(name), response.headers.get(name), name);
    }
    const part = await ask("/a.txt", { ...headers, range: "bytes=5-8" });
    assertEquals([part.status, part.headers.get("content-encoding"), await part.text()], [206, null, "that"]);
    await response.body!.cancel();
  }
  assertEquals(tags.size, 4);
});

Deno.test("what is small, or compressed already, is not compressed", async () => {
  const ask = site({ "small.txt": "x".repeat(1_023), "a.png": TEXT, "a.zip": TEXT, "a.woff2": TEXT });
  for (const path of ["/small.txt", "/a.png", "/a.zip", "/a.woff2"]) {
    const response = await ask(path, { "accept-encoding": "gzip" });
    assertEquals([response.headers.get("content-encoding"), response.headers.get("vary")], [null, null], path);
    assert((await response.text()).length >= 1_023);
  }
  const yes = "text/plain text/html;charset=x image/svg+xml application/json application/ld+json application/wasm " +
    "application/manifest+json text/javascript application/javascript font/ttf application/xhtml+xml application/x-ndjson";
  const no = "text/event-stream image/png image/jpeg video/mp4 application/zip application/gzip font/woff2 " +
    "application/octet-stream application/pdf application/jsonx";
  for (const type of yes.split(" ")) assert(isCompressible(type, null), type);
  for (const type of no.split(" ")) assert(!isCompressible(type, null), type);
});

Deno.test("a client that leaves closes the file, a broken source breaks the response off", async () => {
  const source = watched(memory({ "large.txt": TEXT.repeat(4_000) }));
  for (const coding of CODINGS) {
    const fetch = toFetch(fileServer(source, { layers: [compress({ codings: [coding] })], log: false }));
    const headers = { "accept-encoding": coding };
    for (const reads of [0, 1]) {
      const response = await fetch(new Request("http://localhost/large.txt", { headers }));
      const reader = response.body!.getReader();
      for (let count = 0; count < reads; count++) await reader.read();
      await reader.cancel();
      await source.untilClosed();
    }
    const [encoder] = compressors({ codings: [coding] });
    let pieces = 0;
    const broken = new ReadableStream<Bytes>({
      pull(controller) {
        if (pieces++ > 2) controller.error(new Error("truncated"));
        else controller.enqueue(new TextEncoder().encode(TEXT));
      },
    });
    await assertRejects(() => new Response(encoder!.encode(broken)).bytes(), Error, "truncated");
  }
});

Deno.test("many compressions at the same time take turns, also if some of their clients leave", async () => {
  const [encoder] = compressors({ codings: ["gzip"] });
  const chunk = crypto.getRandomValues(new Uint8Array(65_536)).map((byte) => 97 + byte % 16); // takes a millisecond
  let sincePoll = 0;
  let most = 0;
  const polls = setInterval(() => sincePoll = 0, 0);
  const compressOne = async (leaves: boolean) => {
    let pulls = 0;
    const content = new ReadableStream<Bytes>({
      pull(controller) {
        if (++pulls > 10) return controller.close();
        if (pulls > 2) most = Math.max(most, ++sincePoll); // the first ones wait for their turn
        controller.enqueue(chunk.slice());
      },
    });
    const encoded = encoder!.encode(content);
    if (!leaves) {
      return assertEquals((await new Response(encoded.pipeThrough(decompressor("gzip"))).bytes()).length, 655_360);
    }
    const reader = encoded.getReader();
    await reader.read();
    await reader.cancel();
  };
  await Promise.all(Array.from({ length: 60 }, (_, index) => compressOne(index % 3 === 0)));
  clearInterval(polls);
  assert(most < 120, String(most));
});

Deno.test("what has been written is not held back", async () => {
  for (const encoder of compressors()) {
    const { readable, writable } = new TransformStream<Bytes, Bytes>();
    const writer = writable.getWriter();
    const reader = encoder.encode(readable).pipeThrough(decompressor(encoder.coding)).getReader();
    for (const word of ["first", "second"]) {
      const [{ value }] = await Promise.all([reader.read(), writer.write(new TextEncoder().encode(word))]);
      assertEquals(new TextDecoder().decode(value), word);
    }
    await Promise.all([reader.cancel(), writer.abort().catch(() => {})]);
  }
});

Deno.test("listings are compressed without the layer; other content is not", async () => {
  const files = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`d/file-${index}.txt`, TEXT]));
  const server = serve(toFetch(fileServer(memory(files), { log: false })), { hostname: "127.0.0.1", port: 0 });
  const url = `http://127.0.0.1:${server.address.port}`;
  const ask = async (path: string, coding: string) => {
    const command = new Deno.Command("curl", { args: ["-s", "-i", "-H", `accept-encoding: ${coding}`, url + path] });
    const text = new TextDecoder("latin1").decode((await command.output()).stdout);
    return { coding: /^content-encoding: (\w+)/im.exec(text)?.[1], length: text.length };
  };
  const plain = await ask("/d/", "identity");
  for (let round = 0; round < 3; round++) {
    for (const accept of ["gzip", "gzip, deflate, br, zstd", "*"]) {
      const listing = await ask("/d/", accept);
      assertEquals(listing.coding, "gzip");
      assert(listing.length < plain.length / 4, `${listing.length} of ${plain.length}`);
    }
    assertEquals(await ask("/d/", "identity"), plain);
    assertEquals((await ask("/d/file-0.txt", "gzip")).coding, undefined);
  }
  await server.drain();
});

Deno.test("an unknown coding is refused", () => {
  assertThrows(() => compress({ codings: ["deflate" as "gzip"] }), TypeError, 'Cannot compress with "deflate"');
});
