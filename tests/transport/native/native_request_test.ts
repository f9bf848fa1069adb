/** The requests of the native engine: as those of Deno.serve, though most of them is made on demand. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { NATIVE, servingNative } from "../../support/native.ts";
import { ask, raw } from "../../support/raw.ts";

type Look = (request: Request) => unknown;

/** What a function sees of a POST request with the body `a=1`. */
async function seen(look: Look): Promise<unknown> {
  await using native = servingNative(async (request) => Response.json(await look(request) ?? null));
  const fields = ["Content-Type: application/x-www-form-urlencoded", "Content-Length: 3", "X-A: 1", "x-a: 2"];
  const text = `POST /a/../b?c=%7E HTTP/1.1\r\nHost: x.test\r\nConnection: close\r\n${fields.join("\r\n")}\r\n\r\na=1`;
  return JSON.parse((await raw(native.port, text)).text);
}

const LOOKS: readonly (readonly [name: string, look: Look, expected: unknown])[] = [
  ["it is a Request", (request) => request instanceof Request, true],
  ["its tag", (request) => Object.prototype.toString.call(request), "[object Request]"],
  ["url as sent", ({ url }) => url, "http://x.test/a/../b?c=%7E"],
  ["method", ({ method }) => method, "POST"],
  ["headers", ({ headers }) => [headers.get("x-a"), headers.has("none"), headers instanceof Headers], [
    "1, 2",
    false,
    true,
  ]],
  ["headers once", (request) => request.headers === request.headers, true],
  ["text", (request) => request.text(), "a=1"],
  ["bytes", async (request) => [...await request.bytes()], [97, 61, 49]],
  ["arrayBuffer", async (request) => (await request.arrayBuffer()).byteLength, 3],
  ["blob", async (request) => await (await request.blob()).text(), "a=1"],
  ["formData", async (request) => [...await request.formData()], [["a", "1"]]],
  ["body", async ({ body }) => await new Response(body).text(), "a=1"],
  ["body once", (request) => request.body === request.body, true],
  ["bodyUsed", async (request) => [request.bodyUsed, await request.text(), request.bodyUsed], [false, "a=1", true]],
  ["clone", async (request) => {
    const clone = request.clone();
    return [clone.url, clone.method, await clone.text(), await request.text()];
  }, ["http://x.test/a/../b?c=%7E", "POST", "a=1", "a=1"]],
  ["new Request of it", async (request) => {
    const other = new Request(request);
    return [other.method, other.headers.get("x-a"), await other.text()];
  }, ["POST", "1, 2", "a=1"]],
  ["new Request of it with other fields", (request) => {
    return new Request(request, { headers: { "x-b": "3" } }).headers.get("x-b");
  }, "3"],
  ["a method of the prototype", (request) => Request.prototype.text.call(request), "a=1"],
  ["a getter of the prototype", (request) => {
    return Reflect.get(Request.prototype, "redirect", request);
  }, "follow"],
  ["other properties", ({ redirect, keepalive }) => [redirect, keepalive], ["follow", false]],
  ["inspection", (request) => Deno.inspect(request).includes("x.test"), true],
  ["signal", ({ signal }) => [signal instanceof AbortSignal, signal.aborted], [true, false]],
  ["signal once", (request) => request.signal === request.signal, true],
];

for (const [name, look, expected] of LOOKS) {
  Deno.test({
    ...NATIVE,
    name: `a handler of the native engine sees: ${name}`,
    fn: async () => assertEquals(await seen(look), expected),
  });
}

Deno.test({
  ...NATIVE,
  name: "a request can be passed on with fetch",
  async fn() {
    await using origin = servingNative(async (request) =>
      new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`)
    );
    await using front = servingNative((request) =>
      fetch(new Request(new URL(new URL(request.url).pathname, origin.url), request))
    );
    const response = await fetch(`${front.url}/x`, { method: "PUT", body: "hello" });
    assertEquals(await response.text(), "PUT /x hello");
  },
});

Deno.test({
  ...NATIVE,
  name: "methods and URLs that the constructor of Request refuses or changes are shown as sent",
  async fn() {
    await using native = servingNative(async (request) => {
      return Response.json([request.method, request.url, request.body === null, await request.text()]);
    });
    const rows: readonly (readonly [string, string, readonly unknown[]])[] = [
      ["TRACE", "/x", ["TRACE", "http://localhost/x", false, ""]],
      ["get", "/x", ["get", "http://localhost/x", false, ""]],
      ["FROB", "//x//", ["FROB", "http://localhost//x//", false, ""]],
      ["GET", "/%zz", ["GET", "http://localhost/%zz", true, ""]],
    ];
    for (const [method, target, expected] of rows) {
      assertEquals(JSON.parse((await ask(native.port, method, target)).text), expected);
    }
  },
});

Deno.test({
  ...NATIVE,
  name: "a body that has been read cannot be read again, and a broken one cannot be read",
  async fn() {
    await using native = servingNative(async (request) => {
      if (request.url.endsWith("/broken")) {
        await assertRejects(() => request.text(), Error);
        return new Response("broken");
      }
      await request.text();
      assertThrows(() => request.clone(), TypeError);
      await assertRejects(() => request.text(), TypeError);
      return new Response("read");
    });
    assertEquals(await (await fetch(native.url, { method: "POST", body: "x" })).text(), "read");
    const broken = "POST /broken HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
    const response = await raw(native.port, broken);
    assertEquals([response.text, response.headers.get("connection")], ["broken", "close"]);
  },
});

Deno.test({
  ...NATIVE,
  name: "a body can be read by pieces into a buffer of one's own",
  async fn() {
    await using native = servingNative(async (request) => {
      const reader = request.body!.getReader({ mode: "byob" });
      let length = 0;
      for (let piece = await reader.read(new Uint8Array(1_000)); piece.value?.length;) {
        assert(piece.value.length <= 1_000);
        length += piece.value.length;
        piece = await reader.read(new Uint8Array(piece.value.buffer));
      }
      return new Response(String(length));
    });
    const response = await fetch(native.url, { method: "POST", body: new Uint8Array(200_000) });
    assertEquals(await response.text(), "200000");
  },
});
