/** Content coding is one decision: for files, listings and the page's script, whether a coding is stored or computed. */

import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { brotliCompressSync } from "node:zlib";
import {
  derive,
  fileServer,
  type FileServerOptions,
  type FileSource,
  type Layer,
  memory,
  mount,
  serve,
  type SitePath,
  toFetch,
} from "@x/pyserve";
import { pageAssets, sendContent } from "@x/pyserve/handlers";
import type { Encoder } from "@x/pyserve/layers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { certificate } from "../doors/doors.ts";
import { changing, MODIFIED } from "../support/changing.ts";
import { expectedCoding, randomAcceptEncoding } from "../support/accept_encoding.ts";
import { seeded } from "../support/random.ts";
import { watched } from "../support/watched.ts";

const SUFFIXES = { br: ".br", zstd: ".zst", gzip: ".gz" } as const;
type Coding = keyof typeof SUFFIXES;
const CODINGS = Object.keys(SUFFIXES) as Coding[];

const TEXT = "text that repeats itself, ".repeat(200);

/** Files that have each set of precompressed siblings. */
function sets(): { readonly name: string; readonly available: readonly Coding[] }[] {
  return Array.from({ length: 8 }, (_, set) => ({
    name: `/d/f${set}.txt`,
    available: CODINGS.filter((_, bit) => set & (1 << bit)),
  }));
}

type Fetch = ReturnType<typeof toFetch>;

async function get(fetch: Fetch, target: string, headers: Record<string, string | null> = {}, method = "GET") {
  const given = Object.entries(headers).filter((pair): pair is [string, string] => pair[1] !== null);
  const response = await fetch(new Request(`http://localhost${target}`, { method, headers: given }));
  const { status } = response;
  return { status, headers: response.headers, bytes: await response.bytes() };
}

type Answer = Awaited<ReturnType<typeof get>>;

const text = ({ bytes }: Answer) => new TextDecoder().decode(bytes);
const shown = (answer: Answer) => [answer.status, [...answer.headers], text(answer)];
const codingOf = ({ headers }: Answer) => headers.get("content-encoding");
const varies = ({ headers }: Answer) => /(?:^|[, ])accept-encoding(?:,|$)/i.test(headers.get("vary") ?? "");

Deno.test("10,000 random Accept-Encoding headers get what RFC 9110 says: cached, uncached, mounted, HEAD and conditional", async () => {
  const random = seeded(1);
  const files = sets().flatMap(({ name, available }) => [
    [name, `${name} as it is`],
    ...available.map((coding) => [name + SUFFIXES[coding], `${name} in ${coding}`]),
  ]) as [string, string][];
  const source = changing(new Map(files));
  const [kept, plain] = [{}, { cacheSize: 0 }].map((more) =>
    toFetch(fileServer(source, { log: false, precompressed: true, ...more }))
  );
  const mounted = toFetch(mount("/m/n", fileServer(source, { log: false, precompressed: true })));
  const counts = new Map<string | null, number>();
  for (let round = 0; round < 10_000; round++) {
    const { name, available } = sets()[Math.floor(random() * 8)]!;
    const header = randomAcceptEncoding(random);
    const what = `${name} for ${JSON.stringify(header)}`;
    const coding = expectedCoding(header, available);
    const accept = { "accept-encoding": header };
    const answer = await get(kept!, name, accept);
    assertEquals([answer.status, codingOf(answer), text(answer), varies(answer)], [
      200,
      coding,
      `${name} ${coding ? `in ${coding}` : "as it is"}`,
      true,
    ], what);
    counts.set(coding, (counts.get(coding) ?? 0) + 1);
    assertEquals(shown(answer), shown(await get(plain!, name, accept)), what);
    assertEquals(shown(answer), shown(await get(mounted, `/m/n${name}`, accept)), what);
    const head = await get(kept!, name, accept, "HEAD");
    assertEquals([head.status, [...head.headers]], [200, [...answer.headers]], what);
    const etag = answer.headers.get("etag")!;
    const same = await get(round % 2 ? kept! : plain!, name, { ...accept, "if-none-match": etag });
    assertEquals([same.status, same.headers.get("etag"), varies(same), codingOf(same)], [304, etag, true, null], what);
  }
  for (const coding of [null, ...CODINGS]) assert(counts.get(coding)! > 500, `${coding}: ${counts.get(coding)}`);
});

