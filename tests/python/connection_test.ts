/** What a connection does between requests, and what becomes of handlers and clients that misbehave. */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { BaseHTTPRequestHandler } from "@x/pyserve/python";
import { HttpError } from "@x/pyserve";
import { Connection } from "../../handlers/python/connection.ts";
import { Deadlines } from "../../handlers/python/deadlines.ts";
import { Client, Echo, exchange, reply, serving } from "../support/python.ts";

/** The statuses in the received text. */
function statuses(heard: string): string[] {
  return [...heard.matchAll(/HTTP\/1\.[01] (\d{3})/g)].map((match) => match[1]!);
}

function closing(request: string): string {
  return request.replace("\r\n", "\r\nConnection: close\r\n");
}

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

Deno.test("requests that arrive together are answered in order", async () => {
  class Slow extends Echo {
    async do_SLOW() {
      await new Promise((resolve) => setTimeout(resolve, 20));
      this.answer("SLOW");
    }
  }
  await using server = serving(Slow);
  const post = "POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc";
  const chunked = "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n";
  const heard = await exchange(server.port, `SLOW / HTTP/1.1\r\n\r\n${GET}${post}${chunked}${closing(GET)}`);
  assertEquals(heard.match(/SLOW|GET \/a|POST [a-z]+/g), ["SLOW", "GET /a", "POST abc", "POST xyz", "GET /a"]);
});

Deno.test("a request is read wherever its bytes are split", async () => {
  await using server = serving(Echo);
  const sent = `POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxyz\r\n0\r\n\r\n${closing(GET)}`;
  using client = await Client.connect(server.port);
  (client.conn as Deno.TcpConn).setNoDelay();
  for (const byte of sent) await client.say(byte);
  assertEquals((await client.hear()).match(/GET \/a|POST [a-z]+/g), ["POST xyz", "GET /a"]);
});

Deno.test("HTTP/1.0 closes, unless the client asks for keep-alive and the class supports it", async () => {
  class Old extends Echo {
    override protocol_version = "HTTP/1.0";
  }
  const [old, keep] = ["GET /a HTTP/1.0\r\n\r\n", "GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"];
  const rows = [[Old, GET, 1], [Old, keep, 1], [Echo, old, 1], [Echo, keep, 2], [Echo, GET, 2]] as const;
  for (const [Handler, request, count] of rows) {
    await using server = serving(Handler);
    const heard = await exchange(server.port, request + closing(request));
    assertEquals(statuses(heard).length, count, `${Handler.name} ${request}`);
  }
});

Deno.test("Connection is a list, on one line or on several, and HTTP/1.1 announces closing", async () => {
  await using server = serving(Echo);
  for (const lines of ["Connection: x, Close", "Connection: x\r\nConnection: close"]) {
    const heard = await exchange(server.port, `GET / HTTP/1.1\r\n${lines}\r\n\r\n${GET}`);
    assertEquals(statuses(heard), ["200"], lines);
    assertStringIncludes(heard, "\r\nConnection: close\r\n");
  }
});

