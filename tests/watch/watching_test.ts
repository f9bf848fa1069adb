/** Live reload: which pages get the module, and which changes a client hears of. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  derive,
  disk,
  type FetchFunction,
  fileServer,
  type FileServerOptions,
  type FileSource,
  type Layer,
  memory,
  SitePath,
  toFetch,
} from "@x/pyserve";
import { type Feature, watching, type WatchOptions } from "@x/pyserve/handlers";
import { compress } from "@x/pyserve/layers";
import { oldTree, type TempTree, tempTree } from "../support/tree.ts";
import { until, within } from "../support/wait.ts";

const PAGE = "<!doctype html>\n<html lang=en><head>\n<title>A page</title></head><body>text</body></html>";
const TAG = /<script type="module" src="((?:\.\.\/)*\.pyserve\/\w+\/live\.js)"><\/script>/;
const NAVIGATION = { accept: "text/html,application/xhtml+xml,*/*;q=0.8", "sec-fetch-dest": "document" };

/** A server that watches. Its log is collected. */
function watched(source: FileSource | string, options: FileServerOptions = {}, watch: WatchOptions = {}) {
  const live = watching(watch);
  const errors: string[] = [];
  const log = { access() {}, error: (message: string) => void errors.push(message) };
  const features: Feature[] = [...options.features ?? [], live];
  const fetch = toFetch(fileServer(source, { ...options, features, log: false }), { log });
  return { fetch, errors, live, [Symbol.asyncDispose]: () => live.end!() };
}

/** The events of a stream, one by one. */
class Events implements AsyncDisposable {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<string>;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async of(fetch: FetchFunction, target: string, headers = {}): Promise<Events> {
    const events = new Events(await fetch(new Request(`http://localhost${target}`, { headers })));
    assertEquals((await events.next()).type, "watching");
    return events;
  }