Deno.test("the tag of a coding stands for that coding only: If-None-Match, If-Match, If-Range, ranges", async () => {
  const source = changing(new Map([["/a.txt", "0123456789"], ["/a.txt.br", "abcdefgh"], ["/a.txt.gz", "ABCDEF"]]));
  for (const more of [{}, { cacheSize: 0 }]) {
    const fetch = toFetch(fileServer(source, { log: false, precompressed: true, ...more }));
    const accepts = ["identity", "br", "gzip"];
    const tags = new Map<string, string>();
    for (const accept of accepts) {
      tags.set(accept, (await get(fetch, "/a.txt", { "accept-encoding": accept })).headers.get("etag")!);
    }
    assertEquals(new Set(tags.values()).size, 3);
    for (const accept of accepts) {
      const ask = async (headers: Record<string, string>) => {
        const answer = await get(fetch, "/a.txt", { "accept-encoding": accept, ...headers });
        assert(varies(answer), `${accept} ${JSON.stringify(headers)} has no Vary`);
        return answer;
      };
      const whole = await ask({});
      for (const [other, tag] of tags) {
        const isOwn = other === accept;
        assert(!tag.startsWith("W/"));
        assertEquals((await ask({ "if-none-match": tag })).status, isOwn ? 304 : 200, `${accept} ${other}`);
        assertEquals((await ask({ "if-none-match": `"x", W/${tag}` })).status, isOwn ? 304 : 200);
        assertEquals((await ask({ "if-match": tag })).status, isOwn ? 200 : 412);
        const part = await ask({ range: "bytes=2-3", "if-range": tag });
        assertEquals([part.status, text(part)], isOwn ? [206, text(whole).slice(2, 4)] : [200, text(whole)]);
        assertEquals(codingOf(part), codingOf(whole));
      }
      const several = await ask({ range: "bytes=0-0,2-3" });
      assertEquals([several.status, codingOf(several)], [206, codingOf(whole)]);
      const beyond = await ask({ range: "bytes=90-" });
      assertEquals([beyond.status, beyond.headers.get("content-range")], [416, `bytes */${text(whole).length}`]);
    }
  }
});

Deno.test("a sibling that comes, changes, grows old or goes is noticed by the next request", async () => {
  const source = changing(new Map([["/a.txt", "plain"]]));
  const fetch = toFetch(fileServer(source, { log: false, precompressed: true }));
  const tags = new Set<string>();
  const expect = async (coding: string | null, body: string) => {
    for (let round = 0; round < 3; round++) {
      const answer = await get(fetch, "/a.txt", { "accept-encoding": "br, gzip" });
      assertEquals([codingOf(answer), text(answer)], [coding, body]);
      if (round === 0) assert(!tags.has(answer.headers.get("etag")!), `the tag of ${body} is another's`);
      tags.add(answer.headers.get("etag")!);
    }
  };
  await expect(null, "plain");
  source.set("/a.txt.gz", "zipped");
  await expect("gzip", "zipped");
  source.set("/a.txt.gz", "zipped again");
  await expect("gzip", "zipped again");
  source.set("/a.txt.br", "old brotli", MODIFIED - 1);
  for (let round = 0; round < 2; round++) {
    assertEquals(text(await get(fetch, "/a.txt", { "accept-encoding": "br, gzip" })), "zipped again");
  }
  source.set("/a.txt.br", "brotli", MODIFIED + 1);
  await expect("br", "brotli");
  source.set("/a.txt", "new", MODIFIED + 1);
  for (let round = 0; round < 2; round++) {
    assertEquals(text(await get(fetch, "/a.txt", { "accept-encoding": "gzip" })), "new");
  }
  source.set("/a.txt.br", null);
  await expect(null, "new");
});

/** Answers each user by the rights of a table. */
function users(rights: Readonly<Record<string, (path: SitePath) => boolean>>): Layer {
  return (next) => (request, context) => {
    const user = request.headers.get("x-user");
    const may = user === null ? undefined : rights[user];
    return next(request, may ? derive(context, { may: (_right, path) => may(path), view: user! }) : context);
  };
}

