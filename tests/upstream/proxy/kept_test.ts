/** Connections to the application that are used again: when, and when never. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { proxySite } from "../../support/proxy_site.ts";
import { ask, latin1 } from "../../support/raw.ts";
import { within } from "../../support/wait.ts";

const LIMIT_MS = 20_000;
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A request as an application with connections that stay open sees it. */
interface Asked {
  /** The number of the connection, from 0. */
  readonly connection: number;
  /** The number of the request on it, from 0. */
  readonly at: number;
  readonly line: string;
}

/** What is sent; in an array, the connection is closed afterwards. */
type Sent = string | readonly [text: string];
type Answer = (asked: Asked) => Sent | Promise<Sent>;

/** An application that answers byte by byte on connections that stay open. */
function keeping(answer: Answer) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const asked: Asked[] = [];
  const running: Promise<void>[] = [];
  const conns: Deno.TcpConn[] = [];
  const closed: PromiseWithResolvers<void>[] = [];
  const accept = (async () => {
    for await (const conn of listener) running.push(converse(conn, conns.push(conn) - 1));
  })();
  async function converse(conn: Deno.TcpConn, connection: number) {
    using _conn = conn;
    const gone = closed[connection] = Promise.withResolvers<void>();
    const buffer = new Uint8Array(65_536);
    let text = "";
    for (let at = 0;;) {
      const end = text.indexOf("\r\n\r\n");
      const length = Number(/content-length: (\d+)/.exec(text)?.[1] ?? 0);
      if (end >= 0 && text.length >= end + 4 + length) {
        const one = { connection, at: at++, line: text.slice(0, text.indexOf(" HTTP")) };
        asked.push(one);
        text = text.slice(end + 4 + length);
        const sent = await answer(one);
        await conn.write(latin1(typeof sent === "string" ? sent : sent[0])).catch(() => {});
        if (typeof sent !== "string") break;
        continue;
      }
      const count = await conn.read(buffer).catch(() => null);
      if (count === null) break;
      text += String.fromCharCode(...buffer.subarray(0, count));
    }
    gone.resolve();
  }
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    asked,
    conns,
    /** Resolves when a connection has been closed by the proxy. */
    closed: (connection: number) => within(closed[connection]!.promise, LIMIT_MS),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accept;
      for (const conn of conns) await conn.closeWrite().catch(() => {}); // then the proxy closes its side
      await within(Promise.all(running), LIMIT_MS);
    },
  };
}

const KEPT = { idleConnections: 8 };

async function get(url: string, init: RequestInit = {}): Promise<[status: number, text: string]> {
  const response = await fetch(url, init);
  return [response.status, await response.text()];
}

Deno.test("safe requests share a connection; one with a body has its own, which later ones may use", async () => {
  await using app = keeping(() => OK);
  await using site = proxySite({ upstream: app.url, ...KEPT });
  for (let time = 0; time < 3; time++) assertEquals(await get(`${site.url}/api/${time}`), [200, "ok"]);
  await get(`${site.url}/api/`, { method: "POST", body: "x" });
  await get(`${site.url}/api/`, { method: "DELETE" });
  await get(`${site.url}/api/`, { method: "OPTIONS" });
  const seen = app.asked.map(({ connection, line }) => `${connection} ${line}`);
  const expected = [
    "0 GET /api/0",
    "0 GET /api/1",
    "0 GET /api/2",
    "1 POST /api/",
    "2 DELETE /api/",
    "2 OPTIONS /api/",
  ];
  assertEquals(seen, expected);
});

Deno.test("chunks end a response as well as a length, also if it is streamed", async () => {
  const big = "x".repeat(300_000);
  const answers = [
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
    `HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n${big}`,
    "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    OK,
  ];
  await using app = keeping(({ at }) => answers[at]!);
  await using site = proxySite({ upstream: app.url, ...KEPT });
  for (const body of ["ok", big, "", "ok"]) assertEquals(await get(`${site.url}/api/`), [200, body]);
  assertEquals(app.asked.map(({ connection }) => connection), [0, 0, 0, 0]);
});

