/** Behaviour that php-fpm never shows: an application scripted by the test. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { FastCgiOptions } from "@x/pyserve/handlers";
import { RecordType } from "../../../handlers/upstream/fastcgi/records.ts";
import { ask } from "../../support/raw.ts";
import { fastCgiSite } from "../../support/fastcgi_site.ts";
import {
  type Call,
  endRequest,
  recordBytes,
  type Responder,
  startResponder,
  stderr,
  stdout,
} from "../../support/fastcgi_responder.ts";
import { within } from "../../support/wait.ts";

/** Milliseconds after which a connection that is not closed is an error; it takes some hundred at most. */
const LIMIT_MS = 20_000;

const HEAD = "Content-Type: text/plain\r\n\r\n";
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** A site whose `x.php` is answered by this application. */
function siteOf({ port }: Responder, options: Partial<FastCgiOptions> = {}) {
  const address = { transport: "tcp", hostname: "127.0.0.1", port } as const;
  return fastCgiSite({ "x.php": "", "y.php": "", "plain.txt": "plain" }, { address, ...options });
}

Deno.test("malformed responses: status and message", async (t) => {
  const rows: [name: string, parts: Uint8Array[], status: number, sentence: string][] = [
    ["another protocol", [latin1("HTTP/1.1 200 OK\r\n\r\n")], 502, "does not speak FastCGI"],
    ["another version", [Uint8Array.of(2, 6, 0, 1, 0, 0, 0, 0)], 502, "does not speak FastCGI"],
    ["nothing", [], 502, "sent no reply"],
    ["half a record", [stdout(HEAD).subarray(0, 9)], 502, "aborted its reply"],
    ["half a header", [stdout("Content-Type: te")], 502, "aborted its reply"],
    ["an end without output", [endRequest()], 502, "ended without any output"],
    ["an end within the header", [stdout("A: b\r\n"), endRequest()], 502, "in the middle of its header"],
    ["only standard error", [stderr("no"), endRequest(1)], 502, "ended without any output"],
    ["no header", [stdout("hello\n"), endRequest()], 502, "without a colon"],
    ["another request", [recordBytes(RecordType.stdout, latin1(HEAD), 2)], 502, "to an unknown request"],
    ["a record for applications", [recordBytes(RecordType.stdin, latin1(HEAD))], 502, "invalid record"],
    ["a bad end", [recordBytes(RecordType.endRequest, latin1("abc"))], 502, "invalid record"],
    ["overloaded", [endRequest(0, 2)], 503, "overloaded"],
    ["cannot multiplex", [endRequest(0, 1)], 502, "cannot multiplex"],
    ["unknown role", [endRequest(0, 3)], 502, "unknown role"],
    ["a status of its own", [stdout("Status: 99\n\n"), endRequest()], 502, "status outside of"],
  ];
  for (const [name, parts, status, sentence] of rows) {
    await t.step(name, async () => {
      await using responder = startResponder(async (call) => {
        await call.send(...parts);
        call.hangUp();
      });
      await using site = await siteOf(responder);
      const response = await fetch(`${site.url}/x.php`);
      assertStringIncludes(await response.text(), sentence);
      assertEquals([response.status, response.headers.has("retry-after")], [status, status === 503]);
    });
  }
});

Deno.test("a response that fails after its header is aborted", async (t) => {
  const rows: [name: string, ...parts: Uint8Array[]][] = [
    ["cut off", stdout(HEAD + "half")],
    ["cut off in a record", stdout(HEAD + "half"), stdout("rest").subarray(0, 10)],
    ["garbage", stdout(HEAD + "half"), latin1("garbage")],
    ["overloaded", stdout(HEAD + "half"), endRequest(0, 2)],
  ];
  for (const [name, head, ...rest] of rows) {
    await t.step(name, async () => {
      const { promise: seen, resolve: see } = Promise.withResolvers<void>();
      await using responder = startResponder(async (call) => {
        await call.send(head!);
        await seen;
        await call.send(...rest);
        call.hangUp();
      });
      await using site = await siteOf(responder);
      const response = await fetch(`${site.url}/x.php`);
      assertEquals(response.status, 200);
      see();
      await assertRejects(() => response.text(), Error);
      await site.untilError("Cannot finish GET /x.php");
    });
  }
});