Deno.test("a sibling that the user may not read is not sent, whatever others have been sent before", async () => {
  const source = changing(new Map([["/d/a.txt", "plain"], ["/d/a.txt.br", "secret"], ["/d/a.txt.gz", "zipped"]]));
  const layers = [users({ alice: ({ name }) => name !== "a.txt.br", bob: ({ name }) => !/\.(br|gz)$/.test(name) })];
  const site = (more: FileServerOptions) => fileServer(source, { log: false, precompressed: true, layers, ...more });
  for (const [fetch, prefix] of [[toFetch(site({})), ""], [toFetch(mount("/m", site({}))), "/m"]] as const) {
    for (let round = 0; round < 3; round++) {
      for (const [user, body] of [[null, "secret"], ["alice", "zipped"], ["bob", "plain"]] as const) {
        const headers = { "x-user": user, "accept-encoding": "br, gzip" };
        assertEquals(text(await get(fetch, `${prefix}/d/a.txt`, headers)), body, `${user}`);
      }
    }
  }
});

Deno.test("a sibling that cannot be opened is done without, and tried again the next time", async () => {
  const files = changing(new Map([["/a.txt", "plain"], ["/a.txt.br", "brotli"], ["/a.txt.gz", "zipped"]]));
  let refused = [".br", ".gz"];
  const source: FileSource = {
    ...files,
    open(path, seen) {
      if (refused.some((suffix) => path.name.endsWith(suffix))) throw new Deno.errors.PermissionDenied();
      return files.open(path, seen);
    },
  };
  const fetch = toFetch(fileServer(source, { log: false, precompressed: true }));
  for (const [still, body] of [[[".br", ".gz"], "plain"], [[".br"], "zipped"], [[], "brotli"]] as const) {
    refused = [...still];
    for (let round = 0; round < 3; round++) {
      const [answer, head] = [
        await get(fetch, "/a.txt", { "accept-encoding": "br, gzip" }),
        await get(fetch, "/a.txt", { "accept-encoding": "br, gzip" }, "HEAD"),
      ];
      assertEquals([answer.status, text(answer)], [200, body]);
      assertEquals([...head.headers], [...answer.headers]);
    }
  }
});

Deno.test("content that is stored in one coding only is sent in that one", async () => {
  const fetch = toFetch(fileServer(memory({ "a.svgz": "zipped", "a.svgz.br": "twice" }), {
    log: false,
    precompressed: true,
    layers: [encoding(gzipEncoder())],
  }));
  const answer = await get(fetch, "/a.svgz", { "accept-encoding": "br, gzip" });
  assertEquals([codingOf(answer), text(answer), varies(answer)], ["gzip", "zipped", false]);
});

Deno.test("content without a coding is sent to a client that refuses it, if there is nothing else", async () => {
  const fetch = toFetch(fileServer(memory({ "a.txt": "plain" }), { log: false, precompressed: true }));
  for (const accept of ["identity;q=0", "*;q=0", "gzip, *;q=0", "br, identity;q=0"]) {
    const answer = await get(fetch, "/a.txt", { "accept-encoding": accept });
    assertEquals([answer.status, codingOf(answer), text(answer)], [200, null, "plain"], accept);
  }
});

Deno.test("the script of the page is coded by the same rules", async () => {
  const [page] = /\.pyserve\/\w+\/main\.js/.exec(
    text(await get(toFetch(fileServer(memory({}), { log: false, features: [] })), "/", { accept: "text/html" })),
  )!;
  const fetch = toFetch(pageAssets());
  const [coded, plain] = [
    await get(fetch, `/${page}`, { "accept-encoding": "br, gzip;q=0.1" }),
    await get(fetch, `/${page}`, { "accept-encoding": "gzip;q=0.1, identity;q=0.2" }),
  ];
  assertEquals([codingOf(coded), codingOf(plain), varies(coded), varies(plain)], ["gzip", null, true, true]);
  assertEquals(await decoded(coded), text(plain));
  assertNotEquals(coded.headers.get("etag"), plain.headers.get("etag"));
});

