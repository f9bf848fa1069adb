/** One suite, every door: called directly, by Deno.serve, by `deno serve`, by the command, by Python's classes. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { disk, fileServer, SimpleHTTPRequestHandler, SitePath, ThreadingHTTPServer, toFetch } from "@x/pyserve";
import { makeCertificate } from "../support/certificate.ts";
import { start, startProcess } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { fromFileUrl, ROOT } from "../support/paths.ts";
import { settleTimes, type TempTree, tempTree } from "../support/tree.ts";
import { freePort } from "../support/port.ts";

const SERVED = fromFileUrl("../testdata/deno_serve.ts");

/** The part of `fetch` that the suite needs. */
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
  // Recently changed files are not cached: with files this old, the second response comes from the cache.
  const source = disk(tree.path);
  for (const name of ["hello.txt", "big.bin"]) {
    while (!(await source.stat(SitePath.root.child(name)!))!.stable) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return tree;
}

let tree: TempTree;

Deno.test.beforeAll(async () => {
  tree = await site();
});

Deno.test.afterAll(async () => await tree[Symbol.asyncDispose]());

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
  // deno-lint-ignore require-await
  async "Python's classes"(root) {
    class Handler extends SimpleHTTPRequestHandler {
      override protocol_version = "HTTP/1.1";
      override directory = root;
      override server_version = "pyserve";
      override sys_version = "";
      override log_message() {}
    }
    const server = new ThreadingHTTPServer(["127.0.0.1", 0], Handler);
    server.serve_forever();
    return overHttp(server.server_port, () => server.server_close());
  },
  "the command": (root) => command([root, "--quiet"]),
  "the command without a cache": (root) => command([root, "--quiet", "--cache-size=0"]),
  "the command over HTTP/1.0": (root) => command([root, "--quiet", "--protocol=HTTP/1.0"]),
  "the command over HTTP/2": (root) => commandOverTls([root, "--quiet"]),
  ...Deno.build.os === "linux" && { "two workers": (root: string) => command([root, "--quiet", "--workers=2"]) },
};

async function command(args: readonly string[]): Promise<Door> {
  const process = await start(args);
  return overHttp(process.port, () => process.stop());
}

async function commandOverTls(args: readonly string[]): Promise<Door> {
  const tree = await tempTree();
  const { cert, options } = await makeCertificate(tree.path);
  const process = await start([...args, ...options]);
  const client = Deno.createHttpClient({ caCerts: [await Deno.readTextFile(cert)], http1: false, http2: true });
  return {
    ask: (target, init) => fetch(`https://localhost:${process.port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await process.stop();
      await tree[Symbol.asyncDispose]();
    },
  };
}

function overHttp(port: number, close: () => PromiseLike<unknown>): Door {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  return {
    ask: (target, init) => fetch(`http://127.0.0.1:${port}${target}`, { ...init, client, redirect: "manual" }),
    async [Symbol.asyncDispose]() {
      client.close();
      await close();
    },
  };
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
  const ignore = name.includes("HTTP/2") && missing("openssl");
  Deno.test({ name: `through ${name}`, ignore }, async (t) => {
    await using door = await open(tree.path);
    const once = async (target: string, init?: RequestInit) => {
      const response = await door.ask(target, init);
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    /** Sends a request three times; except for the boundary of parts, the response must be the same. */
    const text = async (target: string, init?: RequestInit) => {
      const answers = [await once(target, init), await once(target, init), await once(target, init)] as const;
      const shapes = answers.map(({ status, headers, text }) => {
        const boundary = /boundary=(\w+)/.exec(headers.get("content-type") ?? "")?.[1] ?? "no boundary";
        const fields = [...headers].filter(([name]) => name !== "date");
        return JSON.stringify([status, fields, text]).replaceAll(boundary, "…");
      });
      assertEquals(new Set(shapes).size, 1, shapes.join("\n"));
      return answers[2];
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
      // Python's classes send an absolute path, as Python does; all other doors a relative reference.
      const expected = name === "Python's classes" ? "/site/?q=1" : "site/?q=1";
      assertEquals([status, headers.get("location"), headers.get("cache-control")], [301, expected, "no-cache"]);
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
      // A class supports the methods that it defines.
      const known = name === "Python's classes" ? [501, null] : [405, "GET, HEAD, OPTIONS"];
      assertEquals([status, headers.get("allow")], known);
    });
  });
}
