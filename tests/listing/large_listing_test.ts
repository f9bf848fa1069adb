/** Listings of large directories: streamed, without blocking other requests. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { disk, type FileSource, listing, memory, serve, toFetch } from "@x/pyserve";
import type { Listing } from "@x/pyserve/handlers";
import { FileChanged } from "@x/pyserve/sources";
import { tempTree } from "../support/tree.ts";

const COUNT = 5_000;

function asking(source: FileSource) {
  const fetch = toFetch(listing(source));
  return (target: string, init?: RequestInit) => Promise.resolve(fetch(new Request(`http://localhost${target}`, init)));
}

/** Names out of order. */
function names(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `file ${(i * 7919) % count}.txt`);
}

function many(count: number): FileSource {
  return memory(Object.fromEntries(names(count).map((name) => [name, name])), { modified: 1e12 });
}

const NATURAL = Array.from({ length: COUNT }, (_, i) => `file ${i}.txt`);

Deno.test("a large directory on disk is listed completely and in order, in every format", async () => {
  await using tree = await tempTree({ "sub/": "", "empty/": "" });
  for (const name of names(COUNT)) Deno.writeTextFileSync(tree.at(name), name);
  const ask = asking(disk(tree.path));
  const page = await ask("/");
  assertEquals([page.headers.get("content-length"), page.headers.get("etag")], [null, null]);
  const html = await page.text();
  assertStringIncludes(html, `2 directories, ${COUNT} files, `);
  assert(html.endsWith("</footer>\n</body>\n</html>\n"));
  const links = [...html.matchAll(/<th scope="row"><a href="([^"]+)"/g)].map(([, href]) => href);
  assertEquals(links, ["empty/", "sub/", ...NATURAL.map(encodeURIComponent)]);
  const data: Listing = await (await ask("/?format=json&order=desc")).json();
  assertEquals(data.entries.map(({ name }) => name), ["sub", "empty", ...NATURAL.toReversed()]);
  assertEquals([data.totals.files, data.order, data.path], [COUNT, "desc", "/"]);
  assertEquals(await (await ask("/?format=text")).text(), ["empty/", "sub/", ...NATURAL, ""].join("\n"));
});

Deno.test("the same entries give the same page, streamed or not", async () => {
  const large = await (await asking(many(2_001))("/?format=json")).json();
  const small = await (await asking(many(2_000))("/?format=json")).json();
  assertEquals(large.entries.toSpliced(2_000), small.entries);
  assertEquals(Object.keys(large), Object.keys(small));
  const bySize = await (await asking(many(2_001))("/?format=json&sort=size&order=desc")).json();
  const sizes = bySize.entries.map(({ size }: { size: number }) => size);
  assertEquals(sizes, sizes.toSorted((a: number, b: number) => b - a));
});

/** A source whose slices are released one by one by the test. */
function stepwise(count: number) {
  const inner = many(count);
  const state = { lists: 0, slices: 0, closed: 0, go: Promise.withResolvers<void>(), failure: null as Error | null };
  const source: FileSource = {
    stat: (path) => inner.stat(path),
    async *list(path) {
      state.lists += 1;
      let slices = 0;
      try {
        for await (const slice of (await inner.list(path))!) {
          state.slices += 1;
          if (++slices > 3) await state.go.promise;
          if (state.failure && slices > 3) throw state.failure;
          yield slice;
        }
      } finally {
        state.closed += 1;
      }
    },
    open: (path, seen) => inner.open(path, seen),
  } as FileSource;
  return { source, state };
}

Deno.test("the head of a large listing is sent before the directory has been read", async () => {
  const { source, state } = stepwise(COUNT);
  const response = await asking(source)("/");
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  assertStringIncludes(value!, "<tbody>");
  assert(state.slices < 5);
  state.go.resolve();
  let rest = "";
  for (let read = await reader.read(); !read.done; read = await reader.read()) rest += read.value;
  assertStringIncludes(rest, `${COUNT} files`);
  assertEquals([state.lists, state.closed], [1, 1]);
});

Deno.test("a large listing is built once for concurrent requests", async () => {
  const { source, state } = stepwise(COUNT);
  const ask = asking(source);
  const responses = await Promise.all([ask("/"), ask("/"), ask("/")]);
  const texts = responses.map((response) => response.text());
  texts.push((await ask("/")).text()); // while the others are reading
  state.go.resolve();
  assertEquals(new Set(await Promise.all(texts)).size, 1);
  assertEquals([state.lists, state.closed], [1, 1]);
});

Deno.test("HEAD of a large listing has the headers of GET, and reads no further", async () => {
  const { source, state } = stepwise(COUNT);
  const ask = asking(source);
  const head = await ask("/", { method: "HEAD" });
  assertEquals([head.status, head.body], [200, null]);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setTimeout(resolve));
  assertEquals([state.closed, state.slices], [1, 3]);
  state.go.resolve();
  const get = await ask("/");
  assertEquals([...get.headers], [...head.headers]);
  assertStringIncludes(await get.text(), `${COUNT} files`);
  assertEquals((await ask("/", { headers: { "if-match": '"x"' } })).status, 412);
  assertEquals((await ask("/", { headers: { "if-none-match": "*" } })).status, 304);
});