interface CountingEncoder extends Encoder {
  /** How many streams it has encoded. */
  calls: number;
}

/** Real gzip, of text that is long enough. */
function gzipEncoder(minBytes = 100): CountingEncoder {
  const encoder: CountingEncoder = {
    calls: 0,
    coding: "gzip",
    suits: (type, size) => /^(?:text\/|application\/json)/.test(type) && (size === null || size >= minBytes),
    encode(content) {
      encoder.calls++;
      return content.pipeThrough(new CompressionStream("gzip"));
    },
  };
  return encoder;
}

/** Brotli, of everything. */
const BROTLI: Encoder = {
  coding: "br",
  suits: () => true,
  encode(content) {
    return ReadableStream.from((async function* () {
      yield new Uint8Array(brotliCompressSync(await new Response(content).bytes()));
    })());
  },
};

/** A layer that encodes what handlers send, unless the client says that it is not to. */
function encoding(...encoders: readonly Encoder[]): Layer {
  return (next) => (request, context) => {
    return next(request, request.headers.has("x-plain") ? context : derive(context, { encoders }));
  };
}

async function decoded({ bytes }: Answer): Promise<string> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return await new Response(stream).text();
}

const GZIP = { "accept-encoding": "gzip" };

Deno.test("an encoder of a layer codes what is sent, and the cache keeps what it made", async () => {
  const large = TEXT.repeat(1000); // some 5 MB: streamed, and too much for the cache
  const source = changing(
    new Map([["/a.txt", TEXT], ["/large.txt", large], ["/tiny.txt", "x"], ["/empty.txt", ""], [
      "/a.png",
      TEXT,
    ]]),
  );
  const gzip = gzipEncoder();
  const site = (more: FileServerOptions) =>
    toFetch(fileServer(source, { log: false, layers: [encoding(gzip)], precompressed: false, ...more }));
  const kept = site({});
  for (let round = 0; round < 4; round++) {
    const answer = await get(kept, "/a.txt", GZIP);
    assertEquals([answer.status, codingOf(answer), varies(answer)], [200, "gzip", true]);
    assertEquals(await decoded(answer), TEXT);
    assertEquals(answer.headers.get("content-length"), String(answer.bytes.length));
    assertEquals(answer.headers.get("accept-ranges"), null);
    const plain = await get(kept, "/a.txt");
    assertEquals([codingOf(plain), text(plain), varies(plain)], [null, TEXT, true]);
    const unlayered = await get(kept, "/a.txt", { ...GZIP, "x-plain": "1" });
    assertEquals([codingOf(unlayered), text(unlayered), varies(unlayered)], [null, TEXT, false]);
  }
  assertEquals(gzip.calls, 1, "the cache does not keep what was encoded");
  const cold = site({ cacheSize: 0 });
  for (const accept of ["gzip", "gzip;q=0", "br, gzip;q=0.1", "identity, gzip;q=0.5", null, "*"]) {
    for (const name of ["/a.txt", "/tiny.txt", "/empty.txt", "/a.png"]) {
      const [one, other] = [
        await get(kept, name, { "accept-encoding": accept }),
        await get(cold, name, { "accept-encoding": accept }),
      ];
      assertEquals([[...one.headers], one.bytes], [[...other.headers], other.bytes], `${name} ${accept}`);
      const isCoded = name === "/a.txt" && expectedCoding(accept, ["gzip"]) === "gzip";
      assertEquals([codingOf(one), varies(one)], [isCoded ? "gzip" : null, name === "/a.txt"], `${name} ${accept}`);
    }
  }
  for (const fetch of [kept, cold]) {
    const answer = await get(fetch, "/large.txt", GZIP);
    assertEquals([codingOf(answer), answer.headers.get("content-length")], ["gzip", null]);
    assertEquals(await decoded(answer) === large, true);
  }
  source.set("/a.txt", TEXT.toUpperCase());
  assertEquals(await decoded(await get(kept, "/a.txt", GZIP)), TEXT.toUpperCase());
});

