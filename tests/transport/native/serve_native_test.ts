/** The native engine: connections, and the contract of a server. */

import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import { fileServer, settle, toFetch } from "@x/pyserve";
import { type NativeServeOptions, serveNative } from "../../../handlers/transport/native/serve_native.ts";
import { runCommand, start } from "../../support/command.ts";
import { CLI } from "../../support/paths.ts";
import { NATIVE, servingNative, wireTo } from "../../support/native.ts";
import { tempTree } from "../../support/tree.ts";
import { until, within } from "../../support/wait.ts";

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
const LAST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

function encode(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** A stream that never ends, and tells whether it has been cancelled. */
function endless() {
  const { promise: cancelled, resolve } = Promise.withResolvers<void>();
  const stream = new ReadableStream({ start: (body) => body.enqueue(encode("begun")), cancel: () => resolve() });
  return { stream, cancelled };
}

Deno.test({
  ...NATIVE,
  name: "drain and abort of a native server settle finished, in any order and more than once",
  async fn() {
    for (const ways of [["drain", "drain"], ["abort", "abort"], ["drain", "abort"], ["abort", "drain"]] as const) {
      const server = serveNative(toFetch(() => new Response("hello")), LOOPBACK);
      const { port } = server.address;
      assertEquals(await (await fetch(`http://127.0.0.1:${port}/`)).text(), "hello");
      for (const way of ways) await within(server[way]());
      await within(server.finished);
      Deno.listen({ hostname: "127.0.0.1", port }).close();
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "a drain waits for responses, tells clients to close, and closes idle connections",
  async fn() {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using native = servingNative(async (request) => {
      if (request.url.endsWith("/slow")) await released;
      return new Response("hello");
    });
    using idle = await wireTo(native.port);
    await idle.send(GET);
    await idle.until(/hello/);
    using busy = await wireTo(native.port);
    await busy.send(GET.replace("/", "/slow"));
    await until(async () => (await busy.conn.write(new Uint8Array(0)), true));
    await new Promise((resolve) => setTimeout(resolve, 50));
    const drained = native.server.drain();
    await within(idle.rest());
    release();
    assertMatch(await busy.rest(), /connection: close\r\n[^]*hello$/);
    await within(drained);
  },
});

Deno.test({
  ...NATIVE,
  name: "abort ends responses that would never end, even after a drain, and cancels their source",
  async fn() {
    const { stream, cancelled } = endless();
    await using native = servingNative(() => new Response(stream));
    using client = await wireTo(native.port);
    await client.send(GET);
    await client.until(/begun/);
    const drained = native.server.drain();
    await within(native.server.abort());
    await within(cancelled);
    await within(drained);
    await client.rest();
  },
});

Deno.test({
  ...NATIVE,
  name: "what a fetch function throws, rejects with or returns instead of a Response is a 500 without detail",
  async fn() {
    const errors: unknown[] = [];
    const log = { access() {}, error: (_message: string, cause: unknown) => void errors.push(cause) };
    const faults: (() => unknown)[] = [
      () => {
        throw new Error("SECRET");
      },
      () => Promise.reject(new Error("SECRET")),
      () => "SECRET",
      () => undefined,
      () => Promise.resolve(null),
      () => Response.error(),
    ];
    let fault = 0;
    await using native = servingNative(() => faults[fault]!() as Response, { log });
    for (; fault < faults.length; fault++) {
      const response = await fetch(native.url);
      assertEquals([response.status, await response.text()], [500, ""]);
    }
    assertEquals(errors.length, faults.length);
  },
});

Deno.test({
  ...NATIVE,
  name: "pipelined requests are answered in order, one at a time, however slow the first is",
  async fn() {
    const running: string[] = [];
    await using native = servingNative(async (request) => {
      const { pathname } = new URL(request.url);
      running.push(pathname);
      if (pathname === "/0") await new Promise((resolve) => setTimeout(resolve, 30));
      assertEquals(running.pop(), pathname);
      return new Response(`<${pathname}>`);
    });
    using client = await wireTo(native.port);
    const requests = Array.from({ length: 200 }, (_, at) => GET.replace("/", `/${at}`));
    await client.send(requests.join("") + LAST.replace("/", "/end"));
    const seen = [...(await client.rest()).matchAll(/<(.*?)>/g)].map(([, path]) => path);
    assertEquals(seen, [...Array.from({ length: 200 }, (_, at) => `/${at}`), "/end"]);
  },
});

Deno.test({
  ...NATIVE,
  name: "responses of every kind are framed so that the next one is found",
  async fn() {
    const stream = (...texts: string[]) => ReadableStream.from(texts.map(encode));
    const kinds: Record<string, () => Response> = {
      text: () => new Response("text"),
      nothing: () => new Response(null),
      "empty text": () => new Response(""),
      bytes: () => new Response(new Uint8Array([65, 66])),
      blob: () => new Response(new Blob(["blob"])),
      form: () => new Response(new URLSearchParams({ a: "b" })),
      json: () => Response.json({ a: "ä" }),
      chunks: () => new Response(stream("a", "", "bc")),
      "no chunks": () => new Response(stream()),
      "long chunks": () => new Response(stream("x".repeat(100_000), "y".repeat(20_000))),
      "a stream of known length": () => new Response(stream("ab", "cd"), { headers: { "content-length": "4" } }),
      "a stream that is too long": () => new Response(stream("ab", "cdef"), { headers: { "content-length": "3" } }),
      "a length that is wrong": () => new Response("text", { headers: { "content-length": "9" } }),
      "its own framing": () => new Response("text", { headers: { "transfer-encoding": "chunked", upgrade: "x" } }),
      "204": () => new Response(null, { status: 204, headers: { "content-length": "3" } }),
      "205": () => new Response(null, { status: 205 }),
      "304": () => new Response(null, { status: 304, headers: { "content-length": "3" } }),
      "a long text": () => new Response("z".repeat(300_000)),
      "a header of ISO 8859-1": () => new Response("x", { headers: { "x-a": "\xe4" } }),
      "a cloned one": () => new Response("clone").clone(),
    };
    await using native = servingNative((request) =>
      kinds[decodeURIComponent(new URL(request.url).pathname.slice(1))]!()
    );
    const client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
    for (const [name, make] of Object.entries(kinds)) {
      for (const method of ["GET", "HEAD"]) {
        const expected = make();
        const length = name === "a stream that is too long" ? 3 : undefined;
        const text = (await expected.text()).slice(0, length);
        const response = await fetch(`${native.url}/${name}`, { method, client });
        assertEquals([response.status, await response.text()], [expected.status, method === "HEAD" ? "" : text], name);
      }
    }
    client.close();
  },
});

Deno.test({
  ...NATIVE,
  name: "a stream that fails, or is too short, ends the connection, so that it is not taken for complete",
  async fn() {
    const failing = () => {
      const begun = encode("begun");
      let pulls = 0;
      return new ReadableStream({
        pull(body) {
          if (pulls++ === 0) body.enqueue(begun);
          else body.error(new Error("broken"));
        },
      });
    };
    const kinds: Record<string, () => Response> = {
      chunked: () => new Response(failing()),
      short: () => new Response(ReadableStream.from([encode("ab")]), { headers: { "content-length": "3" } }),
      text: () => new Response(ReadableStream.from(["text"]) as unknown as ReadableStream),
    };
    await using native = servingNative((request) => kinds[new URL(request.url).pathname.slice(1)]!());
    for (const name of Object.keys(kinds)) {
      await assertRejects(() => within(fetch(`${native.url}/${name}`).then((response) => response.text())), TypeError);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "HTTP/1.0: closes by default, keeps the connection if asked, and has no chunks",
  async fn() {
    await using native = servingNative((request) =>
      new Response(request.url.endsWith("/s") ? ReadableStream.from([encode("stream")]) : "text")
    );
    const ask = async (request: string) => {
      using client = await wireTo(native.port);
      await client.send(request);
      return await within(client.rest());
    };
    assertMatch(await ask("GET / HTTP/1.0\r\n\r\n"), /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n[^]*text$/);
    assertMatch(await ask("GET /s HTTP/1.0\r\n\r\n"), /connection: close\r\n\r\nstream$/);
    const twice = await ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /s HTTP/1.0\r\n\r\n");
    assertMatch(twice, /connection: keep-alive\r\n\r\ntextHTTP[^]*\r\n\r\nstream$/);
  },
});

Deno.test({
  ...NATIVE,
  name: "a client that stops sending still gets its response, and its signal is aborted",
  async fn() {
    const { promise: aborted, resolve } = Promise.withResolvers<unknown>();
    await using native = servingNative(async (request) => {
      request.signal.addEventListener("abort", () => resolve(request.signal.reason));
      await aborted;
      return new Response("hello");
    });
    using client = await wireTo(native.port);
    await client.send(GET);
    await client.conn.closeWrite();
    assertMatch(await within(client.rest()), /connection: close\r\n\r\nhello$/);
    assert(await aborted instanceof Deno.errors.ConnectionReset);
  },
});

Deno.test({
  ...NATIVE,
  name: "a client that leaves aborts the signal, fails the body, and cancels the response",
  async fn() {
    const seen: Record<string, PromiseWithResolvers<unknown>> = {
      signal: Promise.withResolvers(),
      body: Promise.withResolvers(),
      stream: Promise.withResolvers(),
    };
    const begun = Promise.withResolvers<void>();
    await using native = servingNative((request) => {
      request.signal.addEventListener("abort", () => seen.signal!.resolve(true));
      request.text().catch(seen.body!.resolve);
      begun.resolve();
      let timer: ReturnType<typeof setInterval>;
      return new Response(
        new ReadableStream({
          start: (body) => void (timer = setInterval(() => body.enqueue(new Uint8Array(9)), 1)),
          cancel() {
            clearInterval(timer);
            seen.stream!.resolve(true);
          },
        }),
      );
    });
    using client = await wireTo(native.port);
    await client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc");
    await begun.promise;
    await client.until(/200 OK/);
    client.conn.close();
    for (const each of Object.values(seen)) await within(each.promise);
  },
});

Deno.test({
  ...NATIVE,
  name: "a response is produced as fast as its client reads, and no faster",
  async fn() {
    let produced = 0;
    await using native = servingNative(() =>
      new Response(
        new ReadableStream({
          pull(body) {
            produced += 65_536;
            body.enqueue(new Uint8Array(65_536));
          },
        }, { highWaterMark: 0 }),
      )
    );
    using client = await wireTo(native.port);
    await client.send(GET);
    await client.until(/200 OK/);
    let before = -1;
    await until(
      () => {
        const isStill = produced === before;
        before = produced;
        return isStill;
      },
      "the source is not asked any more",
      { every: 100 },
    );
    assert(produced < 32 * 1024 * 1024, String(produced));
    const buffer = new Uint8Array(1_000_000);
    for (let read = 0; read < before + 1_000_000;) read += (await client.conn.read(buffer))!;
    assert(produced > before);
  },
});

Deno.test({
  ...NATIVE,
  name: "a body is received as fast as its handler reads, and no faster",
  async fn() {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await using native = servingNative(async (request) => {
      await released;
      return new Response(String((await request.bytes()).length));
    });
    const size = 64 * 1024 * 1024;
    const client = await Deno.connect({ hostname: "127.0.0.1", port: native.port });
    await client.write(
      encode(`POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n`),
    );
    let sent = 0;
    const sending = (async () => {
      const piece = new Uint8Array(65_536);
      while (sent < size) sent += await client.write(piece.subarray(0, Math.min(piece.length, size - sent)));
    })();
    let before = -1;
    await until(
      () => {
        const isStill = sent === before;
        before = sent;
        return isStill;
      },
      "nothing more is received",
      { every: 100 },
    );
    assert(sent < size / 2, String(sent));
    release();
    await within(sending);
    const response = new TextDecoder().decode(await new Response(client.readable).bytes());
    assertMatch(response, new RegExp(`\r\n\r\n${size}$`));
  },
});

Deno.test({
  ...NATIVE,
  name: "an answer before the body: the client can read it while it still sends",
  async fn() {
    await using native = servingNative(() => new Response("enough", { status: 413 }));
    using client = await wireTo(native.port);
    await client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n\r\nabc");
    await client.until(/enough/);
    await client.send("x".repeat(3_000_000)).catch(() => {});
    assertMatch(await client.rest(), /^HTTP\/1\.1 413 [^]*enough$/);
  },
});

Deno.test({
  ...NATIVE,
  name: "a response arrives whole before the server closes the connection, though the client sends more requests",
  async fn() {
    const body = "x".repeat(300_000);
    await using native = servingNative(() => new Response(body, { headers: { connection: "close" } }));
    for (let i = 0; i < 5; i++) {
      using client = await wireTo(native.port);
      await client.send(GET);
      await new Promise((resolve) => setTimeout(resolve, 20)); // by now, all of it is on its way
      await client.send(GET.repeat(10)).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 20));
      assertEquals((await client.rest()).split("\r\n\r\n")[1]!.length, body.length);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "a short body that no handler reads is skipped, and the next request is answered",
  async fn() {
    await using native = servingNative((request) => new Response(`<${request.method}>`));
    using client = await wireTo(native.port);
    await client.send("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nGET ");
    await client.until(/<POST>/);
    await client.send("/ HTT" + LAST);
    assertEquals([...(await client.rest()).matchAll(/<.*?>/g)].flat(), ["<POST>", "<GET>"]);
  },
});

Deno.test({
  ...NATIVE,
  name: "several servers share a loop, and one ends without the others",
  async fn() {
    await using one = servingNative(() => new Response("one"));
    await using other = servingNative(() => new Response("other"));
    assertEquals(await (await fetch(one.url)).text(), "one");
    await one.server.drain();
    await assertRejects(() => fetch(one.url), TypeError);
    assertEquals(await (await fetch(other.url)).text(), "other");
  },
});

Deno.test({
  ...NATIVE,
  name: "a port or a socket that cannot be listened on is an error of the runtime",
  async fn() {
    await using tree = await tempTree();
    await using taken = servingNative(() => new Response(null));
    const serving = (options: NativeServeOptions) => () => serveNative(() => new Response(null), options);
    assertThrows(serving({ hostname: "127.0.0.1", port: taken.port }), Deno.errors.AddrInUse, String(taken.port));
    assertThrows(serving({ hostname: "192.0.2.1", port: 0 }), Deno.errors.AddrNotAvailable);
    assertThrows(serving({ endpoint: { kind: "inherited", fd: 1 } }), Deno.errors.BadResource);
    assertThrows(serving({ endpoint: { kind: "unix", path: tree.at("none/s.sock") } }), Deno.errors.NotFound);
    assertThrows(serving({ tls: {} } as NativeServeOptions), TypeError, "Cannot use TLS with serveNative");
    assertThrows(() => serveNative(settle(() => null) as never), TypeError, "Cannot serve a handler");
  },
});

Deno.test({
  ...NATIVE,
  name: "--engine native without FFI is one sentence, and auto takes Deno.serve",
  async fn() {
    await using tree = await tempTree({ "a.txt": "hello" });
    const run = ["--allow-read", "--allow-net", "--allow-env", CLI];
    const refused = await runCommand([tree.path, "--engine", "native", "0"], { run });
    const stderr = "pyserve: Cannot use --engine native: it needs Linux and --allow-ffi\n";
    assertEquals(refused, { code: 1, stdout: "", stderr });
    await using server = await start([tree.path, "--engine", "auto"], { run });
    assertEquals(await (await fetch(`http://127.0.0.1:${server.port}/a.txt`)).text(), "hello");
  },
});

Deno.test({
  ...NATIVE,
  name: "a large file and its ranges arrive as they are, at any speed of the client",
  async fn() {
    const bytes = new Uint8Array(5_000_000).map((_, at) => (at * 2_654_435_761) >>> 13);
    await using tree = await tempTree({ "big.bin": bytes });
    await using native = servingNative(toFetch(fileServer(tree.path, { log: false })));
    const get = async (range?: string) => {
      return await (await fetch(`${native.url}/big.bin`, { headers: range ? { range } : {} })).bytes();
    };
    assertEquals(await get(), bytes);
    assertEquals(await get("bytes=100-4000000"), bytes.subarray(100, 4_000_001));
    assertEquals(await get("bytes=-100000"), bytes.subarray(-100_000));
    const reader = (await fetch(`${native.url}/big.bin`)).body!.getReader();
    const slow: Uint8Array<ArrayBuffer>[] = [];
    for (let { value } = await reader.read(); value; { value } = await reader.read()) {
      slow.push(value);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    assertEquals(await new Blob(slow).bytes(), bytes);
  },
});

Deno.test({
  ...NATIVE,
  name:
    "a file that is truncated while it is sent ends the connection; its descriptor is closed, also if the client leaves",
  async fn() {
    await using tree = await tempTree({ "big.bin": new Uint8Array(50_000_000) });
    await using native = servingNative(toFetch(fileServer(tree.path, { log: false })));
    const isOpen = () => {
      return [...Deno.readDirSync("/proc/self/fd")].some(({ name }) => {
        try {
          return Deno.readLinkSync(`/proc/self/fd/${name}`) === tree.at("big.bin");
        } catch {
          return false;
        }
      });
    };
    const leaving = await wireTo(native.port);
    await leaving.send(GET.replace("/", "/big.bin"));
    await leaving.until(/200 OK/);
    await until(isOpen);
    leaving[Symbol.dispose]();
    await until(() => !isOpen(), "the file is closed");
    using client = await wireTo(native.port);
    await client.send(GET.replace("/", "/big.bin"));
    await client.until(/200 OK/);
    await Deno.truncate(tree.at("big.bin"), 1_000);
    assert((await within(client.rest())).length < 50_000_000);
    await until(() => !isOpen(), "the file is closed");
  },
});
