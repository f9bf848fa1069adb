/**
 * What a client may try: requests within requests, heads that never end, lines that take long to parse, leaving at any
 * moment. Each is answered or closed, nothing stays open, and no response has a stack trace.
 */

import { assert, assertEquals } from "@std/assert";
import { fileServer, memory, toFetch } from "@x/pyserve";
import { SimpleHTTPRequestHandler } from "@x/pyserve/python";
import { serveClassic } from "../../handlers/python/transport.ts";
import { tempTree } from "../support/tree.ts";
import { Client, Echo, emptyLog, exchange, type Serving, serving } from "../support/python.ts";
import { until } from "../support/wait.ts";

/** A request that must not be answered when it is inside the body or a header of another. */
const HIDDEN = "GET /hidden HTTP/1.1\r\nHost: localhost\r\n\r\n";
const HEAD = "POST /outer HTTP/1.1\r\nHost: localhost\r\n";

/** Heads with an ambiguous end of the body, each followed by a request. */
const SMUGGLING: readonly string[] = [
  `Content-Length: 0\r\nContent-Length: ${HIDDEN.length}\r\n\r\n`,
  `Content-Length: ${HIDDEN.length}\r\nContent-Length: ${HIDDEN.length}\r\n\r\n`,
  `Content-Length: ${HIDDEN.length}, ${HIDDEN.length}\r\n\r\n`,
  "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "Content-Length : 0\r\n\r\n",
  "Content-Length: +0\r\n\r\n",
  "Content-Length: 0x0\r\n\r\n",
  "Content-Length: 0_0\r\n\r\n",
  "Content-Length: \xb2\r\n\r\n",
  "Content-Length:\r\n\r\n",
  "Content-Length: 0\x0b\r\n\r\n",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: chunked\r\n \xa0\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "Transfer_Encoding\0: chunked\r\n\r\n0\r\n\r\n",
  "Transfer-Encoding: chunked\rX: y\r\n\r\n0\r\n\r\n",
  "X: a\0\r\n\r\n",
  "no colon\r\n\r\n",
  ": no name\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n0;a=\n\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\n00000000000000000001\r\nab0\r\n\r\n",
  "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
  `Transfer-Encoding: chunked\r\n\r\n1;${"x".repeat(5_000)}\r\na\r\n0\r\n\r\n`,
  "Transfer-Encoding: chunked\r\n\r\n0\r\nno colon\r\n\r\n",
];

/** May close early if the body is not read: the reply is sent before the chunks are known to be malformed. */
class Lazy extends Echo {
  override do_POST(): Promise<void> {
    return Promise.resolve(this.answer("POST unread"));
  }
}

class Files extends SimpleHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";
  do_POST(): Promise<void> {
    return this.do_GET();
  }
}

const CLASSES = [Echo, Lazy, Files];