Deno.test("what is encoded while it is sent has a weak tag of its own, and no ranges; HEAD and 304 encode nothing", async () => {
  const source = changing(new Map([["/a.txt", TEXT], ["/p.html", `<meta charset=koi8-r>${TEXT}`]]));
  const gzip = gzipEncoder();
  for (const name of ["/a.txt", "/p.html"]) {
    const fetch = toFetch(fileServer(source, { log: false, layers: [encoding(gzip)] }));
    const whole = await get(fetch, name, GZIP);
    const plain = await get(fetch, name);
    const [tag, strong] = [whole.headers.get("etag")!, plain.headers.get("etag")!];
    assertEquals(tag, `W/${strong.slice(0, -1)}-gzip"`);
    assertEquals(whole.headers.get("content-type"), plain.headers.get("content-type"));
    gzip.calls = 0;
    const ask = (headers: Record<string, string>, method = "GET") => get(fetch, name, { ...GZIP, ...headers }, method);
    const head = await ask({}, "HEAD");
    const named = (answer: Answer) => [...answer.headers].filter(([field]) => field !== "content-length");
    assertEquals(named(head), named(whole));
    for (const given of [tag, tag.slice(2), `"x", ${tag}`]) {
      const same = await ask({ "if-none-match": given });
      assertEquals([same.status, same.headers.get("etag"), varies(same)], [304, tag, true]);
    }
    const since = await ask({ "if-modified-since": whole.headers.get("last-modified")! });
    assertEquals([since.status, since.headers.get("content-type")], [304, plain.headers.get("content-type")]);
    assertEquals((await ask({ "if-match": tag })).status, 412); // strong comparison: 13.1.1
    // A download that broke off was one without a coding, and goes on.
    for (const condition of [{}, { "if-range": strong }]) {
      const part = await ask({ range: "bytes=30-39", ...condition });
      assertEquals([part.status, codingOf(part), text(part)], [206, null, text(plain).slice(30, 40)]);
      assertEquals([part.headers.get("etag"), varies(part)], [strong, true]);
    }
    const foreign = await ask({ range: "bytes=30-39", "if-range": tag });
    assertEquals([foreign.status, codingOf(foreign), foreign.headers.get("etag")], [200, null, strong]);
    assertEquals(gzip.calls, 0, "something was encoded that is not sent");
    const refusing = await ask({ range: "bytes=30-39", "accept-encoding": "gzip, identity;q=0" });
    assertEquals([refusing.status, codingOf(refusing)], [200, "gzip"]);
    assertEquals((await ask({ "if-none-match": strong })).status, 200);
  }
});

Deno.test("a stored coding comes before one that has to be computed, unless the client prefers that", async () => {
  const source = changing(new Map([["/a.txt", TEXT], ["/a.txt.gz", "zipped"]]));
  const fetch = toFetch(fileServer(source, { log: false, precompressed: true, layers: [encoding(BROTLI)] }));
  for (let round = 0; round < 3; round++) {
    assertEquals(text(await get(fetch, "/a.txt", { "accept-encoding": "gzip, br" })), "zipped");
    assertEquals(codingOf(await get(fetch, "/a.txt", { "accept-encoding": "gzip;q=0.9, br" })), "br");
    assertEquals(codingOf(await get(fetch, "/a.txt", { "accept-encoding": "br" })), "br");
    const part = await get(fetch, "/a.txt", { "accept-encoding": "gzip, br", range: "bytes=1-2" });
    assertEquals([part.status, codingOf(part), text(part)], [206, "gzip", "ip"]);
  }
});

Deno.test("a listing is encoded like a file, in each of its forms, and kept", async () => {
  const names = Array.from({ length: 50 }, (_, index) => [`/d/file-${index}.txt`, "x"] as const);
  const source = changing(new Map(names));
  const gzip = gzipEncoder();
  const fetch = toFetch(fileServer(source, { log: false, layers: [encoding(gzip)] }));
  for (const accept of ["text/html", "application/json", "text/plain"]) {
    const plain = await get(fetch, "/d/", { accept });
    gzip.calls = 0;
    for (let round = 0; round < 5; round++) {
      const answer = await get(fetch, "/d/", { accept, ...GZIP });
      assertEquals([answer.status, codingOf(answer), varies(answer)], [200, "gzip", true]);
      assert(/\baccept(?:,|$)/.test(answer.headers.get("vary")!));
      assertEquals(await decoded(answer), text(plain));
      const tag = answer.headers.get("etag")!;
      assertNotEquals(tag, plain.headers.get("etag"));
      assertEquals((await get(fetch, "/d/", { accept, ...GZIP, "if-none-match": tag })).status, 304);
    }
    assert(gzip.calls <= 2, `${gzip.calls} times encoded`);
  }
});