Deno.test("a valid response, byte by byte and with padding", async () => {
  const wire = [
    recordBytes(RecordType.stdout, latin1(HEAD.slice(0, 5)), 1, 7),
    stderr("a warn"),
    recordBytes(RecordType.stdout, latin1(HEAD.slice(5) + "hel"), 1, 255),
    stderr("ing\nand another"),
    recordBytes(RecordType.stdout, latin1("lo"), 1, 1),
    recordBytes(RecordType.stdout, new Uint8Array(), 1, 8),
    recordBytes(RecordType.stderr, new Uint8Array()),
    endRequest(3),
  ];
  await using responder = startResponder(async (call) => {
    for (const part of wire) for (const byte of part) await call.send(Uint8Array.of(byte));
  });
  await using site = await siteOf(responder);
  assertEquals(await (await fetch(`${site.url}/x.php`)).text(), "hello");
  await site.untilError("exit status 3");
  assertEquals(site.errors, ["/x.php: a warning", "/x.php: and another", "/x.php: exit status 3"]);
});

Deno.test("many records in one write, and large ones", async () => {
  const large = "x".repeat(65_535);
  await using responder = startResponder((call) =>
    call.send(stdout(HEAD), stdout(large), stdout("y"), stdout(large), stdout("z"), endRequest())
  );
  await using site = await siteOf(responder);
  assertEquals(await (await fetch(`${site.url}/x.php`)).text(), `${large}y${large}z`);
});

Deno.test("an application may answer before it has read the body", async () => {
  // The one for other tests reads all of a request first.
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const answered = (async () => {
    using conn = await listener.accept();
    await conn.read(new Uint8Array(100));
    for (const part of [stdout(HEAD + "enough"), endRequest()]) await conn.write(part);
    const rest = new Uint8Array(65_536);
    while (await conn.read(rest).catch(() => null) !== null);
  })();
  {
    await using site = await siteOf({ port: listener.addr.port } as Responder);
    const response = await fetch(`${site.url}/x.php`, { method: "POST", body: new Uint8Array(20_000_000) });
    assertEquals(await response.text(), "enough");
  }
  await answered;
  listener.close();
});

Deno.test("local redirects are answered by the site", async (t) => {
  await using responder = startResponder((call) => {
    const to = call.params.get("QUERY_STRING")!;
    const seen = ["REQUEST_METHOD", "REDIRECT_URL", "CONTENT_LENGTH", "HTTP_X_A"].map((name) => call.params.get(name));
    return call.send(stdout(to === "" ? HEAD + JSON.stringify(seen) : `Location: ${to}\n\n`), endRequest());
  });
  await using site = await siteOf(responder);
  await t.step("to a file", async () => {
    assertEquals(await (await fetch(`${site.url}/x.php?/plain.txt`)).text(), "plain");
    assertEquals((await ask(site.port, "HEAD", "/x.php?/plain.txt")).headers.get("content-length"), "5");
  });
  await t.step("to a script, as GET without the body", async () => {
    const response = await fetch(`${site.url}/x.php?/y.php`, { method: "POST", body: "abc", headers: { "x-a": "1" } });
    assertEquals(await response.json(), ["GET", "/x.php", null, "1"]);
  });
  await t.step("to a missing path, which does not serve the script's own file", async () => {
    assertEquals((await ask(site.port, "GET", "/x.php?/none")).status, 404);
  });
  await t.step("to an invalid target", async () => {
    assertEquals((await ask(site.port, "GET", "/x.php?/%2500")).status, 404);
    assertEquals((await ask(site.port, "GET", "/x.php?/%00")).status, 502);
  });
  await t.step("for ever", async () => {
    const before = responder.calls.length;
    await using endless = startResponder((call) => call.send(stdout("Location: /x.php\n\n"), endRequest()));
    await using loop = await siteOf(endless);
    const response = await ask(loop.port, "GET", "/x.php");
    assertEquals([response.status, endless.calls.length, responder.calls.length], [502, 11, before]);
  });
  await t.step("another host is not a local redirect", async () => {
    const { status, headers } = await ask(site.port, "GET", "/x.php?//evil.example/");
    assertEquals([status, headers.get("location")], [302, "//evil.example/"]);
  });
});

