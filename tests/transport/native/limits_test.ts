/** What the native engine bounds: time for heads, bodies, idle connections and reading; sizes; numbers of connections. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { type NativeLimits, serveNative } from "../../../handlers/transport/native/serve_native.ts";
import { startProcess } from "../../support/command.ts";
import { NATIVE, servingNative, wireTo } from "../../support/native.ts";
import { CLI } from "../../support/paths.ts";
import { missing } from "../../support/programs.ts";
import { ask, raw } from "../../support/raw.ts";
import { tempTree } from "../../support/tree.ts";
import { until, within } from "../../support/wait.ts";

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/** What a client hears that sends something, perhaps slowly, and then waits for the end. */
async function heard(limits: Partial<NativeLimits>, ...texts: readonly string[]): Promise<string> {
  const answer = async (request: Request) => {
    if (request.method !== "POST") return new Response("hello");
    const text = await request.text().catch((error) => error.message);
    return new Response(text);
  };
  await using native = servingNative(answer, { limits });
  using client = await wireTo(native.port);
  const rest = client.rest();
  for (const text of texts) await client.send(text);
  return await within(rest);
}

Deno.test({
  ...NATIVE,
  name: "clients that are too slow are disconnected: before a head, within one, between two, within a body",
  async fn() {
    const POST = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n";
    assertEquals(await heard({ headMs: 1 }), "");
    assertEquals(await heard({ headMs: 1 }, "GET / HTTP/1.1\r\nHost: "), "");
    assertMatch(await heard({ idleMs: 1 }, GET), /hello$/);
    assertMatch(await heard({ headMs: 1 }, GET, "GET / HT"), /hello$/);
    assertMatch(await heard({ bodyMs: 1, idleMs: 1 }, POST, "abc"), /The request body did not arrive in time/);
  },
});

Deno.test({
  ...NATIVE,
  name: "a head that arrives byte by byte has no more time than any other",
  async fn() {
    await using native = servingNative(() => new Response("hello"), { limits: { headMs: 300 } });
    using client = await wireTo(native.port);
    let isClosed = false;
    const rest = client.rest().then((text) => (isClosed = true, text));
    const slowly = async () => {
      for (let at = 0; !isClosed; at++) {
        await client.send(at === 0 ? "GET / HTTP/1.1\r\nX: " : "x").catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    };
    await within(slowly());
    assertEquals(await rest, "");
  },
});

Deno.test({
  ...NATIVE,
  name: "a client that does not read is disconnected, one that reads slowly is not",
  async fn() {
    let cancelled = 0;
    const answer = () => {
      return new Response(
        new ReadableStream({
          pull: (body) => body.enqueue(new Uint8Array(65_536)),
          cancel: () => void (cancelled += 1),
        }),
      );
    };
    await using native = servingNative(answer, { limits: { stallMs: 500 } });
    using reading = await wireTo(native.port);
    await reading.send(GET);
    using stalled = await wireTo(native.port);
    await stalled.send(GET);
    const buffer = new Uint8Array(262_144);
    await until(
      async () => {
        assert(await reading.conn.read(buffer) !== null);
        return cancelled === 1;
      },
      "the client that does not read is disconnected",
      { every: 20 },
    );
    assert(await reading.conn.read(buffer) !== null);
  },
});

Deno.test({
  ...NATIVE,
  name: "a handler that takes its time is not limited",
  async fn() {
    const limits = { headMs: 1, bodyMs: 1, idleMs: 1, stallMs: 1 };
    await using native = servingNative(async () => {
      await new Promise((resolve) => setTimeout(resolve, 700));
      return new Response("hello");
    }, { limits });
    assertEquals((await ask(native.port, "GET", "/")).text, "hello");
  },
});

Deno.test({
  ...NATIVE,
  name: "heads are limited in size, in lines, and in empty lines before them",
  async fn() {
    await using native = servingNative(() => new Response("hello"));
    const rows: readonly (readonly [request: string, status: number])[] = [
      [`GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: ${"a".repeat(60_000)}\r\n\r\n`, 200],
      [`GET / HTTP/1.1\r\nHost: x\r\nX: ${"a".repeat(70_000)}\r\n\r\n`, 431],
      [`GET /${"a".repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 414],
      [`GET / HTTP/1.1\r\nHost: x\r\n${"X: a\r\n".repeat(98)}Connection: close\r\n\r\n`, 200],
      [`GET / HTTP/1.1\r\nHost: x\r\n${"X: a\r\n".repeat(101)}\r\n`, 431],
      [`${"\r\n".repeat(10_000)}${GET}`, 400],
    ];
    for (const [request, status] of rows) {
      assertEquals((await raw(native.port, request)).status, status, request.slice(0, 40));
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "connections beyond the most wait until others are closed; those of one address are closed at once",
  async fn() {
    await using native = servingNative(() => new Response("hello"), { limits: { connections: 2 } });
    const first = [await wireTo(native.port), await wireTo(native.port)];
    for (const client of first) await client.send(GET);
    for (const client of first) await client.until(/hello/);
    using waiting = await wireTo(native.port);
    await waiting.send(GET);
    const answered = waiting.until(/hello/);
    for (const client of first) client[Symbol.dispose]();
    assertMatch(await within(answered), /hello/);

    await using fair = servingNative(() => new Response("hello"), { limits: { connectionsPerAddress: 1 } });
    using one = await wireTo(fair.port);
    await one.send(GET);
    await one.until(/hello/);
    using other = await wireTo(fair.port);
    assertEquals(await within(other.rest()), "");
    await one.send(GET);
    one[Symbol.dispose]();
    await until(async () => (await ask(fair.port, "GET", "/")).status === 200);
  },
});

Deno.test({
  ...NATIVE,
  ignore: NATIVE.ignore || missing("bash"),
  name: "without descriptors, the native engine closes idle connections, waits, and keeps running transfers",
  async fn() {
    await using tree = await tempTree({ "big.bin": new Uint8Array(20_000_000), "a.txt": "hello" });
    const command = [Deno.execPath(), "run", "-A", "--no-lock", CLI, tree.path, "--engine", "native"];
    const args = [...command, "-b", "127.0.0.1", "0"];
    await using server = await startProcess("bash", ["-c", 'ulimit -n 64; exec "$0" "$@"', ...args]);
    using download = await wireTo(server.port);
    await download.send("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    await download.until(/\r\n\r\n/);
    const clients = await Promise.all(Array.from({ length: 100 }, () => wireTo(server.port)));
    await server.untilStderr("Out of file descriptors");
    await until(async () => await ask(server.port, "GET", "/a.txt").then(({ text }) => text === "hello", () => false));
    for (const client of clients) client[Symbol.dispose]();
    const ended = server.stop("SIGTERM");
    assertEquals((await download.rest()).split("\r\n\r\n")[1]!.length, 20_000_000);
    assertEquals(await ended, 0);
  },
});

Deno.test({
  ...NATIVE,
  name: "2,000 idle connections do not slow down others, and are closed at the end",
  async fn() {
    const server = serveNative(() => new Response("hello"), { hostname: "127.0.0.1", port: 0 });
    const { port } = server.address;
    const idle: Deno.Conn[] = [];
    for (let count = 0; count < 2_000; count++) {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port }).catch(() => null);
      if (conn === null) break; // this machine allows fewer descriptors
      idle.push(conn);
    }
    assert(idle.length > 200, String(idle.length));
    assertEquals((await ask(port, "GET", "/")).text, "hello");
    await within(server.abort());
    for (const conn of idle) conn.close();
  },
});
