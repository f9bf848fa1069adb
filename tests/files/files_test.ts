/** files(): content, index pages, redirects, ranges, conditions, and files that change. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import {
  disk,
  type Feature,
  files,
  fileServer,
  type FileSource,
  type Handler,
  memory,
  serve,
  toFetch,
} from "@x/pyserve";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const MODIFIED = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SITE = memory({
  "hello.txt": "0123456789",
  "empty": "",
  "docs/index.html": "<h1>docs</h1>",
  "old/index.htm": "old",
  "plain/a.txt": "a",
  "odd/index.html/a.txt": "a",
  "image.svgz": "not really compressed",
}, { modified: MODIFIED });

function get(target: string, headers: HeadersInit = {}, method = "GET"): Promise<Response> {
  return Promise.resolve(toFetch(files(SITE))(new Request(`http://localhost${target}`, { method, headers })));
}

Deno.test("files() sends a file with all its metadata", async () => {
  const response = await get("/hello.txt");
  assertEquals(response.status, 200);
  assertEquals(Object.fromEntries(response.headers), {
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
    "content-length": "10",
    "content-type": "text/plain; charset=utf-8",
    "etag": response.headers.get("etag")!,
    "last-modified": "Fri, 02 Jan 2026 03:04:05 GMT",
    "x-content-type-options": "nosniff",
  });
  assertEquals(await response.text(), "0123456789");
});

Deno.test("files() answers HEAD as GET, without the content", async () => {
  for (const target of ["/hello.txt", "/empty", "/docs/", "/docs", "/nothing"]) {
    const [head, whole] = [await get(target, {}, "HEAD"), await get(target)];
    await whole.body?.cancel();
    assertEquals([head.status, [...head.headers]], [whole.status, [...whole.headers]], target);
    assertEquals(head.body, null, target);
  }
});

Deno.test("files() serves a directory by its index, html before htm, regular files only", async () => {
  assertEquals(await (await get("/docs/")).text(), "<h1>docs</h1>");
  assertEquals(await (await get("/old/")).text(), "old");
  for (const target of ["/plain/", "/odd/"]) {
    const response = await get(target);
    await response.body?.cancel();
    assertEquals(response.status, 404, target);
  }
});

Deno.test("files() redirects a directory to its slash and keeps the query", async () => {
  const response = await get("/docs?a=b");
  assertEquals([response.status, response.headers.get("location")], [301, "docs/?a=b"]);
  assertEquals([response.headers.get("content-length"), await response.text()], ["0", ""]);
});

Deno.test("files() declines a slash after a file, other methods, and missing files", async () => {
  for (const [method, target] of [["GET", "/hello.txt/"], ["POST", "/hello.txt"], ["GET", "/hello.txt/x"]]) {
    const response = await get(target!, {}, method);
    await response.body?.cancel();
    assertEquals(response.status, 404);
  }
});

Deno.test("files() answers ranges", async (t) => {
  const rows: readonly [range: string, status: number, contentRange: string | null, body: string][] = [
    ["bytes=0-3", 206, "bytes 0-3/10", "0123"],
    ["bytes=-2", 206, "bytes 8-9/10", "89"],
    ["bytes=5-", 206, "bytes 5-9/10", "56789"],
    ["bytes=12-20", 416, "bytes */10", "416 Range Not Satisfiable: The range is outside the file\n"],
    ["lines=1-2", 200, null, "0123456789"],
    ["bytes=3-1", 200, null, "0123456789"],
  ];
  for (const [range, status, contentRange, body] of rows) {
    await t.step(range, async () => {
      const response = await get("/hello.txt", { range });
      assertEquals([response.status, response.headers.get("content-range")], [status, contentRange]);
      assertEquals(await response.text(), body);
      assertEquals(response.headers.get("content-length"), String(body.length));
    });
  }
});