Deno.test("a listing that is streamed is encoded while it is", async () => {
  const names = Array.from({ length: 2_500 }, (_, index) => [`d/file-${index}.txt`, "x"] as const);
  const fetch = toFetch(fileServer(memory(Object.fromEntries(names)), {
    log: false,
    layers: [encoding(gzipEncoder())],
  }));
  for (const accept of ["text/html", "application/json", "text/plain"]) {
    const plain = await get(fetch, "/d/", { accept });
    const coded = await get(fetch, "/d/", { accept, ...GZIP });
    assertEquals([codingOf(plain), codingOf(coded)], [null, "gzip"]);
    for (const answer of [plain, coded]) assertEquals(answer.headers.get("content-length"), null);
    assertEquals(await decoded(coded) === text(plain), true);
    assert(coded.bytes.length < plain.bytes.length / 4);
    for (const answer of [plain, coded]) assertEquals(answer.headers.get("vary"), "accept, accept-encoding");
    const head = await get(fetch, "/d/", { accept, ...GZIP }, "HEAD");
    assertEquals([...head.headers], [...coded.headers]);
    const unlayered = await get(fetch, "/d/", { accept, ...GZIP, "x-plain": "1" });
    // Without an encoder of a layer, the file server has its own.
    assertEquals([codingOf(unlayered), unlayered.headers.get("vary")], ["gzip", "accept, accept-encoding"]);
    assertEquals(await decoded(unlayered) === text(plain), true);
    const any = await get(fetch, "/d/", { accept, ...GZIP, "if-none-match": "*" });
    assertEquals([any.status, any.headers.get("vary")], [304, "accept, accept-encoding"]);
  }
});

Deno.test("an encoder's stream ends with its client, and breaks off with its file", async () => {
  const large = TEXT.repeat(1000);
  const source = watched(memory({ "large.txt": large }));
  const fetch = toFetch(fileServer(source, { log: false, layers: [encoding(gzipEncoder())] }));
  const response = await fetch(new Request("http://localhost/large.txt", { headers: GZIP }));
  const reader = response.body!.getReader();
  await reader.read();
  assertEquals(source.openFiles(), 1);
  await reader.cancel();
  await source.untilClosed();
  const broken = await sendContent(new Request("http://localhost/", { headers: GZIP }), {
    type: "text/plain",
    size: 1_000_000,
    modified: null,
    etag: '"x"',
    open: () => ({
      read: (offset, into) => offset === 0 ? into.fill(97).length : 0,
      [Symbol.dispose]() {},
    }),
  }, { encoders: [gzipEncoder()] });
  await assertRejects(() => broken.bytes(), Error, "truncated");
});

Deno.test("curl decodes what an encoder made, over HTTP/1.1, HTTP/1.0 and HTTP/2", async (t) => {
  const large = TEXT.repeat(100);
  const files = memory({ "a.txt": TEXT, "large.txt": large });
  const fetch = toFetch(fileServer(files, { log: false, layers: [encoding(gzipEncoder())] }));
  const options = { hostname: "127.0.0.1", port: 0 };
  const doors = {
    "HTTP/1.1": () => serve(fetch, options),
    "HTTP/1.0": () => serveClassic(fetch, options),
    "HTTP/2": async () => serve(fetch, { ...options, tls: await certificate() }),
  };
  for (const [version, open] of Object.entries(doors)) {
    await t.step(version, async () => {
      const server = await open();
      const origin = `${version === "HTTP/2" ? "https" : "http"}://127.0.0.1:${server.address.port}`;
      for (const [name, body] of [["a.txt", TEXT], ["large.txt", large], ["a.txt", TEXT]]) {
        const args = ["-sS", "--insecure", "--compressed", "-D", "-", `${origin}/${name}`];
        const { stdout } = await new Deno.Command("curl", { args }).output();
        const [head, text] = new TextDecoder().decode(stdout).split("\r\n\r\n") as [string, string];
        assert(head.startsWith(`${version} 200`) && /\r\ncontent-encoding: gzip/i.test(head), head);
        assertEquals(text === body, true);
      }
      await server.drain();
    });
  }
});