Deno.test("reading a large directory stops when all its clients have disconnected", async () => {
  const { source, state } = stepwise(20 * COUNT);
  const ask = asking(source);
  const [first, second] = [await ask("/"), await ask("/")];
  const reader = second.body!.getReader();
  await reader.read();
  await first.body!.cancel();
  assertEquals(state.closed, 0);
  await reader.cancel();
  state.go.resolve();
  while (state.closed === 0) await new Promise((resolve) => setTimeout(resolve));
  assert(state.slices < 10);
});

Deno.test("a large listing that fails midway is aborted for all, and never ends cleanly", async () => {
  const { source, state } = stepwise(COUNT);
  const ask = asking(source);
  const responses = await Promise.all([ask("/"), ask("/?format=json"), ask("/")]);
  assertEquals(responses.map(({ status }) => status), [200, 200, 200]);
  state.failure = new Error("I/O");
  state.go.resolve();
  for (const response of responses) await assertRejects(() => response.text(), Error, "I/O");
  state.failure = null;
  assertStringIncludes(await (await ask("/")).text(), `${COUNT} files`);
});

Deno.test("a directory that is replaced while it is read is read again, and nothing of it is shown", async () => {
  const inner = many(COUNT);
  let lists = 0;
  const ask = asking({
    stat: (path) => inner.stat(path),
    async *list(path) {
      if (lists++ < 3) {
        yield [{ name: "secret", stat: null, link: false, problem: null }];
        yield* (await inner.list(path))!;
        throw new FileChanged();
      }
      yield* (await inner.list(path))!;
    },
    open: (path, seen) => inner.open(path, seen),
  } as FileSource);
  const html = await (await ask("/")).text();
  assert(!html.includes("secret"));
  assertStringIncludes(html, `${COUNT} files`);
  assertEquals(lists, 4);
});

Deno.test("slow readers do not hold many large listings: the oldest is aborted", async () => {
  const sources = Array.from({ length: 12 }, () => many(COUNT));
  const all: FileSource = {
    stat: (path) => (sources[Number(path.segments[0])] ?? memory({}))!.stat(path.parent ?? path),
    list: (path) => sources[Number(path.segments[0])]!.list(path.parent!),
    open: (path, seen) => sources[0]!.open(path, seen),
  };
  const ask = asking(all);
  const readers: ReadableStreamDefaultReader<Uint8Array>[] = [];
  for (let i = 0; i < sources.length; i++) {
    const reader = (await ask(`/${i}/`)).body!.getReader();
    await reader.read();
    readers.push(reader);
  }
  const ends = await Promise.allSettled(readers.map(async (reader) => {
    while (!(await reader.read()).done);
  }));
  assertEquals(ends.map(({ status }) => status === "rejected"), sources.map((_, i) => i < 4));
});

Deno.test("a client with many large listings loses one of its own to the next", async () => {
  const site = many(COUNT);
  const source: FileSource = {
    stat: (path) => site.stat(path.segments.length === 0 ? path : path.parent!),
    list: (path) => site.list(path.parent!),
    open: (path, seen) => site.open(path, seen),
  };
  const fetch = toFetch(listing(source));
  const begin = async (directory: string, last: number) => {
    const remoteAddr = { transport: "tcp", hostname: `192.0.2.${last}`, port: 1 } as const;
    const request = new Request(`http://localhost/${directory}/`, { headers: { host: "localhost" } });
    const reader = (await fetch(request, { remoteAddr })).body!.getReader();
    await reader.read();
    return reader;
  };
  const others = [await begin("first", 1)];
  const greedy = [];
  for (let i = 0; i < 7; i++) greedy.push(await begin(`greedy ${i}`.replace(" ", "-"), 2));
  others.push(await begin("last", 3));
  const ends = await Promise.allSettled([...others, ...greedy].map(async (reader) => {
    while (!(await reader.read()).done);
  }));
  assertEquals(ends.map(({ status }) => status === "rejected"), [false, false, true, ...Array(6).fill(false)]);
});

Deno.test("a large listing that is not read is aborted", async () => {
  const fetch = toFetch(listing(many(COUNT), { stallTimeout: 20 }));
  const reader = (await fetch(new Request("http://localhost/"))).body!.getReader();
  await reader.read();
  await reader.closed.catch((error) => assertEquals(error.message, "The client has stopped reading"));
  await assertRejects(() => reader.read(), Error, "stopped reading");
});

Deno.test("other requests are served while a large directory on disk is read, sorted and written", async () => {
  await using tree = await tempTree({ "small/a.txt": "a", "large/": "" });
  for (let i = 0; i < 20_000; i++) Deno.writeFileSync(tree.at(`large/file ${(i * 7919) % 20_000}`), new Uint8Array());
  // Over sockets: in-process requests would not show whether the runtime gets to poll its connections.
  const server = serve(toFetch(listing(disk(tree.path))), { hostname: "127.0.0.1", port: 0 });
  const ask = (path: string) => fetch(`http://127.0.0.1:${server.address.port}${path}`);
  let running = true;
  let answered = 0;
  const others = (async () => {
    while (running) {
      await (await ask("/small/")).text();
      answered += 1;
    }
  })();
  const html = await (await ask("/large/")).text();
  running = false;
  await others;
  await server.drain();
  assertStringIncludes(html, "20000 files");
  // Hundreds on a quiet machine; a handful if the runtime did not get to poll.
  assert(answered >= 25, `Only ${answered} others were answered`);
});
