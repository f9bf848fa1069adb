/** Responses that are not read, and handshakes that do not take place. */

import { assert, assertEquals } from "@std/assert";
import { files, memory, serve, toFetch } from "@x/pyserve";
import { makeCertificate } from "../support/certificate.ts";
import { limited } from "../support/flood.ts";
import { tempTree } from "../support/tree.ts";

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

limited("TLS: a server that stops waits for requests, not for silent clients and incomplete handshakes", async () => {
  await using tree = await tempTree({});
  const paths = await makeCertificate(tree.path);
  const [cert, key] = [await Deno.readTextFile(paths.cert), await Deno.readTextFile(paths.key)];
  const [begun, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const slow = toFetch(async () => {
    begun.resolve();
    await released.promise;
    return new Response("done");
  });
  const server = serve(slow, { hostname: "127.0.0.1", port: 0, tls: { cert, key } });
  const address = { hostname: "127.0.0.1", port: server.address.port };
  using silent = await Deno.connect(address);
  using incomplete = await Deno.connect(address);
  await incomplete.write(new Uint8Array([0x16, 3, 1, 1, 0])); // the header of a ClientHello
  using client = Deno.createHttpClient({ caCerts: [cert] });
  const answer = fetch(`https://localhost:${address.port}/`, { client }).then((response) => response.text());
  await begun.promise;
  const drained = server.drain();
  for (const connection of [silent, incomplete]) {
    // A reset is an end, too.
    assertEquals(await connection.read(new Uint8Array(1)).catch(() => null), null);
  }
  released.resolve();
  assertEquals(await answer, "done");
  await drained;
});