Deno.test("a client is told whether its connection stays open if it could not know", async () => {
  class Telling extends Echo {
    override do_GET() {
      this.send_response(200);
      const [, own, ...others] = this.path.split("/");
      if (own) this.send_header("Connection", own);
      if (!others.includes("endless")) this.send_header("Content-Length", others.includes("chunked") ? "x" : 0);
      if (others.includes("chunked")) this.send_header("Transfer-Encoding", "chunked");
      this.end_headers();
      if (others.includes("chunked")) this.wfile.write("0\r\n\r\n");
    }
  }
  class Old extends Telling {
    override protocol_version = "HTTP/1.0";
  }
  const keep = "Connection: keep-alive\r\n";
  // The request, the Connection field of the reply, and whether the connection stays open.
  const rows = [
    [Telling, "GET / HTTP/1.1\r\n", [], true],
    [Telling, "GET /x/endless HTTP/1.1\r\n", ["x", "close"], false],
    [Telling, "GET /x HTTP/1.1\r\n", ["x"], true],
    [Telling, "GET /close HTTP/1.1\r\n", ["close"], false],
    [Telling, "GET /x,close HTTP/1.1\r\n", ["x,close"], false],
    [Telling, "GET /keep-alive/endless HTTP/1.1\r\n", ["keep-alive", "close"], false],
    [Telling, "GET / HTTP/1.0\r\n", [], false],
    [Telling, `GET / HTTP/1.0\r\n${keep}`, ["keep-alive"], true],
    [Telling, `GET /x HTTP/1.0\r\n${keep}`, ["x", "keep-alive"], true],
    [Telling, `GET /x/endless HTTP/1.0\r\n${keep}`, ["x"], false],
    [Telling, `GET /x/chunked HTTP/1.0\r\n${keep}`, ["x"], false],
    [Telling, "GET /x/chunked HTTP/1.1\r\n", ["x"], true],
    [Telling, `GET /keep-alive HTTP/1.0\r\n${keep}`, ["keep-alive"], true],
    [Telling, `GET /keep-alive/endless HTTP/1.0\r\n${keep}`, ["keep-alive", "close"], false],
    [Telling, `GET /close HTTP/1.0\r\n${keep}`, ["close"], false],
    [Telling, "GET /keep-alive HTTP/1.0\r\n", ["keep-alive"], true],
    [Old, `GET / HTTP/1.0\r\n${keep}`, [], false],
    [Old, "GET / HTTP/1.1\r\n", [], false],
    [Old, "GET /keep-alive HTTP/1.0\r\n", ["keep-alive"], true],
  ] as const;
  for (const [Handler, request, said, kept] of rows) {
    await using server = serving(Handler);
    const heard = await exchange(server.port, `${request}\r\nGET /close HTTP/1.1\r\n\r\n`);
    const [first = ""] = heard.split("\r\n\r\n");
    assertEquals(fieldsOf(first, "Connection"), [...said], request);
    assertEquals(statuses(heard).length, kept ? 2 : 1, request);
  }
});

/** The values of a field in a head. */
function fieldsOf(head: string, name: string): string[] {
  return head.split("\r\n").filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2));
}

Deno.test("an unread body is never taken for the next request", async () => {
  await using server = serving(Echo);
  const inside = "GET /smuggled HTTP/1.1\r\n\r\n";
  const length = `GET /a HTTP/1.1\r\nContent-Length: ${inside.length}\r\n\r\n${inside}`;
  const size = inside.length.toString(16);
  const chunked = `GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${size}\r\n${inside}\r\n0\r\n\r\n`;
  for (const request of [length, chunked]) {
    const heard = await exchange(server.port, request + closing(GET));
    assertEquals(heard.match(/GET \/[a-z]+/g), ["GET /a", "GET /a"]);
  }
});

Deno.test("a long unread body ends the connection, and the client still reads the reply", async () => {
  await using server = serving(Echo);
  const heard = await exchange(
    server.port,
    `GET /a HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n${"x".repeat(5_000_000)}`,
  );
  assertEquals(heard.match(/GET \/[a-z]+/g), ["GET /a"]);
});