Deno.test("random requests and changes: with siblings, encoders and rights, the cache changes no answer", async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = seeded(seed);
    const one = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
    const names = ["a.txt", "a.txt.gz", "a.txt.br", "b.html", "index.html", "index.html.gz"];
    const paths = ["/", "/d/"].flatMap((directory) => names.map((name) => directory + name));
    const source = changing(new Map(paths.filter(() => random() < 0.5).map((path) => [path, `${path} 0 ${TEXT}`])));
    const layers = [users({ alice: ({ name }) => !name.endsWith(".br") }), encoding(gzipEncoder(), BROTLI)];
    const [kept, plain] = [{}, { cacheSize: 0 }].map((more) =>
      toFetch(fileServer(source, { log: false, precompressed: true, layers, ...more }))
    );
    const tags: string[] = ['"x"'];
    for (let step = 0; step < 600; step++) {
      const text = random() < 0.3 ? null : `${step} ${random() < 0.5 ? TEXT : ""}`;
      if (random() < 0.15) source.set(one(paths), text, MODIFIED + Math.floor(random() * 3));
      const target = one([...paths, "/", "/d/"]);
      const headers = {
        "accept-encoding": one([null, "gzip", "br", "gzip, br", "br;q=0.5, gzip", "identity", "*;q=0"]),
        "x-user": one([null, "alice"]),
        "x-plain": one([null, null, "1"]),
        "if-none-match": random() < 0.3 ? one(tags) : null,
        range: random() < 0.1 ? "bytes=1-3" : null,
      };
      const what = `seed ${seed}, step ${step}: ${target} ${JSON.stringify(headers)}`;
      const [answer, expected] = [await get(kept!, target, headers), await get(plain!, target, headers)];
      assertEquals(shown(answer), shown(expected), what);
      const head = await get(kept!, target, { ...headers, range: null }, "HEAD");
      if (headers.range === null) {
        assertEquals([head.status, head.headers.get("etag"), codingOf(head)], [
          answer.status,
          answer.headers.get("etag"),
          codingOf(answer),
        ], what);
      }
      tags.push(...[answer.headers.get("etag")].filter((tag) => tag !== null));
    }
  }
});

Deno.test("an encoder that throws or returns no stream is a 500 that names it, and leaves no file open", async () => {
  const files = { "small.txt": "x".repeat(9_000), "large.txt": "x".repeat(200_000) };
  const broken: readonly [encode: (content: ReadableStream<Uint8Array<ArrayBuffer>>) => unknown, problem: RegExp][] = [
    [() => {
      throw new RangeError("broken");
    }, /the encoder for gzip failed RangeError: broken/],
    [(content) => {
      content.getReader();
      throw new RangeError("broken");
    }, /the encoder for gzip failed RangeError: broken/],
    [() => null, /TypeError: the encoder for gzip returned null, not a stream/],
    [(content) => {
      content.getReader();
      return content;
    }, /TypeError: the encoder for gzip returned a stream that is in use, not a stream/],
  ];
  for (const [encode, problem] of broken) {
    const source = watched(memory(files));
    const lines: string[] = [];
    const log = { access() {}, error: (text: string, cause?: unknown) => void lines.push(`${text} ${cause}`) };
    const encoder = { coding: "gzip", suits: () => true, encode } as unknown as Encoder;
    const fetch = toFetch(fileServer(source, { log: false, layers: [encoding(encoder)] }), { log });
    for (const path of ["/small.txt", "/large.txt", "/"]) {
      lines.length = 0;
      const answer = await get(fetch, path, GZIP);
      assertEquals([path, answer.status, source.openFiles()], [path, 500, 0]);
      assertMatch(lines.join(), problem);
    }
  }
});