Deno.test("a connection is closed after a response that might have another end", async (t) => {
  const rows: [name: string, answer: string, method?: string, authorization?: string][] = [
    ["Connection: close", "HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"],
    ["more than announced", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n"],
    ["after the last chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
    ["a body of HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "HEAD"],
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "HEAD"],
    ["304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    ["204", "HTTP/1.1 204 No Content\r\n\r\n"],
    ["it closes within a second", "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok"],
    ["two ends", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"],
    ["a bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n"],
    ["it authenticates connections", `HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM\r\nContent-Length: 2\r\n\r\nno`],
    ["an authenticated connection", OK, "GET", "Negotiate abc"],
  ];
  for (const [name, answer, method = "GET", authorization = "Basic abc"] of rows) {
    await t.step(name, async () => {
      await using app = keeping(({ connection }) => connection === 0 ? answer : OK);
      await using site = proxySite({ upstream: app.url, ...KEPT });
      await get(`${site.url}/api/`, { method, headers: { authorization } }).catch(() => {});
      await app.closed(0);
      assertEquals(await get(`${site.url}/api/next`), [200, "ok"]);
      assertEquals(app.asked.map(({ connection }) => connection), [0, 1]);
    });
  }
});

Deno.test("what an application sends unasked closes the connection, and answers nothing", async () => {
  await using app = keeping(() => OK);
  await using site = proxySite({ upstream: app.url, ...KEPT });
  await get(`${site.url}/api/`);
  await app.conns[0]!.write(latin1("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"));
  await app.closed(0);
  assertEquals(await get(`${site.url}/api/`), [200, "ok"]);
  assertEquals(app.asked.map(({ connection }) => connection), [0, 1]);
});

Deno.test("a client that leaves during a response leaves no connection behind", async () => {
  const begun = Promise.withResolvers<void>();
  await using app = keeping(({ connection }) => {
    begun.resolve();
    return connection === 0 ? "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfirst" : OK;
  });
  await using site = proxySite({ upstream: app.url, ...KEPT });
  const response = await fetch(`${site.url}/api/`);
  await begun.promise;
  await response.body!.cancel();
  await app.closed(0);
  assertEquals(await get(`${site.url}/api/`), [200, "ok"]);
});

Deno.test("a request on a connection that the application has closed is sent once more, over a new one", async (t) => {
  await t.step("closed without an answer", async () => {
    await using app = keeping(({ connection, at }) => connection === 0 && at === 1 ? [""] : OK);
    await using site = proxySite({ upstream: app.url, ...KEPT });
    for (let time = 0; time < 2; time++) assertEquals(await get(`${site.url}/api/`), [200, "ok"]);
    assertEquals(app.asked.map(({ connection, at }) => [connection, at]), [[0, 0], [0, 1], [1, 0]]);
    assertEquals(site.errors, []);
  });
  await t.step("closed with 408", async () => {
    const timeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    await using app = keeping(({ connection, at }) => connection === 0 && at === 1 ? timeout : OK);
    await using site = proxySite({ upstream: app.url, ...KEPT });
    for (let time = 0; time < 2; time++) assertEquals(await get(`${site.url}/api/`), [200, "ok"]);
  });
  await t.step("but not twice", async () => {
    await using app = keeping(({ connection, at }) => connection === 0 && at === 0 ? OK : [""]);
    await using site = proxySite({ upstream: app.url, ...KEPT });
    await get(`${site.url}/api/`);
    const [status, text] = await get(`${site.url}/api/`);
    assertEquals([status, app.asked.length], [502, 3]);
    assertStringIncludes(text, "sent no response");
  });
  await t.step("nor after a part of an answer", async () => {
    await using app = keeping(({ connection, at }) =>
      connection === 0 && at === 1 ? ["HTTP/1.1 200 OK\r\nContent-Le"] : OK
    );
    await using site = proxySite({ upstream: app.url, ...KEPT });
    await get(`${site.url}/api/`);
    assertEquals([(await get(`${site.url}/api/`))[0], app.asked.length], [502, 2]);
  });
});

Deno.test("no more idle connections are kept than allowed, and none for longer than allowed", async () => {
  const all = Promise.withResolvers<void>();
  await using app = keeping(async () => {
    if (app.asked.length === 3) all.resolve();
    await all.promise;
    return OK;
  });
  await using site = proxySite({ upstream: app.url, idleConnections: 1, idleConnectionTimeout: 50 });
  await Promise.all([1, 2, 3].map((name) => get(`${site.url}/api/${name}`)));
  for (const connection of [0, 1, 2]) await app.closed(connection);
});

Deno.test("a body that looks like a request stays the body of its own", async () => {
  await using app = keeping(() => OK);
  await using site = proxySite({ upstream: app.url, ...KEPT });
  const hidden = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
  await get(`${site.url}/api/`);
  for (const method of ["GET", "POST"]) {
    const head = `${method} /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: ${hidden.length}`;
    using client = await Deno.connect({ port: site.port });
    await client.write(latin1(`${head}\r\n\r\n${hidden}`));
    const buffer = new Uint8Array(65_536);
    while (await client.read(buffer) !== null);
  }
  assertEquals((await ask(site.port, "GET", "/api/")).text, "ok");
  assertEquals(app.asked.map(({ line }) => line), ["GET /api/", "GET /api/", "POST /api/", "GET /api/"]);
});
