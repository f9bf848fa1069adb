/** The access log of the native engine: what was really sent, and how long that took. */

import { assert, assertEquals } from "@std/assert";
import { fileServer, type FileServerOptions, toFetch } from "@x/pyserve";
import { NATIVE, servingNative, wireTo } from "../../support/native.ts";
import { oldTree } from "../../support/tree.ts";
import { until } from "../../support/wait.ts";

const BIG = 30_000_000;

/** A server with a log, and its lines. */
async function logged(log: NonNullable<FileServerOptions["log"]>) {
  const tree = await oldTree({ "a.txt": "hello", "big.bin": new Uint8Array(BIG), "dir/b.txt": "b" });
  const lines: string[] = [];
  const logger = { access: (line: string) => void lines.push(line), error() {} };
  const native = servingNative(toFetch(fileServer(tree.path, { log }), { log: logger }));
  const end = async () => {
    await native[Symbol.asyncDispose]();
    await tree[Symbol.asyncDispose]();
  };
  return { ...native, lines, [Symbol.asyncDispose]: end };
}

Deno.test({
  ...NATIVE,
  name: "the log has the bytes that were sent, the version, and the time to the last byte",
  async fn() {
    await using native = await logged("json");
    const ask = async (text: string, most: number) => {
      using wire = await wireTo(native.port);
      await wire.send(text);
      let heard = 0;
      const buffer = new Uint8Array(65_536);
      while (heard < most) {
        const count = await wire.conn.read(buffer);
        if (count === null) break;
        heard += count;
      }
    };
    const last = async (count: number) => {
      await until(() => native.lines.length === count);
      return JSON.parse(native.lines.at(-1)!);
    };
    await ask("GET /a.txt HTTP/1.0\r\n\r\n", Infinity);
    assertEquals((await last(1)).bytes, 5);
    for (let i = 0; i < 5; i++) {
      await ask("GET /a.txt HTTP/1.1\r\nHost: localhost\r\n\r\n", 100);
      const { status, bytes, milliseconds } = await last(2 + i);
      assertEquals([status, bytes], [200, 5]);
      assert(milliseconds < 1_000);
    }
    await ask("HEAD /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", Infinity);
    assertEquals((await last(7)).bytes, 0);
    await ask("GET /big.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", Infinity);
    assertEquals((await last(8)).bytes, BIG);
    await ask("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n", 1_000_000);
    const { bytes } = await last(9);
    assert(bytes >= 900_000 && bytes < BIG, String(bytes));
  },
});

Deno.test({
  ...NATIVE,
  name: "each request has one line, also if its client leaves before the response",
  async fn() {
    const lines: string[] = [];
    const log = { access: (line: string) => void lines.push(line), error() {} };
    const begun = Promise.withResolvers<void>();
    const slow = toFetch(async (request) => {
      begun.resolve();
      await new Promise<void>((resolve) => request.signal.addEventListener("abort", () => resolve()));
      return new Response("late");
    }, { log, accessLog: "common" });
    await using native = servingNative(slow);
    const wire = await wireTo(native.port);
    await wire.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await begun.promise;
    wire[Symbol.dispose]();
    await until(() => lines.length > 0);
    assert(/"GET \/x HTTP\/1\.1" 200 \d+$/.test(lines[0]!), lines[0]!);
    assertEquals(lines.length, 1);
  },
});