Deno.test("when the client disconnects, the connection is closed", async (t) => {
  for (const name of ["before the header", "behind the header"]) {
    await t.step(name, async () => {
      const { promise: called, resolve: call } = Promise.withResolvers<Call>();
      await using responder = startResponder(async (each) => {
        if (name === "behind the header") await each.send(stdout(HEAD + "first"));
        call(each);
      });
      await using site = await siteOf(responder);
      const client = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
      await client.write(latin1("GET /x.php HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      const { closed } = await called;
      if (name === "behind the header") await client.read(new Uint8Array(1000));
      client.close();
      await within(closed, LIMIT_MS);
    });
  }
});

Deno.test("an unwanted body is discarded, up to a limit", async () => {
  await using responder = startResponder(async (call) => {
    await call.send(stdout(`Status: 204\n${HEAD}`));
    await call.closed;
  });
  await using site = await siteOf(responder, { lingerTimeout: 50 });
  assertEquals((await fetch(`${site.url}/x.php`)).status, 204);
  await within(responder.calls[0]!.closed, LIMIT_MS);
});

Deno.test("a client that stops reading does not block the application forever", async () => {
  const chunk = recordBytes(RecordType.stdout, new Uint8Array(65_535));
  await using responder = startResponder(async (call) => {
    await call.send(stdout(HEAD));
    for (let open = true; open;) await call.send(chunk).catch(() => open = false);
  });
  await using site = await siteOf(responder, { stallTimeout: 100 });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
  await client.write(latin1("GET /x.php HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  await site.untilError("The client has stopped reading");
  await within(responder.calls[0]!.closed, LIMIT_MS);
});

Deno.test("an application with a malformed header is disconnected, and its slot goes to the next", async () => {
  await using responder = startResponder(async (call) => {
    await call.send(stdout("hello\n\n"));
    await call.closed; // it would continue forever
  });
  await using site = await siteOf(responder, { maxRequests: 1, queueTimeout: 5_000 });
  for (let i = 0; i < 2; i++) {
    const response = await fetch(`${site.url}/x.php`);
    await response.body?.cancel();
    assertEquals(response.status, 502);
  }
});

Deno.test("a response longer than its Content-Length is truncated, and the exchange ends", async () => {
  await using responder = startResponder(async (call) => {
    await call.send(stdout(`Content-Length: 3\n${HEAD}abcdef`));
    await call.closed;
  });
  await using site = await siteOf(responder);
  assertEquals(await (await fetch(`${site.url}/x.php`)).text(), "abc");
  await within(responder.calls[0]!.closed, LIMIT_MS);
});

Deno.test("by default each request has its own connection, which the application closes", async () => {
  await using responder = startResponder((call) => call.send(stdout(HEAD), endRequest()));
  await using site = await siteOf(responder);
  for (let i = 0; i < 3; i++) await (await fetch(`${site.url}/x.php`)).text();
  assertEquals(responder.calls.map(({ keep, connection }) => [keep, connection]), [[false, 0], [false, 1], [false, 2]]);
  await within(Promise.all(responder.calls.map(({ closed }) => closed)), LIMIT_MS);
});

Deno.test("a kept connection is reused, and closed when it has been idle long enough", async () => {
  await using responder = startResponder((call) => call.send(stdout(HEAD), endRequest()));
  await using site = await siteOf(responder, { idleConnections: 1, idleConnectionTimeout: 300 });
  for (let i = 0; i < 3; i++) {
    await (await fetch(`${site.url}/x.php`, { method: "PUT", body: "x".repeat(i) })).text();
  }
  assertEquals(responder.calls.map(({ keep, body, turn }) => [keep, body.length, turn]), [
    [true, 0, 0],
    [true, 1, 1],
    [true, 2, 2],
  ]);
  await within(responder.calls[2]!.closed, LIMIT_MS);
});

Deno.test("a connection that is closed just before its reuse", async (t) => {
  // Answers the first request of each connection, and closes it over the second.
  const once = (call: Call) => call.turn === 0 ? call.send(stdout(HEAD + "fine"), endRequest()) : call.hangUp();
  // Non-idempotent requests are never sent over such a connection.
  for (const [method, requests] of [["GET", 3], ["PUT", 3], ["POST", 2]] as const) {
    await t.step(method, async () => {
      await using responder = startResponder(once);
      await using site = await siteOf(responder, { idleConnections: 1, idleConnectionTimeout: 300 });
      await (await fetch(`${site.url}/x.php`)).text();
      const body = method === "GET" ? null : "the body";
      const response = await fetch(`${site.url}/x.php`, { method, body });
      assertEquals([response.status, await response.text()], [200, "fine"]);
      const last = responder.calls.at(-1)!;
      assertEquals([responder.calls.length, last.connection, last.turn], [requests, 1, 0]);
      assertEquals(new TextDecoder().decode(last.body), body ?? "");
      await within(Promise.all(responder.calls.map(({ closed }) => closed)), LIMIT_MS);
    });
  }
});

Deno.test("requests over the limit wait their turn, for a limited time", async () => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  await using responder = startResponder(async (call) => {
    await go;
    await call.send(stdout(HEAD + "done"), endRequest());
  });
  await using site = await siteOf(responder, { maxRequests: 2, maxPerClient: 2, queueTimeout: 20_000 });
  const asked = Array.from({ length: 5 }, () => fetch(`${site.url}/x.php`).then((response) => response.text()));
  while (responder.calls.length < 2) await new Promise((done) => setTimeout(done, 5));
  await using hasty = await siteOf(responder, { maxRequests: 1, queueTimeout: 10 });
  const inside = fetch(`${hasty.url}/x.php`).then((response) => response.text());
  while (responder.calls.length < 3) await new Promise((done) => setTimeout(done, 5));
  const refused = await ask(hasty.port, "GET", "/x.php");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "1"]);
  assertEquals(responder.calls.length, 3);
  resolve();
  assertEquals(await Promise.all([...asked, inside]), Array(6).fill("done"));
});

Deno.test("a request whose client disconnects in the queue is not sent", async () => {
  const { promise: go, resolve } = Promise.withResolvers<void>();
  await using responder = startResponder(async (call) => {
    await go;
    await call.send(stdout(HEAD), endRequest());
  });
  await using site = await siteOf(responder, { maxRequests: 1 });
  const first = fetch(`${site.url}/x.php`).then((response) => response.text());
  while (responder.calls.length < 1) await new Promise((done) => setTimeout(done, 5));
  const client = await Deno.connect({ hostname: "127.0.0.1", port: site.port });
  await client.write(latin1("GET /y.php HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  client.close();
  await site.untilAccess('"GET /y.php HTTP/1.1" 400');
  resolve();
  await first;
  await (await fetch(`${site.url}/x.php`)).text();
  assertEquals([responder.calls.length, site.errors], [2, []]);
});

Deno.test("no listener: 502, and the log has the address", async () => {
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  for (
    const address of [{ transport: "tcp", hostname: "127.0.0.1", port }, { transport: "unix", path: "/none.sock" }]
  ) {
    await using site = await siteOf({ port } as Responder, { address: address as FastCgiOptions["address"] });
    const response = await fetch(`${site.url}/x.php`, { method: "POST", body: "x" });
    assertEquals(response.status, 502);
    assertStringIncludes(await response.text(), "The application cannot be reached");
    await site.untilError("Cannot answer POST /x.php");
  }
});

Deno.test("connections are not accepted: 504", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const filling: Deno.Conn[] = [];
  for (let full = false; !full;) {
    const signal = AbortSignal.timeout(200);
    await Deno.connect({ hostname: "127.0.0.1", port, signal }).then((conn) => filling.push(conn), () => full = true);
    assert(filling.length < 1000, "the queue is never full");
  }
  {
    await using site = await siteOf({ port } as Responder, { connectTimeout: 100 });
    const { status, text } = await ask(site.port, "GET", "/x.php");
    assertEquals(status, 504);
    assertStringIncludes(text, "timed out");
  }
  for (const conn of filling) conn.close();
  listener.close();
});

Deno.test("invalid extensions are refused at construction", async () => {
  await using responder = startResponder(() => {});
  for (const extension of ["php", ".", "", "./x"]) {
    await assertRejects(() => siteOf(responder, { extensions: [extension] }), TypeError, "is not an extension");
  }
});