Deno.test("a client that is still sending when the connection ends is not cut off by a reset", async () => {
  await using server = serving(Echo);
  using client = await Client.connect(server.port);
  // More than is discarded to keep the connection.
  await client.say(`GET /a HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n${"x".repeat(300_000)}`);
  await client.hear("GET /a");
  // To a closed socket the first of these would be answered with a reset, and the next would fail.
  for (let i = 0; i < 20; i++) {
    await client.say("x".repeat(10_000));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await client.conn.closeWrite();
  assertMatch(await client.hear(), /GET \/a$/);
});

Deno.test("a client that keeps sending after the last reply is disconnected", async () => {
  await using server = serving(Echo);
  using client = await Client.connect(server.port);
  await client.say(`GET /a HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n${"x".repeat(300_000)}`);
  await client.hear("GET /a");
  // Single bytes with pauses: neither the limit for one read nor that for the bytes is ever reached.
  const dripping = (async () => {
    for (;;) await client.say("x").then(() => new Promise((resolve) => setTimeout(resolve, 100)));
  })();
  await assertRejects(() => dripping, Error);
  assertEquals(client.gaveUp, false, "it went on for as long as the client liked");
});

Deno.test("no more requests are read from a client that does not read its replies", async () => {
  let count = 0;
  class Counting extends Echo {
    override do_GET() {
      count += 1;
      this.answer("x".repeat(100_000));
    }
  }
  await using server = serving(Counting, undefined, { body_timeout: 0.2 });
  using client = await Client.connect(server.port);
  await client.say("GET / HTTP/1.1\r\n\r\n".repeat(2_000));
  await server.log.until("Request timed out");
  assert(count < 1_000, `${count} replies wait in memory`);
});

Deno.test("a malformed chunk in an unread body ends the connection after the reply", async () => {
  await using server = serving(Echo);
  const heard = await exchange(server.port, `GET /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n!!\r\n${GET}`);
  assertEquals(heard.match(/GET \/[a-z]+/g), ["GET /a"]);
});

Deno.test("rfile reads by number, by line, and to the end", async () => {
  class Reader extends Echo {
    override async do_POST() {
      const { rfile } = this;
      const parts = [await rfile.read(2), await rfile.readline(), await rfile.readline(3), await rfile.read1(1)];
      for await (const line of rfile) parts.push(line);
      parts.push(await rfile.read(), await rfile.read(5), await rfile.readline());
      assert(rfile.ended);
      this.answer(JSON.stringify(parts.map((part) => new TextDecoder().decode(part))));
    }
    async do_STREAM() {
      this.answer((await new Response(this.rfile.readable).text()).toUpperCase());
    }
  }
  await using server = serving(Reader);
  const expected = `["ab","c\\n","def","g","h\\n","i\\n","jk","","",""]`;
  const body = "abc\ndefgh\ni\njk";
  assertEquals(
    (await reply(server.port, `POST / HTTP/1.0\r\nContent-Length: ${body.length}\r\n\r\n${body}`)).text,
    expected,
  );
  const chunks = Array.from(body, (character) => `1\r\n${character}\r\n`).join("");
  const chunked = `POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
  assertEquals((await reply(server.port, chunked)).text, expected);
  assertEquals((await reply(server.port, chunked.replace("POST", "STREAM"))).text, body.toUpperCase());
});

Deno.test("a read of a number waits for that number, however the body arrives", async () => {
  class Exact extends Echo {
    override async do_POST() {
      this.answer(`${(await this.rfile.read(150_000)).length} ${(await this.rfile.read()).length}`);
    }
  }
  await using server = serving(Exact);
  const sent = `POST / HTTP/1.0\r\nContent-Length: 200000\r\n\r\n${"x".repeat(200_000)}`;
  assertEquals((await reply(server.port, sent)).text, "150000 50000");
});

Deno.test("a malformed chunk is a 400 if the body is read", async () => {
  await using server = serving(Echo);
  const { head } = await reply(server.port, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n");
  assertStringIncludes(head, "400 Bad chunk");
  assertEquals(server.errors, []);
});

Deno.test("writes without await arrive in order, before the next reply", async () => {
  class Writer extends Echo {
    do_WRITE() {
      this.send_response(200);
      this.send_header("Content-Length", 100_000);
      this.end_headers();
      const buffer = new Uint8Array(1);
      for (let i = 0; i < 100_000; i++) {
        buffer[0] = 97 + i % 26;
        this.wfile.write(buffer);
      }
    }
  }
  await using server = serving(Writer);
  const heard = await exchange(server.port, `WRITE / HTTP/1.1\r\n\r\n${closing(GET)}`);
  const expected = Array.from({ length: 100_000 }, (_, i) => String.fromCharCode(97 + i % 26)).join("");
  assert(heard.includes(`\r\n\r\n${expected}HTTP/1.1 200 OK\r\n`));
});

Deno.test("wfile is a stream, and text is UTF-8", async () => {
  class Piped extends Echo {
    async do_PIPE() {
      this.send_response(200);
      this.end_headers();
      this.wfile.write("ä");
      await new Response("ö").body!.pipeTo(this.wfile.writable);
      await this.wfile.flush();
    }
  }
  await using server = serving(Piped);
  assertEquals((await reply(server.port, "PIPE / HTTP/1.1\r\n\r\n")).text, "äö");
});

Deno.test("headers are sent even if the handler waits before it writes more", async () => {
  const go = Promise.withResolvers<void>();
  class Waiting extends Echo {
    async do_WAIT() {
      this.send_response(200);
      this.end_headers();
      await go.promise;
      this.wfile.write("later");
    }
  }
  await using server = serving(Waiting);
  using client = await Client.connect(server.port);
  await client.say("WAIT / HTTP/1.1\r\n\r\n");
  assertStringIncludes(await client.hear("\r\n\r\n"), "200 OK");
  go.resolve();
  assertMatch(await client.hear(), /later$/);
});

Deno.test("a reply without a length ends with the connection, one with a wrong length too", async () => {
  class Lengths extends Echo {
    do_NONE() {
      this.send_response(200);
      this.end_headers();
      this.wfile.write("all");
    }
    do_SHORT() {
      this.send_response(200);
      this.send_header("Content-Length", 10);
      this.end_headers();
      this.wfile.write("short");
    }
    do_LONG() {
      this.send_response(200);
      this.send_header("Content-Length", 2);
      this.end_headers();
      this.wfile.write("long");
    }
    do_SILENT() {}
    do_RAW() {
      this.wfile.write("HTTP/1.1 299 Mine\r\nContent-Length: 0\r\n\r\n");
    }
    do_EMPTY() {
      this.send_response(204);
      this.end_headers();
    }
    do_CHUNKED() {
      this.send_response(200);
      this.send_header("Transfer-Encoding", "chunked");
      this.end_headers();
      this.wfile.write("3\r\nabc\r\n0\r\n\r\n");
    }
  }
  await using server = serving(Lengths);
  const rows = [["NONE", ["200"]], ["SHORT", ["200"]], ["LONG", ["200"]], ["SILENT", []], ["RAW", ["299"]]] as const;
  for (const [method, expected] of rows) {
    const heard = await exchange(server.port, `${method} / HTTP/1.1\r\n\r\n${GET}`);
    assertEquals(statuses(heard), [...expected], method);
    if (method === "NONE") assertStringIncludes(heard, "\r\nConnection: close\r\n");
  }
  for (const method of ["EMPTY", "CHUNKED"]) {
    const heard = await exchange(server.port, `${method} / HTTP/1.1\r\n\r\n${closing(GET)}`);
    assertEquals(statuses(heard).length, 2, method);
  }
});

Deno.test("100 Continue is sent when it is expected, and only over HTTP/1.1", async () => {
  await using server = serving(Echo);
  using client = await Client.connect(server.port);
  await client.say("POST / HTTP/1.1\r\nConnection: close\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n");
  assertEquals(await client.hear("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  await client.say("abc");
  assertMatch(await client.hear(), /POST abc$/);
  const old = await exchange(server.port, "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
  assertEquals(statuses(old), ["200"]);
});

Deno.test("errors after 100 Continue are answered, too", async () => {
  class Throwing extends Echo {
    // deno-lint-ignore require-await
    override async do_POST() {
      throw new Error("the cause");
    }
  }
  await using server = serving(Throwing);
  const post = "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc";
  assertEquals(statuses(await exchange(server.port, post)), ["100", "500"]);
});

Deno.test("an expectation can be refused, and the body is not taken for a request", async () => {
  class Refusing extends Echo {
    override handle_expect_100() {
      this.send_response_only(417);
      this.send_header("Content-Length", 0);
      this.end_headers();
      return false;
    }
  }
  await using server = serving(Refusing);
  const heard = await exchange(
    server.port,
    `POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n${GET}`,
  );
  assertEquals(statuses(heard), ["417"]);
});

Deno.test("after 101 the connection is the handler's", async () => {
  class Upgrading extends Echo {
    override async do_GET() {
      this.send_response(101);
      this.send_header("Upgrade", "shout");
      this.send_header("Connection", "Upgrade");
      this.end_headers();
      for await (const line of this.rfile) await this.wfile.write(new TextDecoder().decode(line).toUpperCase());
    }
  }
  await using server = serving(Upgrading);
  using client = await Client.connect(server.port);
  await client.say("GET / HTTP/1.1\r\n\r\nhello\n");
  await client.hear("HELLO\n");
  await client.say("GET / HTTP/1.1\n");
  await client.hear("GET / HTTP/1.1\n");
  await client.conn.closeWrite();
  assertMatch(await client.hear(), /^HTTP\/1\.1 101 [^]*\r\n\r\nHELLO\nGET \/ HTTP\/1\.1\n$/);
});

Deno.test("values cannot break a header line", () => {
  const handler = new BaseHTTPRequestHandler(...([{}, ["", 0], {}] as unknown as ConstructorParameters<typeof Echo>));
  for (const text of ["a\r\nX: y", "a\nb", "a\rb", "a\0b", "ł"]) {
    assertThrows(() => handler.send_header("X", text), TypeError);
    assertThrows(() => handler.send_response_only(200, text), TypeError);
  }
  for (const name of ["", "a b", "a:b", "a\r\nb", "a\n", "ä", "a\0"]) {
    assertThrows(() => handler.send_header(name, "x"), TypeError);
  }
});

Deno.test("a handler that throws before it has sent anything causes a 500 and one error", async () => {
  class Throwing extends Echo {
    override do_GET() {
      this.send_response(200);
      this.send_header("X-Secret", "1");
      throw new Error("the cause");
    }
    // deno-lint-ignore require-await
    override async do_POST() {
      throw new HttpError(409, "The name is taken", { headers: { "x-why": "taken" } });
    }
  }
  await using server = serving(Throwing);
  const heard = await exchange(server.port, GET + GET);
  assertEquals(statuses(heard), ["500"]);
  assert(!heard.includes("X-Secret") && !heard.includes("the cause"));
  assertEquals(server.errors.map(String), ["Error: the cause"]);
  const conflict = await exchange(server.port, "POST / HTTP/1.1\r\n\r\n");
  assertStringIncludes(conflict, "HTTP/1.1 409 The name is taken\r\n");
  assertStringIncludes(conflict, "x-why: taken\r\n");
  assertEquals(server.errors.length, 1);
});

Deno.test("a handler that throws in the middle of its reply truncates it", async () => {
  class Throwing extends Echo {
    override async do_GET() {
      this.send_response(200);
      this.send_header("Content-Length", 10);
      this.end_headers();
      await this.wfile.write("half");
      throw new Error("the cause");
    }
  }
  await using server = serving(Throwing);
  const heard = await exchange(server.port, GET + GET);
  assertEquals(statuses(heard), ["200"]);
  assertMatch(heard, /\r\n\r\nhalf$/);
  assertEquals(server.errors.length, 1);
});

Deno.test("a client that disconnects during a reply is one line in the log", async () => {
  const ended = Promise.withResolvers<void>();
  class Endless extends Echo {
    override async do_GET() {
      this.send_response(200);
      this.end_headers();
      try {
        for (;;) await this.wfile.write(new Uint8Array(65_536));
      } finally {
        ended.resolve();
      }
    }
  }
  await using server = serving(Endless);
  {
    using client = await Client.connect(server.port);
    await client.say(GET);
    await client.hear("\r\n\r\n");
  }
  await ended.promise;
  await server.log.until("Connection lost: ");
  assertEquals(server.log.lines.filter((line) => line.includes("Connection lost")).length, 1);
  assertEquals(server.errors, []);
});

Deno.test("a client that disconnects during its body is one line in the log", async () => {
  await using server = serving(Echo);
  assertEquals(await exchange(server.port, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", { end: true }), "");
  await server.log.until("Connection lost: the client disconnected before the end of the body");
  assertEquals(server.errors, []);
});

for (const how of ["wfile.write", "connection.sendall"]) {
  Deno.test(`a ${how} to a client that has left fails where it is awaited, and nowhere else`, async () => {
    const result = Promise.withResolvers<unknown>();
    const left = Promise.withResolvers<void>();
    class Writer extends Echo {
      override async do_GET() {
        const write = (bytes: Uint8Array) => {
          return how === "wfile.write" ? this.wfile.write(bytes) : this.connection.sendall(bytes);
        };
        this.send_response(200);
        this.end_headers();
        await left.promise;
        // Not awaited: an unhandled rejection would fail the test.
        for (let i = 0; i < 100; i++) write(new Uint8Array(65_536));
        await assertRejects(() => this.wfile.flush(), Error);
        write(new Uint8Array(1));
        result.resolve(await assertRejects(() => write(new Uint8Array(1)), Error));
      }
    }
    await using server = serving(Writer);
    {
      using client = await Client.connect(server.port);
      await client.say(GET);
      await client.hear("\r\n\r\n");
    }
    left.resolve();
    assert(await result.promise instanceof Error);
    assertEquals(server.errors, []);
  });
}

Deno.test("a client that takes too long for a head, a body, or the next request is disconnected", async () => {
  const limits = { header_timeout: 0.2, idle_timeout: 0.2, body_timeout: 0.2 };
  class Slow extends Echo {
    // A client that has sent its whole request may wait as long as the handler takes.
    override async do_GET() {
      if (this.path === "/slow") await new Promise((resolve) => setTimeout(resolve, 600));
      super.do_GET();
    }
  }
  await using server = serving(Slow, undefined, limits);
  assertEquals(await exchange(server.port, ""), "", "nothing at all");
  assertEquals(await exchange(server.port, "GET / HTTP/1.1\r\nX: y"), "", "half a head");
  await server.log.until("Request timed out");
  assertEquals(statuses(await exchange(server.port, GET)), ["200"], "no second request");
  const half = "Content-Length: 9\r\n\r\nabc";
  assertEquals(statuses(await exchange(server.port, `POST / HTTP/1.1\r\n${half}`)), ["408"], "half a body");
  assertEquals(statuses(await exchange(server.port, `POST / HTTP/1.1\r\nExpect: 100-continue\r\n${half}`)), [
    "100",
    "408",
  ]);
  assertEquals(
    statuses(await exchange(server.port, `GET / HTTP/1.1\r\n${half}`)),
    ["200"],
    "half a body that is not read",
  );
  for (const version of ["", " HTTP/1.0"]) {
    using client = await Client.connect(server.port);
    await client.say("GET /sl");
    await new Promise((resolve) => setTimeout(resolve, 50)); // so that it arrives alone
    await client.say(`ow${version}\r\n\r\n`);
    assertMatch(await client.hear(), /GET \/slow$/);
  }
  using drip = await Client.connect(server.port);
  const dripping = (async () => {
    // Single bytes with pauses do not help: the limit is for the whole head.
    for (;;) await drip.say("x").then(() => new Promise((resolve) => setTimeout(resolve, 50)));
  })();
  assertEquals(await drip.hear(), "");
  await assertRejects(() => dripping, Error);
  assertEquals(server.errors, []);
});

Deno.test("a client that stops reading is disconnected", async () => {
  const ended = Promise.withResolvers<unknown>();
  class Endless extends Echo {
    override async do_GET() {
      this.send_response(200);
      this.end_headers();
      try {
        for (;;) await this.wfile.write(new Uint8Array(65_536));
      } catch (error) {
        ended.resolve(error);
        throw error;
      }
    }
  }
  await using server = serving(Endless, undefined, { body_timeout: 0.2 });
  using client = await Client.connect(server.port);
  await client.say(GET);
  assert(await ended.promise instanceof Deno.errors.TimedOut);
  await server.log.until("Request timed out: timed out");
});

Deno.test("the timeout of a class overrides those of the server", async () => {
  class Hasty extends Echo {
    override timeout = 0.2;
  }
  await using server = serving(Hasty);
  assertEquals(statuses(await exchange(server.port, GET)), ["200"]);
  assertEquals(statuses(await exchange(server.port, "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc")), ["408"]);
});

/** Sends pieces with a pause between them until all are sent, or nothing more can be. */
async function trickle(client: Client, piece: string, pieces: number): Promise<void> {
  for (let count = 0; count < pieces; count++) {
    await client.say(piece);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("a client whose body trickles is disconnected, one at the minimum rate is not", async () => {
  const limits = { body_timeout: 0.3, body_rate: 1_000 };
  await using server = serving(Echo, undefined, limits);
  const post = "POST / HTTP/1.1\r\nConnection: close\r\n";
  using slow = await Client.connect(server.port);
  await slow.say(`${post}Content-Length: 100000\r\n\r\n`);
  // Each byte is in time, and all of them would take half an hour.
  const trickling = trickle(slow, "x", Infinity).catch(() => {});
  assertEquals(statuses(await slow.hear()), ["408"]);
  await trickling;
  using chunks = await Client.connect(server.port);
  await chunks.say(`${post}Transfer-Encoding: chunked\r\n\r\n`);
  const chunking = trickle(chunks, "1\r\nx\r\n", Infinity).catch(() => {});
  assertEquals(statuses(await chunks.hear()), ["408"]);
  await chunking;
  using steady = await Client.connect(server.port);
  await steady.say(`${post}Content-Length: 10000\r\n\r\n`);
  await trickle(steady, "y".repeat(200), 50);
  assertEquals(statuses(await steady.hear()), ["200"]);
  assertEquals(server.errors, []);
});

Deno.test("a client that reads a reply too slowly is disconnected, one that is fast enough is not", async () => {
  const result = Promise.withResolvers<unknown>();
  class Long extends Echo {
    override async do_GET() {
      this.send_response(200);
      this.end_headers();
      const piece = new Uint8Array(65_536);
      try {
        for (let count = 0; count < 1_600; count++) await this.wfile.write(piece);
        result.resolve("all of it");
      } catch (error) {
        result.resolve(error);
        throw error;
      }
    }
  }
  await using server = serving(Long, undefined, { body_timeout: 1, body_rate: 1_000_000_000 });
  using client = await Client.connect(server.port);
  await client.say(GET);
  const buffer = new Uint8Array(1_000_000);
  const reading = (async () => {
    // Some of it at intervals, so that the limit for a single write is never reached.
    while (await client.conn.read(buffer)) await new Promise((resolve) => setTimeout(resolve, 100));
  })().catch(() => {});
  assert(await result.promise instanceof Deno.errors.TimedOut);
  await server.log.until("Request timed out: timed out");
  await reading;
  await using patient = serving(Echo, undefined, { body_timeout: 1, body_rate: 1_000 });
  assertEquals(statuses(await exchange(patient.port, closing(GET))), ["200"]);
});

Deno.test("one read collects no more than the server allows, and any number of pieces may be read", async () => {
  class Reading extends Echo {
    override async do_POST() {
      const { rfile, path } = this;
      let length = 0;
      if (path === "/read") length = (await rfile.read()).length;
      else if (path === "/number") length = (await rfile.read(1_000_000)).length;
      else if (path === "/line") length = (await rfile.readline()).length;
      else {for (let piece = await rfile.read(500); piece.length > 0; piece = await rfile.read(500)) {
          length += piece.length;
        }}
      this.answer(String(length));
    }
  }
  await using server = serving(Reading, undefined, { max_read: 100_000 });
  const body = (length: number) => `Content-Length: ${length}\r\n\r\n${"x".repeat(length)}`;
  const chunk = (length: number) => `${length.toString(16)}\r\n${"x".repeat(length)}\r\n`;
  const chunks = `Transfer-Encoding: chunked\r\n\r\n${chunk(60_000)}${chunk(60_000)}0\r\n\r\n`;
  const ask = async (path: string, rest: string) => {
    const { status, text } = await reply(server.port, `POST ${path} HTTP/1.1\r\nConnection: close\r\n${rest}`);
    return status === 200 ? text : status;
  };
  for (const path of ["/read", "/number", "/line"]) {
    assertEquals(await ask(path, body(100_000)), "100000", path);
    assertEquals(await ask(path, body(100_001)), 413, path);
    assertEquals(await ask(path, chunks), 413, path);
  }
  assertEquals(await ask("/pieces", body(300_000)), "300000");
  assertEquals(server.errors, []);
});

Deno.test("a reply in flight is not cut by the limit for the head of the next request", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepted = listener.accept();
  using client = await Client.connect(listener.addr.port);
  const deadlines = new Deadlines();
  const connection = new Connection(await accepted, deadlines);
  const bytes = 64 * 1024 * 1024; // more than the system buffers
  const sent = connection.sendall(new Uint8Array(bytes));
  connection.limitHead(0.1);
  while (deadlines.now < 5) await new Promise((resolve) => setTimeout(resolve, 20));
  let count = 0;
  const buffer = new Uint8Array(1_000_000);
  while (count < bytes) {
    const read = await client.conn.read(buffer).catch(() => null);
    if (read === null) break;
    count += read;
  }
  assertEquals(count, bytes);
  await sent;
  connection.close();
});
