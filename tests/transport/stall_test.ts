/** Responses that are not read. */

import { assert } from "@std/assert";
import { files, memory, serve, toFetch } from "@x/pyserve";
import { limited } from "../support/flood.ts";

const STALL_MS = 1_000;

limited("a client that does not read its response is disconnected, one that reads slowly is not", async () => {
  const source = memory({ "big.bin": new Uint8Array(32 * 2 ** 20) });
  const server = serve(toFetch(files(source)), { hostname: "127.0.0.1", port: 0, stallMs: STALL_MS });
  const ask = async () => {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
    await conn.write(new TextEncoder().encode("GET /big.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    return conn;
  };
  using silent = await ask();
  using slow = await ask();
  const buffer = new Uint8Array(2 ** 20);
  for (let round = 0; round < 12; round++) {
    assert(await slow.read(buffer) !== null);
    await new Promise((resolve) => setTimeout(resolve, STALL_MS / 4));
  }
  let received = 0;
  try {
    for (let count: number | null = 0; count !== null; count = await silent.read(buffer)) received += count;
  } catch {
    // A reset is an end, too.
  }
  assert(received < 32 * 2 ** 20, `${received} bytes came`);
  slow.close();
  await server.abort();
});