  /** The next line with content. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end > 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      if (end === 0) {
        this.#text = this.#text.slice(1);
        continue;
      }
      const { done, value } = await within(this.#reader.read());
      if (done) return "";
      this.#text += value;
    }
  }

  async next(): Promise<{ type: string; path?: string; kind?: string; size?: number }> {
    const line = await this.line();
    return line === "" ? { type: "end" } : JSON.parse(line);
  }

  /** The events until that of a path; one for each path, the last. */
  async until(path: string): Promise<Map<string, string>> {
    const seen = new Map<string, string>();
    for (;;) {
      const event = await this.next();
      assert(event.type !== "end", `it ended before ${path}`);
      seen.set(event.path!, event.type);
      if (event.path === path) return seen;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#reader.cancel();
  }
}

async function ask(fetch: FetchFunction, target: string, headers = {}, method = "GET") {
  const response = await fetch(new Request(`http://localhost${target}`, { headers, method }));
  return { response, text: await response.text(), tag: response.headers.get("etag") };
}

Deno.test("only the navigation of a browser to an HTML file gets the module, under an entity tag of its own", async () => {
  const source = memory({ "index.html": PAGE, "a/b/page.html": PAGE, "a.txt": "text", "list/a.txt": "a" });
  await using server = watched(source, { precompressed: false });
  const { fetch } = server;
  const page = await ask(fetch, "/", NAVIGATION);
  assertEquals(page.text.replace(TAG, ""), PAGE);
  assertMatch(page.text, /<head><script/);
  assertEquals(page.response.headers.get("content-length"), String(page.text.length));
  assertEquals(page.response.headers.get("vary"), "accept, sec-fetch-dest");
  assertEquals(page.response.headers.get("last-modified"), null);
  assertEquals(page.response.headers.get("accept-ranges"), null);
  const plain = await ask(fetch, "/");
  assertEquals([plain.text, plain.response.headers.get("vary")], [PAGE, "accept, sec-fetch-dest"]);
  assert(plain.tag !== page.tag && page.tag?.startsWith("W/"));
  const again = await ask(fetch, "/", { ...NAVIGATION, "if-none-match": page.tag! });
  assertEquals(again.response.status, 304);
  const stale = await ask(fetch, "/", { ...NAVIGATION, "if-none-match": plain.tag! });
  assertEquals([stale.response.status, TAG.test(stale.text)], [200, true]);
  const deep = await ask(fetch, "/a/b/page.html", NAVIGATION);
  const url = new URL(TAG.exec(deep.text)![1]!, "http://localhost/a/b/page.html");
  const script = await ask(fetch, url.pathname);
  assertEquals([url.pathname.split("/")[1], script.response.status], [".pyserve", 200]);
  for (const path of ["/a.txt", "/list/"]) assert(!TAG.test((await ask(fetch, path, NAVIGATION)).text));
});

Deno.test("scripts, tools, HEAD and ranges get the file as it is, also from the cache", async () => {
  await using tree = await oldTree({ "index.html": PAGE });
  await using server = watched(tree.path);
  const { fetch } = server;
  const others = [{}, { accept: "*/*" }, { accept: "text/html", "sec-fetch-dest": "empty" }];
  for (let round = 0; round < 3; round++) {
    for (const headers of others) assertEquals((await ask(fetch, "/", headers)).text, PAGE);
    assert(TAG.test((await ask(fetch, "/", NAVIGATION)).text));
    assert(TAG.test((await ask(fetch, "/", { accept: "text/html" })).text), "plain HTTP has no Sec-Fetch-Dest");
  }
  const head = await ask(fetch, "/", NAVIGATION, "HEAD");
  assertEquals(head.response.headers.get("content-length"), String(PAGE.length));
  const part = await ask(fetch, "/", { ...NAVIGATION, range: "bytes=0-8" });
  assertEquals([part.response.status, part.text], [206, PAGE.slice(0, 9)]);
});

Deno.test("a page on disk gets the module, a sandboxed one not; the file itself is never changed", async () => {
  await using tree = await tempTree({ "a.html": PAGE, "large.html": PAGE + "x".repeat(300_000) });
  for (const sandbox of [false, true]) {
    await using server = watched(tree.path, { sandbox });
    for (const name of ["a.html", "large.html"]) {
      const { text } = await ask(server.fetch, `/${name}`, NAVIGATION);
      assertEquals(TAG.test(text), !sandbox, `${name} ${sandbox}`);
      assertEquals(text.replace(TAG, ""), Deno.readTextFileSync(tree.at(name)));
    }
  }
});

Deno.test("a page is compressed after the module was inserted, and stored codings are not used for it", async () => {
  await using server = watched(memory({ "a.html": PAGE.repeat(50), "a.html.gz": "not gzip" }), {
    layers: [compress()],
    precompressed: true,
  });
  const headers = { ...NAVIGATION, "accept-encoding": "gzip" };
  const response = await server.fetch(new Request("http://localhost/a.html", { headers }));
  assertEquals(response.headers.get("content-encoding"), "gzip");
  assertEquals(response.headers.get("vary"), "accept, sec-fetch-dest, accept-encoding");
  const text = await new Response(response.body!.pipeThrough(new DecompressionStream("gzip"))).text();
  assert(TAG.test(text) && text.replace(TAG, "") === PAGE.repeat(50));
});

/** Changes of every kind, the last in `last.txt`. */
function change(tree: TempTree): void {
  Deno.writeTextFileSync(tree.at("docs/new ü.txt"), "12345");
  Deno.removeSync(tree.at("docs/old.txt"));
  Deno.writeTextFileSync(tree.at("elsewhere.txt"), "1");
  for (const ignored of [".git/x", "node_modules/x", "docs/node_modules/x", "docs/build/x", "docs/a.log"]) {
    Deno.writeTextFileSync(tree.at(ignored), "1");
  }
  Deno.writeTextFileSync(tree.at("docs/last.txt"), "1");
}

const TREE = {
  "docs/old.txt": "1",
  ".git/a": "1",
  "node_modules/a": "1",
  "docs/node_modules/a": "1",
  "docs/build/a": "1",
};

Deno.test("?watch streams what changes in a directory as lines of JSON, without what is ignored", async () => {
  await using tree = await tempTree(TREE);
  await using server = watched(tree.path, { hidden: true }, { ignore: ["docs/build", "*.log"] });
  await using events = await Events.of(server.fetch, "/docs/?watch");
  assertEquals(events.response.headers.get("content-type"), "application/x-ndjson");
  assertEquals(events.response.headers.get("cache-control"), "no-store");
  change(tree);
  const seen = await events.until("/docs/last.txt");
  seen.delete("/docs");
  assertEquals(
    [...seen].sort(),
    [["/docs/last.txt", "changed"], ["/docs/new ü.txt", "changed"], ["/docs/old.txt", "removed"]],
  );
});

Deno.test("the stream of the site has all changes; a browser gets server-sent events, and what it has missed", async () => {
  await using tree = await tempTree(TREE);
  await using server = watched(tree.path);
  const headers = { accept: "text/event-stream" };
  const response = await server.fetch(new Request("http://localhost/.pyserve/?watch", { headers }));
  assertEquals(response.headers.get("content-type"), "text/event-stream");
  await using events = new Events(response);
  assertMatch(await events.line(), /^retry: \d+$/);
  const id = /^id: (.*)$/.exec(await events.line())![1]!;
  assertEquals(await events.line(), 'data: {"type":"watching","path":"/"}');
  change(tree);
  while (!(await events.line()).includes("/docs/last.txt"));
  const since = async (lastId: string) => {
    const headers = { accept: "text/event-stream", "last-event-id": lastId };
    await using again = new Events(await server.fetch(new Request("http://localhost/.pyserve/?watch", { headers })));
    for (let at = 0; at < 4; at++) await again.line();
    return await again.line();
  };
  assertMatch(await since(id), /^data: \{"type":"(?:changed|removed)","path":"\/(?:docs|elsewhere)/);
  assertEquals(await since("another-7"), 'data: {"type":"missed"}');
});

/** Readers of /open only, and of everything. */
const byName: Layer = (next) => (request, context) => {
  const user = request.headers.get("x-user");
  if (user === "all") return next(request, context);
  const open = SitePath.root.child("open")!;
  const may = (_right: string, path: SitePath) => path.below(open) !== null;
  return next(request, derive(context, { user, may, view: "open" }));
};

Deno.test("a client hears only of paths that it may read: neither names of others nor through links", async () => {
  await using tree = await tempTree({ "open/a.txt": "a", "secret/a.txt": "a", "top.txt": "a" });
  Deno.symlinkSync(tree.at("secret"), tree.at("open/link"));
  await using server = watched(tree.path, { layers: [byName] });
  await using all = await Events.of(server.fetch, "/.pyserve/?watch", { "x-user": "all" });
  await using own = await Events.of(server.fetch, "/.pyserve/?watch");
  Deno.writeTextFileSync(tree.at("secret/new.txt"), "1");
  Deno.removeSync(tree.at("secret/a.txt"));
  Deno.removeSync(tree.at("top.txt"));
  Deno.writeTextFileSync(tree.at("open/last.txt"), "1");
  const everything = await all.until("/open/last.txt");
  assert(everything.has("/secret/new.txt"), [...everything.keys()].join());
  const seen = await own.until("/open/last.txt");
  assert([...seen.keys()].every((path) => path.startsWith("/open")), [...seen.keys()].join());
  for (const target of ["/secret/?watch", "/open/link/?watch", "/secret/a.txt?watch", "/none/?watch"]) {
    assertEquals((await ask(server.fetch, target)).response.status, 404, target);
  }
});

Deno.test("links to what a client may not read come and go without their names; its own names are told", async () => {
  await using tree = await tempTree({ "open/a.txt": "a", "secret/a.txt": "a" });
  Deno.symlinkSync(tree.at("secret"), tree.at("open/old-link"));
  await using server = watched(tree.path, { layers: [byName] });
  await using own = await Events.of(server.fetch, "/open/?watch");
  Deno.symlinkSync(tree.at("secret/a.txt"), tree.at("open/new-link"));
  Deno.symlinkSync(tree.at("nowhere"), tree.at("open/broken-link"));
  Deno.removeSync(tree.at("open/old-link"));
  Deno.writeTextFileSync(tree.at("open/b.txt"), "1");
  assertEquals([...(await own.until("/open/b.txt")).keys()].sort(), ["/open", "/open/b.txt"]);
  Deno.removeSync(tree.at("open/b.txt"));
  Deno.removeSync(tree.at("open/new-link"));
  Deno.writeTextFileSync(tree.at("open/last.txt"), "1");
  const seen = await own.until("/open/last.txt");
  assertEquals(seen.get("/open/b.txt"), "removed");
  assertEquals([...seen.keys()].filter((path) => path.includes("link")), []);
});

Deno.test("neither a client nor a user can take all places of streams; clients cannot take those of users", async () => {
  const asUser: Layer = (next) => (request, context) => {
    const user = request.headers.get("x-user");
    return next(request, user === null ? context : derive(context, { user }));
  };
  await using server = watched(memory({ "a.txt": "a" }), { layers: [asUser] });
  const streams: Response[] = [];
  const watch = async (hostname: string, headers: Record<string, string> = {}) => {
    const request = new Request("http://localhost/?watch", { headers: { host: "localhost", ...headers } });
    const response = await server.fetch(request, { remoteAddr: { transport: "tcp", hostname, port: 1 } });
    if (response.ok) streams.push(response);
    else await response.body?.cancel();
    return response.status;
  };
  /** The first refusal, and after how many streams. */
  const fill = async (ask: (turn: number) => Promise<number>) => {
    for (let turn = 0; turn <= 256; turn++) {
      const status = await ask(turn);
      if (status !== 200) return [turn, status];
    }
  };
  assertEquals(await fill(() => watch("192.0.2.1")), [32, 429]);
  assertEquals(await fill((turn) => watch(`198.51.100.${turn}`)), [224, 503]);
  assertEquals(await fill(() => watch("192.0.2.1", { "x-user": "anna" })), [32, 429]);
  assertEquals(await watch("192.0.2.1", { "x-user": "bert" }), 200);
  await Promise.all(streams.map((stream) => stream.body!.cancel()));
  assertEquals(await watch("192.0.2.1"), 200);
  await streams.at(-1)!.body!.cancel();
});

/** A source, and how many of its watches have ended. */
function observed(source: FileSource): { readonly source: FileSource; ended: number } {
  const seen = {
    ended: 0,
    source: {
      stat: (path) => source.stat(path),
      list: (path) => source.list(path),
      open: (...given) => source.open(...given),
      watch(path, signal) {
        signal.addEventListener("abort", () => void (seen.ended += 1));
        return source.watch!(path, signal);
      },
    } satisfies FileSource,
  };
  return seen;
}

Deno.test("a watch serves all clients, and ends after the last has left", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const seen = observed(disk(tree.path));
  const server = watched(seen.source);
  const [first, second] = [await Events.of(server.fetch, "/?watch"), await Events.of(server.fetch, "/a.txt?watch")];
  Deno.writeTextFileSync(tree.at("a.txt"), "b");
  await first.until("/a.txt");
  await second.until("/a.txt");
  await first[Symbol.asyncDispose]();
  assertEquals(seen.ended, 0);
  await second[Symbol.asyncDispose]();
  await until(() => seen.ended === 1, "the watch ended");
  await server.live.end!();
});

Deno.test("streams end when the server begins to stop", async () => {
  await using server = watched(memory({ "a.txt": "a" }));
  await using events = await Events.of(server.fetch, "/?watch");
  server.live.drain!();
  assertEquals(await events.line(), "");
});

/** Fails as the system does. */
function refusing(message: string): Disposable {
  const { watchFs } = Deno;
  Object.assign(Deno, {
    watchFs() {
      throw new Error(message);
    },
  });
  return { [Symbol.dispose]: () => void Object.assign(Deno, { watchFs }) };
}

for (
  const [limit, message, advice] of [
    ["watches", 'OS file watch limit reached. about ["/some/path"]', "fs.inotify.max_user_watches"],
    ["watching programs", "Too many open files (os error 24)", "fs.inotify.max_user_instances"],
  ] as const
) {
  Deno.test(`where the limit on ${limit} is reached, it says so and looks for changes instead`, async () => {
    await using tree = await tempTree(TREE);
    using _refusing = refusing(message);
    await using server = watched(tree.path, {}, { ignore: ["docs/build", "*.log"], pollMs: 20 });
    await using events = await Events.of(server.fetch, "/.pyserve/?watch");
    change(tree);
    const seen = await events.until("/elsewhere.txt");
    if (!seen.has("/docs/last.txt")) { for (const entry of await events.until("/docs/last.txt")) seen.set(...entry); }
    assertEquals(
      seen.get("/docs/new ü.txt") ?? (await events.until("/docs/new ü.txt")).get("/docs/new ü.txt"),
      "changed",
    );
    assert(![...seen.keys()].some((path) => /node_modules|\.log$|build\/|\.git/.test(path)));
    assertEquals(server.errors.length, 1);
    assert(server.errors[0]!.includes(`limit on ${limit}`) && server.errors[0]!.includes(advice), server.errors[0]);
    assert(!server.errors[0]!.includes("/some/path"));
  });
}

Deno.test("too many streams are refused", async () => {
  await using server = watched(memory({ "a.txt": "a" }));
  const open: Events[] = [];
  for (let at = 0; at < 256; at++) open.push(await Events.of(server.fetch, "/?watch"));
  assertEquals((await ask(server.fetch, "/?watch")).response.status, 503);
  for (const events of open) await events[Symbol.asyncDispose]();
  await using _again = await Events.of(server.fetch, "/?watch");
});
