/** Compression while content is sent, and precompressed files beside it, as RFC 9110 wants codings to be negotiated. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from "node:zlib";
import { fileServer, memory, toFetch } from "@x/pyserve";
import type { CodingName } from "@x/pyserve/http";
import { compress } from "@x/pyserve/layers";
import { expectedCoding, randomAcceptEncoding } from "../support/accept_encoding.ts";
import { seeded } from "../support/random.ts";

const TEXT = "text that repeats itself, ".repeat(100);
const SUFFIXES = { br: ".br", zstd: ".zst", gzip: ".gz" } as const;
const STORED = Object.keys(SUFFIXES) as CodingName[]; // in order of preference
const COMPUTED: readonly CodingName[] = ["zstd", "br", "gzip"];
const DECODERS = { br: brotliDecompressSync, zstd: zstdDecompressSync, gzip: gunzipSync };

/** A file for each set of stored variants; these say which they are, and are not really compressed. */
const SITE = Array.from({ length: 8 }, (_, set) => ({
  path: `/f${set}.txt`,
  stored: STORED.filter((_, bit) => set & (1 << bit)),
}));
const FILES = Object.fromEntries(SITE.flatMap(({ path, stored }) => [
  [path.slice(1), TEXT],
  ...stored.map((coding) => [path.slice(1) + SUFFIXES[coding], `stored as ${coding}`]),
]));

function asker(cacheSize?: number) {
  const options = {
    layers: [compress()],
    precompressed: true,
    log: false,
    ...(cacheSize !== undefined && { cacheSize }),
  } as const;
  const fetch = toFetch(fileServer(memory(FILES), options));
  return async (path: string, headers: Record<string, string> = {}, method = "GET") => {
    const response = await fetch(new Request(`http://localhost${path}`, { method, headers }));
    const coding = response.headers.get("content-encoding") as CodingName | null;
    return { status: response.status, headers: response.headers, coding, bytes: await response.bytes() };
  };
}

type Answer = Awaited<ReturnType<ReturnType<typeof asker>>>;

const varies = ({ headers }: Answer) => /\baccept-encoding\b/.test(headers.get("vary") ?? "");

/** What a client sees after decoding. */
function read({ coding, bytes }: Answer, isStored: boolean): string {
  return new TextDecoder().decode(coding && !isStored ? DECODERS[coding](bytes) : bytes);
}

Deno.test("2,000 random Accept-Encoding headers: the best weight wins, then what is stored, then zstd, br, gzip", async () => {
  const random = seeded(2);
  const [kept, plain] = [asker(), asker(0)];
  const counts = new Map<string, number>();
  for (let round = 0; round < 2_000; round++) {
    const { path, stored } = SITE[Math.floor(random() * SITE.length)]!;
    const header = randomAcceptEncoding(random);
    const what = `${path} for ${JSON.stringify(header)}`;
    const accept = header === null ? {} : { "accept-encoding": header };
    const coding = expectedCoding(header, [...stored, ...COMPUTED.filter((coding) => !stored.includes(coding))]);
    const isStored = coding !== null && stored.includes(coding);
    const ask = round % 2 ? kept : plain;
    const answer = await ask(path, accept);
    assertEquals([answer.status, answer.coding, varies(answer)], [200, coding, true], what);
    assertEquals(read(answer, isStored), isStored ? `stored as ${coding}` : TEXT, what);
    const etag = answer.headers.get("etag")!;
    assertEquals(etag.startsWith("W/"), coding !== null && !isStored, what); // other bytes each time are the same content
    const same = await ask(path, { ...accept, "if-none-match": etag });
    assertEquals([same.status, same.headers.get("etag"), same.coding, varies(same)], [304, etag, null, true], what);
    const head = await ask(path, accept, "HEAD");
    for (const name of ["content-encoding", "content-type", "etag", "last-modified", "vary"]) {
      assertEquals(head.headers.get(name), answer.headers.get(name), `${name} of HEAD ${what}`);
    }
    assertEquals(head.bytes.length, 0);
    const kind = `${coding ?? "identity"}${isStored ? " stored" : ""}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  assertEquals(counts.size, 7);
});

Deno.test("a tag stands for one coding: the others' are not modified, cannot be continued, and do not match", async () => {
  const ask = asker();
  for (const { path, stored } of [SITE[0]!, SITE[4]!]) { // nothing is stored, or only gzip
    const accepts = ["identity", ...COMPUTED];
    const tags = new Map<string, string>();
    for (const accept of accepts) {
      tags.set(accept, (await ask(path, { "accept-encoding": accept })).headers.get("etag")!);
    }
    assertEquals(new Set([...tags.values()].map((tag) => tag.replace(/^W\//, ""))).size, accepts.length);
    for (const accept of accepts) {
      const whole = await ask(path, { "accept-encoding": accept });
      const isExact = accept === "identity" || stored.includes(accept as CodingName);
      for (const [other, tag] of tags) {
        const what = `${path} as ${accept} with the tag of ${other}`;
        const given = { "accept-encoding": accept };
        assertEquals((await ask(path, { ...given, "if-none-match": tag })).status, accept === other ? 304 : 200, what);
        // A weak tag is not enough for If-Match and If-Range (RFC 9110 sections 13.1.1 and 13.1.5).
        assertEquals(
          (await ask(path, { ...given, "if-match": tag })).status,
          accept === other && isExact ? 200 : 412,
          what,
        );
        const part = await ask(path, { ...given, range: "bytes=2-5", "if-range": tag });
        assert(varies(part), what);
        if (part.status === 206) assertMatch(part.headers.get("content-range")!, /^bytes 2-5\//, what);
        else assertEquals([part.status, read(part, isExact)], [200, read(whole, isExact)], what);
      }
    }
  }
});

Deno.test("ranges are of the content without a coding, or of a stored one", async () => {
  const ask = asker();
  for (
    const [{ path, stored }, accept, coding, text] of [
      [SITE[0]!, "gzip", null, TEXT],
      [SITE[4]!, "gzip", "gzip", "stored as gzip"],
      [SITE[4]!, "zstd", null, TEXT],
    ] as const
  ) {
    const part = await ask(path, { "accept-encoding": accept, range: "bytes=2-5" });
    assertEquals([part.status, part.coding, varies(part)], [206, coding, true], `${path} ${stored} ${accept}`);
    assertEquals(new TextDecoder().decode(part.bytes), text.slice(2, 6));
    const tag = part.headers.get("etag")!;
    const next = await ask(path, { "accept-encoding": accept, range: "bytes=6-9", "if-range": tag });
    assertEquals([next.status, new TextDecoder().decode(next.bytes)], [206, text.slice(6, 10)]);
    const beyond = await ask(path, { "accept-encoding": accept, range: "bytes=999999-" });
    assertEquals([beyond.status, beyond.headers.get("content-range")], [416, `bytes */${text.length}`]);
  }
  // A client that refuses content without a coding gets all of it in one.
  const whole = await ask(SITE[0]!.path, { "accept-encoding": "gzip, identity;q=0", range: "bytes=2-5" });
  assertEquals([whole.status, whole.coding, read(whole, false)], [200, "gzip", TEXT]);
});
