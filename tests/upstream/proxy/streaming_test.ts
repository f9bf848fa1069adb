/** What arrives when, how much is in memory, and what happens if either side breaks off. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { application, proxySite, scripted } from "../../support/proxy_site.ts";
import { latin1, raw } from "../../support/raw.ts";
import { within } from "../../support/wait.ts";

const LIMIT_MS = 20_000;

Deno.test("malformed responses are 502", async (t) => {
  const rows: [name: string, response: string, sentence: string][] = [
    ["nothing", "", "sent no response"],
    ["another protocol", "SSH-2.0-OpenSSH\r\n\r\n", "malformed"],
    ["half a head", "HTTP/1.1 200 OK\r\nX-A: b\r\n", "sent no response"],
    ["a status above 599", "HTTP/1.1 700 Odd\r\n\r\n", "malformed"],
    ["an upgrade that was not asked for", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", "malformed"],
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "malformed"],
    ["a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nab", "malformed"],
    [
      "length and coding",
      "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "malformed",
    ],
    ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "malformed"],
    ["a folded line", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", "malformed"],
    ["a space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "malformed"],
    ["an endless line", `HTTP/1.1 200 ${"x".repeat(70_000)}`, "malformed"],
    ["an endless head", `HTTP/1.1 200 OK\r\n${"A: b\r\n".repeat(101)}`, "malformed"],
    ["interim responses only", "HTTP/1.1 100 Continue\r\n\r\n".repeat(101), "malformed"],
  ];
  for (const [name, response, sentence] of rows) {
    await t.step(name, async () => {
      await using app = scripted((call) => call.send(response));
      await using site = proxySite({ upstream: app.url });
      const answer = await fetch(`${site.url}/api/`);
      assertStringIncludes(await answer.text(), sentence);
      assertEquals(answer.status, 502);
    });
  }
});

Deno.test("well-formed responses: interim ones, HTTP/1.0, until the end of the connection, chunks and trailers", async (t) => {
  const rows: [name: string, response: string, body: string][] = [
    ["interim", "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"],
    ["until the end", "HTTP/1.1 200 OK\r\n\r\nhi", "hi"],
    ["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", "hi"],
    ["no reason phrase", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", "hi"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=y\r\nh\r\n1\r\ni\r\n0\r\nT: 1\r\n\r\n", "hi"],
    ["more than announced", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", "hi"],
    ["no content", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""],
  ];
  for (const [name, response, body] of rows) {
    await t.step(name, async () => {
      await using app = scripted((call) => call.send(response));
      await using site = proxySite({ upstream: app.url });
      const answer = await fetch(`${site.url}/api/`);
      assertEquals([answer.status, await answer.text(), answer.headers.has("trailer")], [200, body, false]);
    });
  }
});

Deno.test("a response that breaks off is broken off for the client, too", async (t) => {
  for (const [name, head] of [["length", "Content-Length: 9"], ["chunks", "Transfer-Encoding: chunked"]] as const) {
    await t.step(name, async () => {
      await using app = scripted((call) => call.send(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n3\r\nabc`));
      await using site = proxySite({ upstream: app.url });
      const response = await raw(site.port, "GET /api/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
      assertEquals([response.status, response.complete], [200, false]);
      assertStringIncludes(site.errors.join(), "aborted its response");
    });
  }
});

Deno.test("an application that does not answer is 504", async () => {
  await using app = scripted((call) => call.untilClosed());
  await using site = proxySite({ upstream: app.url, headerTimeout: 50 });
  const slow = await fetch(`${site.url}/api/`, { headers: { accept: "text/html" } });
  assertStringIncludes(await slow.text(), "The application did not answer in time");
  assertEquals([slow.status, slow.headers.get("content-type")], [504, "text/html; charset=utf-8"]);
});

Deno.test("an application that cannot be reached is 502, or 504, and the log says why in words", async (t) => {
  const unused = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = unused.addr;
  unused.close();
  const silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const plain = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = plain.accept().then(async (conn) => {
    await conn.read(new Uint8Array(4_096));
    await conn.write(latin1("HTTP/1.1 400 Bad Request\r\n\r\n"));
    conn.close();
  });
  const rows: [upstream: string, status: number, answer: string, log: string][] = [
    [`http://127.0.0.1:${port}`, 502, "cannot be reached", `nothing listens at 127.0.0.1:${port}`],
    ["unix:/none/app.sock", 502, "cannot be reached", "there is no socket /none/app.sock"],
    ["http://none.invalid", 502, "cannot be reached", "the host name of none.invalid:80 cannot be resolved"],
    [`https://127.0.0.1:${plain.addr.port}`, 502, "cannot be reached", "does not answer with TLS"],
    [`https://127.0.0.1:${silent.addr.port}`, 504, "timed out", "has not answered within 1 s"],
  ];
  for (const [upstream, status, answer, log] of rows) {
    await t.step(upstream, async () => {
      await using site = proxySite({ upstream, connectTimeout: 1_000 });
      const response = await fetch(`${site.url}/api/`);
      assertStringIncludes(await response.text(), answer);
      assertEquals(response.status, status);
      assertStringIncludes(site.errors.join(), log);
      assert(!/os error|Error:|\n/.test(site.errors.join()), site.errors.join());
    });
  }
  await accepting;
  (await silent.accept()).close();
  plain.close();
  silent.close();
});

Deno.test("a client that disconnects cancels the request, before and after the response has begun", async (t) => {
  for (const start of ["", "HTTP/1.1 200 OK\r\n\r\nfirst"]) {
    await t.step(start === "" ? "before" : "after", async () => {
      const closed = Promise.withResolvers<void>();
      const asked = Promise.withResolvers<void>();
      await using app = scripted(async (call) => {
        asked.resolve();
        await call.send(start);
        await call.untilClosed();
        closed.resolve();
      });
      await using site = proxySite({ upstream: app.url });
      const client = await Deno.connect({ port: site.port });
      await client.write(latin1("GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n"));
      await asked.promise;
      if (start !== "") await client.read(new Uint8Array(1_000));
      client.close();
      await within(closed.promise, LIMIT_MS);
    });
  }
});

Deno.test("both directions are streamed: events arrive when they are sent, and so do pieces of a body", async () => {
  const pieces: string[] = [];
  const arrived = Promise.withResolvers<void>();
  await using app = application((request) => {
    const body = request.body!.pipeThrough(new TextDecoderStream());
    return new Response(body.pipeThrough(
      new TransformStream({
        transform(piece, controller) {
          pieces.push(piece);
          arrived.resolve();
          controller.enqueue(new TextEncoder().encode(`<${piece}>`));
        },
      }),
    ));
  });
  await using site = proxySite({ upstream: app.url });
  const client = await Deno.connect({ port: site.port });
  const head = "POST /api/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
  await client.write(latin1(`${head}1\r\na\r\n`));
  await within(arrived.promise, LIMIT_MS);
  let text = "";
  const buffer = new Uint8Array(65_536);
  const readUntil = async (end: string) => {
    while (!text.includes(end)) {
      const count = await client.read(buffer);
      if (count === null) throw new Error(`closed after ${text}`);
      text += new TextDecoder().decode(buffer.subarray(0, count));
    }
  };
  await within(readUntil("<a>"), LIMIT_MS); // the answer to the first piece, before the second is sent
  await client.write(latin1("1\r\nb\r\n0\r\n\r\n"));
  await within(readUntil("<b>"), LIMIT_MS);
  assertEquals(pieces, ["a", "b"]);
  client.close();
});

Deno.test("an application that refuses a body before it has read it is heard", async () => {
  await using app = scripted(async (call) => {
    await call.send("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig");
    await call.untilClosed();
  });
  await using site = proxySite({ upstream: app.url });
  const request = "POST /api/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n";
  const response = await raw(site.port, request, 1_000);
  assertEquals([response.status, response.text], [413, "big"]);
  assertStringIncludes(response.headers.get("connection") ?? "", "close");
});

Deno.test("a body that breaks off never looks complete to the application", async (t) => {
  for (
    const [name, framing, start] of [["length", "Content-Length: 9", "abc"], [
      "chunks",
      "Transfer-Encoding: chunked",
      "3\r\nabc\r\n",
    ]]
  ) {
    await t.step(name!, async () => {
      const ended = Promise.withResolvers<number>();
      await using app = scripted(async (call) => ended.resolve(call.rest.length + await call.untilClosed()));
      await using site = proxySite({ upstream: app.url });
      const client = await Deno.connect({ port: site.port });
      await client.write(latin1(`POST /api/ HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${start}`));
      while (app.calls.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      client.close();
      assert(await within(ended.promise, LIMIT_MS) < 9); // no last chunk either
    });
  }
});

Deno.test("two ways to frame a body: the application gets one, and the connection is not reused", async (t) => {
  const rows: [name: string, lines: string[], body: string][] = [
    [
      "length and chunks",
      ["Content-Length: 4", "Transfer-Encoding: chunked"],
      "0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    ],
    ["two lengths", ["Content-Length: 1", "Content-Length: 2"], "ab"],
    ["an unknown coding", ["Transfer-Encoding: x, chunked"], "0\r\n\r\n"],
    ["Connection names the length", ["Connection: content-length", "Content-Length: 3"], "abc"],
    [
      "Connection names the coding",
      ["Connection: transfer-encoding", "Transfer-Encoding: chunked"],
      "3\r\nabc\r\n0\r\n\r\n",
    ],
  ];
  for (const [name, lines, body] of rows) {
    await t.step(name, async () => {
      let requests = 0;
      const bodies: string[] = [];
      await using app = application(async (request) => {
        requests += 1;
        bodies.push(await request.text());
        return new Response("seen");
      });
      await using site = proxySite({ upstream: app.url });
      const head = ["POST /api/ HTTP/1.1", "Host: localhost", ...lines, "", ""].join("\r\n");
      const { status } = await raw(site.port, head + body, 1_000);
      assert(status === 200 ? requests === 1 : status >= 400 || status === 0, `${status}`);
      assert(!bodies.join().includes("smuggled"));
      if (name.startsWith("Connection")) assertEquals([status, bodies], [200, ["abc"]]);
    });
  }
});

Deno.test("100 MB in each direction, sent no faster than the other side reads", async () => {
  const SIZE = 100 * 1024 * 1024;
  const counted = (counts: { sent: number }) => {
    return new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        if (counts.sent === SIZE) return controller.close();
        controller.enqueue(new Uint8Array(65_536));
        counts.sent += 65_536;
      },
    });
  };
  const lengthOf = async (body: ReadableStream<Uint8Array> | null) => {
    let length = 0;
    for await (const piece of body ?? []) length += piece.length;
    return length;
  };
  const [upload, download] = [{ sent: 0 }, { sent: 0 }];
  const reading = Promise.withResolvers<void>();
  let received = 0;
  await using app = application(async (request) => {
    await reading.promise;
    received = await lengthOf(request.body);
    return new Response(counted(download));
  });
  await using site = proxySite({ upstream: app.url });
  const answer = fetch(`${site.url}/api/`, { method: "POST", body: counted(upload) });
  await standstill(upload);
  assert(upload.sent < SIZE / 2, `${upload.sent} bytes of the upload wait in between`);
  reading.resolve();
  const response = await answer;
  await standstill(download);
  assert(download.sent < SIZE / 2, `${download.sent} bytes of the download wait in between`);
  assertEquals([received, await lengthOf(response.body)], [SIZE, SIZE]);
});

/** Waits until nothing more is sent. */
async function standstill(counts: { readonly sent: number }): Promise<void> {
  for (let before = -1; before !== counts.sent || before === 0;) {
    before = counts.sent;
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}