Deno.test("files() answers several ranges in parts, in the order asked for", async () => {
  const response = await get("/hello.txt", { range: "bytes=8-9,0-1" });
  const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(response.headers.get("content-type")!)![1];
  assertEquals([response.status, response.headers.get("content-range")], [206, null]);
  const body = await response.text();
  assertEquals(response.headers.get("content-length"), String(body.length));
  assertEquals(
    body,
    [
      "", // zsync recognises the first boundary only after a line end
      `--${boundary}`,
      "Content-Type: text/plain; charset=utf-8",
      "Content-Range: bytes 8-9/10",
      "",
      "89",
      `--${boundary}`,
      "Content-Type: text/plain; charset=utf-8",
      "Content-Range: bytes 0-1/10",
      "",
      "01",
      `--${boundary}--`,
      "",
    ].join("\r\n"),
  );
});

Deno.test("files() streams large files, ranges and parts byte for byte", async () => {
  const bytes = new Uint8Array(1_500_000).map((_, index) => index * 31 + (index >> 8));
  await using tree = await tempTree({ "big.bin": bytes });
  const fetch = toFetch(files(disk(tree.path)));
  const part = async (range: string) => {
    const response = await fetch(new Request("http://localhost/big.bin", { headers: { range } }));
    return { response, body: new Uint8Array(await response.arrayBuffer()) };
  };
  assertEquals((await part("bytes=0-")).body, bytes);
  assertEquals((await part("bytes=1-1200000")).body, bytes.subarray(1, 1_200_001));
  assertEquals((await part("bytes=-70000")).body, bytes.subarray(-70_000));
  const { response, body } = await part("bytes=1000000-1400000,0-299999");
  assertEquals(response.headers.get("content-length"), String(body.length));
  const text = new TextDecoder("latin1").decode(body.subarray(0, 200));
  const start = text.indexOf("\r\n\r\n") + 4;
  assertEquals(body.subarray(start, start + 400_001), bytes.subarray(1_000_000, 1_400_001));
  assertEquals(body.subarray(-300_000 - 40, -40).length, 300_000);
});

Deno.test("files() answers conditions with 304 and 412", async () => {
  const etag = (await get("/hello.txt", {}, "HEAD")).headers.get("etag")!;
  const fresh = await get("/hello.txt", { "if-none-match": etag });
  assertEquals(fresh.status, 304);
  assertEquals(Object.fromEntries(fresh.headers), { "cache-control": "no-cache", etag });
  assertEquals(fresh.body, null);
  assertEquals((await get("/hello.txt", { "if-modified-since": "Fri, 02 Jan 2026 03:04:05 GMT" })).status, 304);
  const failed = await get("/hello.txt", { "if-match": '"x"' });
  await failed.body?.cancel();
  assertEquals(failed.status, 412);
});

Deno.test("files() sends the range only where If-Range holds", async () => {
  const etag = (await get("/hello.txt", {}, "HEAD")).headers.get("etag")!;
  for (const [ifRange, status] of [[etag, 206], ['"x"', 200], ["Fri, 02 Jan 2026 03:04:05 GMT", 206]] as const) {
    const response = await get("/hello.txt", { range: "bytes=0-3", "if-range": ifRange });
    await response.body?.cancel();
    assertEquals(response.status, status, ifRange);
  }
});

Deno.test("files() sends a weak tag for a file that may change within the resolution of the clock", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const response = await toFetch(files(disk(tree.path)))(new Request("http://localhost/a.txt"));
  await response.body?.cancel();
  assertMatch(response.headers.get("etag")!, /^W\/"/);
});

Deno.test("files() never says that a file was modified later than now", async () => {
  const future = memory({ "a": "a" }, { modified: Date.now() + 1e9 });
  const response = await toFetch(files(future))(new Request("http://localhost/a", { method: "HEAD" }));
  assert(Date.parse(response.headers.get("last-modified")!) <= Date.now());
});

Deno.test("files() sends .svgz with Content-Encoding, and other compressed files as they are", async () => {
  const response = await get("/image.svgz", {}, "HEAD");
  assertEquals(response.headers.get("content-encoding"), "gzip");
  assertEquals(response.headers.get("content-type"), "image/svg+xml");
});

