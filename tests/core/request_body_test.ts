/** The reader of request bodies: its limits, and what happens to the connection when it gives up. */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { IncompleteBody } from "../../handlers/core/request_body.ts";
import { cgi, chain, disk, files, HttpError, toFetch, upload } from "@x/pyserve";
import { readBody } from "../../handlers/core/request_body.ts";
import { start } from "../support/command.ts";
import { tempTree } from "../support/tree.ts";
import { within } from "../support/wait.ts";

/** An endless body of chunks with pauses, and whether it was cancelled. */
function endless(size: number, pauseMs: number) {
  const state = { isCancelled: false };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const body = new ReadableStream<Uint8Array>({
    pull: (controller) =>
      new Promise((resolve) => {
        timer = setTimeout(() => resolve(controller.enqueue(new Uint8Array(size))), pauseMs);
      }),
    cancel() {
      clearTimeout(timer);
      state.isCancelled = true;
    },
  }, { highWaterMark: 0 });
  return { body, state };
}

async function readAll(pieces: AsyncIterable<Uint8Array>): Promise<number[]> {
  const sizes: number[] = [];
  for await (const { length } of pieces) sizes.push(length);
  return sizes;
}

function failure(pieces: AsyncIterable<Uint8Array>): Promise<HttpError> {
  return within(assertRejects(() => readAll(pieces), HttpError));
}

Deno.test("a body of as many bytes as allowed passes, and one more is 413", async () => {
  for (const pieces of [[11], [10, 1], [5, 6], [1, 10]]) {
    const body = () => ReadableStream.from(pieces.map((length) => new Uint8Array(length)));
    assertEquals((await readAll(readBody(body(), { max: 11 }))).reduce((sum, size) => sum + size), 11);
    const error = await failure(readBody(body(), { max: 10 }));
    assertEquals([error.status, error instanceof IncompleteBody], [413, false]);
  }
  const { body, state } = endless(100, 0);
  assertEquals([(await failure(readBody(body, { max: 1_000 }))).status, state.isCancelled], [413, true]);
});

Deno.test("a body that stalls or trickles is 408, and is cancelled", async () => {
  for (const [size, pauseMs, minRate] of [[1 << 20, 60_000, 1_024], [1, 20, 1_024], [1_000, 20, Infinity]] as const) {
    const { body, state } = endless(size, pauseMs);
    const error = await failure(readBody(body, { stallMs: 200, minRate }));
    assertEquals([error.status, error instanceof IncompleteBody, state.isCancelled], [408, true, true]);
  }
});

Deno.test("a body of the minimum rate takes longer than the stall limit", async () => {
  const slow = ReadableStream.from(async function* () {
    yield new Uint8Array(65_536); // good for a minute
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      yield new Uint8Array(1);
    }
  }());
  assertEquals((await within(readAll(readBody(slow, { stallMs: 1_000 })))).length, 6);
});

Deno.test("a signal ends the reading, with its reason", async () => {
  const reason = new IncompleteBody(409, "taken over");
  for (const isAborted of [true, false]) {
    const { body, state } = endless(10, isAborted ? 0 : 60_000);
    const stop = new AbortController();
    if (isAborted) stop.abort(reason);
    const failed = failure(readBody(body, { signal: stop.signal }));
    stop.abort(reason);
    assertEquals([await failed, state.isCancelled], [reason, true]);
  }
});

Deno.test("pieces are bounded, and the error of an engine passes", async () => {
  const sizes = await readAll(readBody(new Response(new Uint8Array(1_000_000)).body));
  assertEquals([Math.max(...sizes), sizes.reduce((sum, size) => sum + size)], [262_144, 1_000_000]);
  for (const [thrown, status] of [[new HttpError(408, "too slow"), 408], [new Error("reset"), 400]] as const) {
    const body = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(thrown) });
    const error = await failure(readBody(body));
    assertEquals([error.status, error instanceof IncompleteBody, error.cause], [status, true, thrown]);
  }
});

Deno.test("bodies of all sizes come through a real connection", async () => {
  const listening = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  await using server = Deno.serve(listening, async ({ body }) => Response.json(await readAll(readBody(body))));
  for (const size of [0, 1, 16_383, 16_384, 16_385, 65_536, 1_000_000]) {
    const response = await fetch(`http://127.0.0.1:${server.addr.port}/`, {
      method: "POST",
      body: new Uint8Array(size),
    });
    const sizes: number[] = await response.json();
    assertEquals(sizes.reduce((sum, piece) => sum + piece, 0), size);
  }
});

/** Sends the head of a request, then single bytes until there is a response; returns its first bytes. */
async function trickle(port: number, head: string, pauseMs: number): Promise<string> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(new TextEncoder().encode(head));
  let isAnswered = false;
  const sending = (async () => {
    while (!isAnswered) {
      await connection.write(new Uint8Array([48])).catch(() => (isAnswered = true));
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  })();
  const buffer = new Uint8Array(65_536);
  const count = await connection.read(buffer);
  isAnswered = true;
  await sending;
  return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
}

const CLOSED_408 = /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/i;

Deno.test("a trickle is 408 with Connection: close, for uploads as for programs", async (t) => {
  await using tree = await tempTree({ "cgi-bin/x.sh": "#!/bin/sh\n" });
  await Deno.chmod(tree.at("cgi-bin/x.sh"), 0o755);
  const source = disk(tree.path);
  const fetch = toFetch(chain(cgi(source, { bodyTimeout: 200 }), upload(source, { stallMs: 200 })));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => fetch(request));
  const multipart = "Content-Type: multipart/form-data; boundary=B\r\n";
  const rows = [
    ["PUT /a.bin", ""],
    ["PATCH /a.bin?upload=12345678", "Upload-Offset: 0\r\n"],
    ["POST /", multipart],
    ["POST /cgi-bin/x.sh", ""],
  ];
  for (const [line, fields] of rows) {
    await t.step(line!, async () => {
      const head = `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n${fields}\r\n`;
      assertMatch(await within(trickle(server.addr.port, head, 20)), CLOSED_408);
    });
  }
});

Deno.test("a refusal that leaves a body unread says Connection: close, and any other does not", async (t) => {
  await using tree = await tempTree({ "a.txt": "a" });
  const source = disk(tree.path);
  const fetch = toFetch(chain(upload(source, { maxBytes: 10 }), files(source)));
  await using server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => fetch(request));
  await using command = await start([tree.path, "--upload", "--max-upload", "10"]);
  const rows: readonly [line: string, length: number, sent: string, status: number, closes: boolean][] = [
    ["PUT /large", 100, "", 413, true],
    ["PUT /a.txt", 5, "", 409, true],
    ["POST /a.txt", 5, "", 415, true],
    ["MKCOL /d", 5, "01234", 415, true],
    ["MKCOL /a.txt", 0, "", 405, false],
    ["GET /none", 0, "", 404, false],
  ];
  for (const [door, port] of [["Deno.serve", server.addr.port], ["the command", command.port]] as const) {
    for (const [line, length, sent, status, closes] of rows) {
      await t.step(`${door}: ${line} of ${length} bytes`, async () => {
        using connection = await Deno.connect({ hostname: "127.0.0.1", port });
        const head = `${line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${length}\r\n\r\n${sent}`;
        await connection.write(new TextEncoder().encode(head));
        const buffer = new Uint8Array(65_536);
        const count = await within(connection.read(buffer));
        const reply = new TextDecoder().decode(buffer.subarray(0, count ?? 0));
        assertEquals([reply.slice(9, 12), /\r\nconnection: close\r\n/i.test(reply)], [String(status), closes]);
      });
    }
  }
});
