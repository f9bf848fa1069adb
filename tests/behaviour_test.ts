/** One suite, every door: called in a test, by Deno.serve, by `deno serve`, by the command. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fileServer, toFetch } from "@x/pyserve";
import { start, startProcess } from "./support/command.ts";
import { fromFileUrl, ROOT } from "./support/paths.ts";
import { settleTimes, type TempTree, tempTree } from "./support/tree.ts";

const SERVED = fromFileUrl("../testdata/deno_serve.ts");

/** A way to ask: the part of `fetch` that the suite needs. */
interface Door extends AsyncDisposable {
  ask(target: string, init?: RequestInit): Promise<Response>;
}

async function site(): Promise<TempTree> {
  const tree = await tempTree({
    "hello.txt": "0123456789",
    "site/index.html": "<h1>site</h1>",
    "list/a b.txt": "a",
    "list/sub/c": "c",
    ".hidden/x": "x",
    "big.bin": new Uint8Array(300_000).map((_, index) => index % 251),
  });
  await settleTimes(tree.at("hello.txt"), 1_000_000_000);
  return tree;
}

const DOORS: Readonly<Record<string, (root: string) => Promise<Door>>> = {
  // deno-lint-ignore require-await
  async "a function"(root) {
    const fetch = toFetch(fileServer(root, { log: false }));
    return {
      ask: (target, init) => Promise.resolve(fetch(new Request(`http://localhost${target}`, init))),
      async [Symbol.asyncDispose]() {},
    };
  },
  // deno-lint-ignore require-await
  async "Deno.serve"(root) {
    const fetch = toFetch(fileServer(root, { log: false }));
    const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, fetch);
    return overHttp(server.addr.port, () => server.shutdown());
  },
  async "deno serve"(root) {
    const port = freePort();
    const args = ["serve", "-A", "--no-lock", "--host", "127.0.0.1", "--port", String(port), SERVED];
    const process = await startProcess(Deno.execPath(), args, {
      cwd: ROOT,
      env: { TEST_PORT: String(port), TEST_ROOT: root },
    });
    await untilListening(port);
    return overHttp(port, () => process[Symbol.asyncDispose]());
  },
  async "the command"(root) {
    const process = await start([root, "--quiet"]);
    return overHttp(process.port, () => process[Symbol.asyncDispose]());
  },
};

function overHttp(port: number, close: () => PromiseLike<void>): Door {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  return {
    ask: (target, init) => fetch(`http://127.0.0.1:${port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await close();
    },
  };
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

async function untilListening(port: number): Promise<void> {
  for (;;) {
    try {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

for (const [name, open] of Object.entries(DOORS)) {
  Deno.test(`through ${name}`, async (t) => {
    await using tree = await site();
    await using door = await open(tree.path);
    const text = async (target: string, init?: RequestInit) => {
      const response = await door.ask(target, init);
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    await t.step("a file", async () => {
      const { status, headers, text: body } = await text("/hello.txt");
      assertEquals([status, body], [200, "0123456789"]);
      assertEquals(headers.get("content-length"), "10");
      assertEquals(headers.get("content-type"), "text/plain; charset=utf-8");
      assertEquals(headers.get("last-modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
      assertEquals(headers.get("server"), "pyserve");
    });
    await t.step("HEAD", async () => {
      const { status, headers, text: body } = await text("/hello.txt", { method: "HEAD" });
      assertEquals([status, headers.get("content-length"), body], [200, "10", ""]);
    });
    await t.step("a condition", async () => {
      const etag = (await text("/hello.txt")).headers.get("etag")!;
      assertEquals((await text("/hello.txt", { headers: { "if-none-match": etag } })).status, 304);
      assertEquals((await text("/hello.txt", { headers: { "if-match": '"x"' } })).status, 412);
    });
    await t.step("ranges", async () => {
      const range = (value: string) => text("/hello.txt", { headers: { range: value } });
      assertEquals((await range("bytes=2-4")).text, "234");
      assertEquals((await range("bytes=20-")).status, 416);
      assertMatch((await range("bytes=0-1,8-9")).headers.get("content-type")!, /^multipart\/byteranges/);
    });
    await t.step("a large file", async () => {
      const response = await door.ask("/big.bin");
      assertEquals(new Uint8Array(await response.arrayBuffer()), await Deno.readFile(tree.at("big.bin")));
    });
    await t.step("an index and its redirect", async () => {
      assertEquals((await text("/site/")).text, "<h1>site</h1>");
      const { status, headers } = await text("/site?q=1");
      assertEquals([status, headers.get("location")], [301, "/site/?q=1"]);
    });
    await t.step("a listing", async () => {
      assertStringIncludes((await text("/list/")).text, '<a href="a%20b.txt"><bdi>a b.txt</bdi></a>');
      const { entries } = JSON.parse((await text("/list/", { headers: { accept: "application/json" } })).text);
      assertEquals(entries.map((entry: { href: string }) => entry.href), ["sub/", "a%20b.txt"]);
    });
    await t.step("errors", async () => {
      for (const [target, status] of [["/nope", 404], ["/.hidden/x", 404], ["/%00", 400], ["/%zz", 400]] as const) {
        assertEquals((await text(target)).status, status, target);
      }
      const { status, headers } = await text("/hello.txt", { method: "DELETE" });
      assertEquals([status, headers.get("allow")], [405, "GET, HEAD, OPTIONS"]);
    });
  });
}