Deno.test("files() sends precompressed siblings to clients that accept them", async () => {
  const fetch = toFetch(
    files(memory({ "a.js": "plain", "a.js.gz": "zipped", "a.js.br": "brotli" }), { precompressed: true }),
  );
  const rows = [["gzip", "gzip", "zipped"], ["gzip, br", "br", "brotli"], ["", null, "plain"]] as const;
  const tags = new Set<string>();
  for (const [accept, coding, body] of rows) {
    const response = await fetch(new Request("http://localhost/a.js", { headers: { "accept-encoding": accept } }));
    assertEquals([response.headers.get("content-encoding"), await response.text()], [coding, body]);
    assertEquals(response.headers.get("content-type"), "text/javascript; charset=utf-8");
    assertEquals(response.headers.get("vary"), "accept-encoding");
    tags.add(response.headers.get("etag")!);
  }
  assertEquals(tags.size, 3);
});

Deno.test("files() ignores a precompressed sibling that is older than the file", async () => {
  await using tree = await tempTree({ "a.js": "plain", "a.js.gz": "zipped" });
  await Deno.utime(tree.at("a.js.gz"), 1000, 1000);
  const fetch = toFetch(files(disk(tree.path), { precompressed: true }));
  const response = await fetch(new Request("http://localhost/a.js", { headers: { "accept-encoding": "gzip" } }));
  assertEquals(await response.text(), "plain");
});

/** A source in which something happens between the stat and the open. */
function meddling(source: FileSource, meddle: () => void): FileSource {
  return { ...bound(source), open: (path, seen) => (meddle(), source.open(path, seen)) };
}

function bound(source: FileSource): FileSource {
  return {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    open: (path, seen) => source.open(path, seen),
  };
}

Deno.test("files() stats again if a file is replaced between stat and open", async () => {
  await using tree = await tempTree({ "a.txt": "old" });
  let once = true;
  const source = meddling(disk(tree.path), () => {
    if (once) Deno.writeTextFileSync(tree.at("a.txt"), "brand new");
    once = false;
  });
  const response = await toFetch(files(source))(new Request("http://localhost/a.txt"));
  assertEquals([response.headers.get("content-length"), await response.text()], ["9", "brand new"]);
});

Deno.test("files() answers 503 for a file that keeps changing, and 404 for one that disappears", async () => {
  await using tree = await tempTree({ "a.txt": "x" });
  let text = "x";
  const restless = meddling(disk(tree.path), () => Deno.writeTextFileSync(tree.at("a.txt"), text += "x"));
  const response = await toFetch(files(restless))(new Request("http://localhost/a.txt"));
  await response.body?.cancel();
  assertEquals([response.status, response.headers.get("retry-after")], [503, "1"]);
  const gone = meddling(disk(tree.path), () => Deno.removeSync(tree.at("a.txt")));
  const missing = await toFetch(files(gone))(new Request("http://localhost/a.txt"));
  await missing.body?.cancel();
  assertEquals(missing.status, 404);
});

/** Fetches a large file slowly over a real socket, and changes it when the first bytes have arrived. */
async function whileSent(
  meddle: (path: string) => void,
): Promise<{ received: Uint8Array; promised: number; ended: boolean }> {
  const bytes = new Uint8Array(40_000_000).fill(97);
  await using tree = await tempTree({ "big.bin": bytes });
  const server = serve(toFetch(fileServer(tree.path, { log: false })), { hostname: "127.0.0.1", port: 0 });
  const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
  await connection.write(
    new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
  );
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  const buffer = new Uint8Array(65_536);
  let ended = false;
  try {
    chunks.push(buffer.slice(0, await connection.read(buffer) ?? 0));
    meddle(tree.at("big.bin"));
    for (let count = await connection.read(buffer); count !== null; count = await connection.read(buffer)) {
      chunks.push(buffer.slice(0, count));
    }
    ended = true;
  } catch {
    // A reset also says that the response is incomplete.
  }
  connection.close();
  await server.drain();
  const all = new Uint8Array(await new Blob(chunks).arrayBuffer());
  const end = new TextDecoder("latin1").decode(all.subarray(0, 2000)).indexOf("\r\n\r\n") + 4;
  return { received: all.subarray(end), promised: bytes.length, ended };
}