/** Fails if anything was thrown, or if a reply shows a position in the code. */
function assertQuiet(heard: string, errors: readonly unknown[]): void {
  assert(!/\.ts:\d|\bat \w+ \(|file:\/\//.test(heard), heard);
  assertEquals(errors, []);
}

for (const Handler of CLASSES) {
  Deno.test(`no request is found in the body of another: ${Handler.name}`, async () => {
    await using server = serving(Handler);
    for (const shape of SMUGGLING) {
      const heard = await exchange(server.port, HEAD + shape + HIDDEN);
      assertEquals([...heard.matchAll(/HTTP\/1\.1 \d{3}/g)].length, 1, `${shape}: ${heard}`);
      assert(!server.log.lines.some((line) => line.includes("/hidden")), shape);
      assertQuiet(heard, server.errors);
    }
  });

  Deno.test(`an unread body is not taken for the next request, which is answered: ${Handler.name}`, async () => {
    await using server = serving(Handler);
    const bodies = [
      `Content-Length: ${HIDDEN.length}\r\n\r\n${HIDDEN}`,
      `Transfer-Encoding: chunked\r\n\r\n${HIDDEN.length.toString(16)};a="b"\r\n${HIDDEN}\r\n0\r\nX: y\r\n\r\n`,
      `Transfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(3_000)}0\r\n\r\n`,
    ];
    const last = "GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const heard = await exchange(server.port, bodies.map((body) => HEAD + body).join("") + last);
    const paths = server.log.lines.flatMap((line) => /"[A-Z]+ (\S+)/.exec(line)?.[1] ?? []);
    // A 404 of Python's closes the connection.
    assertEquals(
      paths,
      Handler === Files ? ["/outer"] : ["/outer", "/outer", "/outer", "/last"],
      heard.slice(0, 2_000),
    );
    assertQuiet(heard, server.errors);
  });
}

Deno.test("100 Continue is not sent for a refused request, and sent once for others", async () => {
  await using server = serving(Echo);
  const bad = await exchange(server.port, `${HEAD}Expect: 100-continue\r\nContent-Length: x\r\n\r\n`);
  assert(bad.startsWith("HTTP/1.1 400 "), bad);
  const good = await exchange(
    server.port,
    `${HEAD}Expect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc`,
  );
  assertEquals(good.match(/HTTP\/1\.1 \d{3}/g), ["HTTP/1.1 100", "HTTP/1.1 200"]);
});

Deno.test("no line takes long to parse, whatever it contains", async () => {
  await using server = serving(Echo);
  const wide = 60_000;
  const lines = [
    ...[" ", "\t"].map((blank) => `GET / HTTP/1.1\r\nX: a${blank.repeat(wide)}b\r\n\r\n`),
    ...["\r", " "].map((blank) => `GET /${blank.repeat(wide)}x HTTP/1.1\n\r\n`),
    `POST / HTTP/1.1\r\nTransfer-Encoding: chunked${" ".repeat(wide)}x\r\n\r\n`,
    `GET / HTTP/1.1\r\nConnection: a${" ".repeat(wide)}b\r\n\r\n`,
    `GET / HTTP/1.1\r\nX: a\r\n${" ".repeat(wide)}b\r\n\r\n`,
    `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${"0".repeat(wide)}\r\n\r\n`,
  ];
  // Each used to take seconds, minutes in total; the client's timeout is shorter.
  using client = await Client.connect(server.port);
  for (let round = 0; round < 6; round++) {
    for (const line of lines) {
      const heard = await exchange(server.port, line.replace("\r\nX:", "\r\nConnection: close\r\nX:"), { end: true });
      assert(/^HTTP\/1\.1 (?:200|400|501) /.test(heard), heard.slice(0, 200));
    }
  }
  await client.say("GET /patient HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert((await client.hear()).endsWith("GET /patient"), "the server was held up");
});

/** Sockets that this process has open. */
function sockets(): number {
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${name}`).startsWith("socket:");
    } catch {
      return false; // the one of the directory itself
    }
  }).length;
}

const PARTS = [
  "",
  "G",
  "GET / HTTP/1.1\r\n",
  "GET / HTTP/1.1\r\nHost: localhost\r\nX",
  `${HEAD}Content-Length: 1000\r\n\r\nhalf`,
  `${HEAD}Transfer-Encoding: chunked\r\n\r\n5\r\nab`,
  `${HEAD}Expect: 100-continue\r\nContent-Length: 9\r\n\r\n`,
  "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
  "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(50),
  "\0\xff\x16\x03\x01",
];

async function comeAndGo(port: number): Promise<void> {
  const visit = async (at: number) => {
    using client = await Client.connect(port);
    await client.say(PARTS[at % PARTS.length]!).catch(() => {});
    if (at % 3 === 0) await client.conn.closeWrite().catch(() => {});
    if (at % 2 === 0) await new Promise((resolve) => setTimeout(resolve));
  };
  await Promise.all(Array.from({ length: 200 }, (_, at) => visit(at)));
}

for (const Handler of CLASSES) {
  Deno.test({
    name: `two hundred clients that disconnect in the middle leave nothing open: ${Handler.name}`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using server = serving(Handler);
      const before = sockets();
      await comeAndGo(server.port);
      await until(() => sockets() <= before, "all sockets are closed");
      const heard = await exchange(server.port, "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      assert(heard.startsWith("HTTP/1.1 200"), heard);
      assertQuiet("", server.errors);
    },
  });
}

Deno.test({
  name: "two hundred clients that disconnect in the middle leave nothing open: the whole file server over HTTP/1.0",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const logged = emptyLog();
    const log = { access() {}, error: (message: string, cause?: unknown) => logged.add(`${message}: ${cause}`) };
    const handler = fileServer(memory({ "index.html": "start" }), { log: false });
    const server = serveClassic(toFetch(handler, { log }), { hostname: "127.0.0.1", port: 0, log });
    const before = sockets();
    await comeAndGo(server.address.port);
    await until(() => sockets() <= before, "all sockets are closed");
    const heard = await exchange(server.address.port, "GET / HTTP/1.0\r\n\r\n");
    assert(heard.endsWith("start"), heard);
    await server.drain();
    assertEquals(logged.lines, []);
  },
});

Deno.test("two hundred clients that never end their heads are disconnected, and others are answered meanwhile", async () => {
  await using server = serving(Echo, undefined, { header_timeout: 0.5 });
  const clients: Client[] = [];
  try {
    for (let at = 0; at < 200; at++) {
      const client = await Client.connect(server.port);
      await client.say("GET / HTTP/1.1\r\nX: ");
      clients.push(client);
    }
    // Single bytes with pauses do not buy more time.
    const drip = setInterval(() => clients.forEach((client) => client.say("a").catch(() => {})), 100);
    const heard = await exchange(server.port, "GET /other HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert(heard.endsWith("GET /other"), heard);
    for (const client of clients) assertEquals(await client.hear(), "");
    clearInterval(drip);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
  assertQuiet("", server.errors);
});

Deno.test("random bytes between valid requests are answered or closed, and the server keeps serving", async () => {
  await using tree = await tempTree({ "a.txt": "hello" });
  class Root extends Files {
    override directory = tree.path;
  }
  await using server: Serving = serving(Root);
  const pieces = [
    "GET /a.txt HTTP/1.1",
    "\r\n",
    "\n",
    "\r",
    "\0",
    " ",
    "Host: a",
    "Content-Length: 3",
    "abc",
    ":",
    "\t",
  ]
    .concat([
      "Transfer-Encoding: chunked",
      "0\r\n\r\n",
      "HTTP/1.0",
      "Expect: 100-continue",
      "//",
      "%",
      "\xff",
      "POST /",
    ]);
  let seed = 5;
  const next = (below: number) => (seed = (seed * 48_271) % 2_147_483_647) % below;
  for (let round = 0; round < 200; round++) {
    const sent = Array.from({ length: 1 + next(20) }, () => pieces[next(pieces.length)]).join("");
    assertQuiet(await exchange(server.port, sent, { end: true }), server.errors);
  }
  const heard = await exchange(server.port, "GET /a.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  assert(heard.endsWith("hello"), heard);
});