Deno.test("a file that shrinks while it is sent aborts the connection", async () => {
  const { received, promised } = await whileSent((path) => Deno.truncateSync(path, 20_000_000));
  assert(received.length < promised, "as many bytes as promised, though there were fewer");
});

Deno.test("a file that grows while it is sent is sent with its original length", async () => {
  const { received, promised } = await whileSent((path) => {
    Deno.writeFileSync(path, new Uint8Array(5_000_000), { append: true });
  });
  assertEquals(received.length, promised);
});

Deno.test({
  name: "a file that is replaced or deleted while it is sent is sent completely",
  ignore: Deno.build.os === "windows",
  async fn() {
    for (
      const meddle of [
        (path: string) => Deno.removeSync(path),
        (path: string) => {
          Deno.writeTextFileSync(path + ".new", "new");
          Deno.renameSync(path + ".new", path);
        },
      ]
    ) {
      const { received, promised } = await whileSent(meddle);
      assertEquals(received.length, promised);
      assert(received.every((byte) => byte === 97));
    }
  },
});

Deno.test("a client that disconnects in the middle leaves nothing open", async () => {
  await using tree = await tempTree({ "big.bin": new Uint8Array(20_000_000) });
  const server = serve(toFetch(fileServer(tree.path, { log: false })), { hostname: "127.0.0.1", port: 0 });
  for (let round = 0; round < 20; round++) {
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await connection.write(new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    await connection.read(new Uint8Array(1000));
    connection.close();
  }
  assertEquals((await ask(server.address.port, "HEAD", "/big.bin")).status, 200);
  await server.drain(); // the sanitizer says whether a file is still open
});

Deno.test("toFetch() works as the handler of Deno.serve itself", async () => {
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, toFetch(files(SITE)));
  const response = await raw(
    server.addr.port,
    "GET /hello.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
  );
  assertEquals([response.status, response.text], [200, "0123456789"]);
});

Deno.test("if clients may write, documents that run scripts get an opaque origin", async (t) => {
  const names = [
    "a.html",
    "a.htm",
    "a.xhtml",
    "a.svg",
    "a.svgz",
    "a.xml",
    "a.xsl",
    "a.rss",
    "a.txt",
    "a.js",
    "a.pdf",
    "a.png",
  ];
  const source = memory(Object.fromEntries(names.map((name) => [name, "x"])));
  const sandboxed = async (handler: Handler) => {
    const fetch = toFetch(handler);
    const asked = names.map(async (name) => {
      const { headers } = await fetch(new Request(`http://localhost/${name}`, { headers: { range: "bytes=0-0" } }));
      return headers.get("content-security-policy")?.startsWith("sandbox ") ? name : null;
    });
    return (await Promise.all(asked)).filter((name) => name !== null);
  };
  const writes: Feature = { methods: [], abilities: ["delete"], handler: () => () => null };
  const reads: Feature = { methods: [], abilities: ["search"], handler: () => () => null };
  const documents = names.slice(0, 8);
  const rows: readonly (readonly [string, Handler, readonly string[]])[] = [
    ["files", files(source), []],
    ["files, sandboxed", files(source, { sandbox: true }), documents],
    ["a server that reads", fileServer(source, { log: false, features: [reads] }), []],
    ["a server that writes", fileServer(source, { log: false, features: [writes] }), documents],
    ["one whose files are trusted", fileServer(source, { log: false, features: [writes], sandbox: false }), []],
  ];
  for (const [name, handler, expected] of rows) {
    await t.step(name, async () => assertEquals(await sandboxed(handler), expected));
  }
});
