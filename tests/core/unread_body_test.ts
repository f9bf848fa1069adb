/** Bodies that no handler reads, and bytes after a request, while a response is produced and sent. */

import { assert, assertEquals } from "@std/assert";
import { toFetch } from "@x/pyserve";
import { CLI } from "../support/paths.ts";
import { bigSite, encode, firstLine, flood, limited, MOST_MIB, swallow, watched } from "../support/flood.ts";

const MIB = 2 ** 20;
const SENT_MIB = 500;
const PIECE = new Uint8Array(MIB).fill(0x78);
const CHUNK = new Uint8Array([...encode("100000\r\n"), ...PIECE, 13, 10]);

/** Requests with slow or streamed responses. */
const SLOW: readonly (readonly [method: string, target: string])[] = [
  ["GET", "/huge.bin?sha256"],
  ["GET", "/?archive=tar.gz"],
  ["GET", "/?q=x&format=json"],
  ["GET", "/"],
  ["GET", "/huge.bin"],
  ["GET", "/cgi-bin/slow.sh"],
  ["GET", "/nowhere"],
  ["HEAD", "/huge.bin?sha256"],
  ["POST", "/huge.bin"],
  ["PUT", "/x"],
  ["OPTIONS", "/huge.bin"],
  ["PROPFIND", "/"],
];

limited("a body that no handler reads costs no memory, whatever is answered", async () => {
  await using site = await bigSite();
  // Without FFI, with which clients that send too much are disconnected in any case.
  await using server = await watched([site.path, "--cgi"], { run: ["-A", "--deny-ffi", CLI] });
  for (const [method, target] of SLOW) {
    for (const framing of [`Content-Length: ${SENT_MIB * MIB}`, "Transfer-Encoding: chunked"]) {
      using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
      await conn.write(encode(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`));
      const reading = swallow(conn);
      const most = await flood(conn, server, 60, () => framing.startsWith("C") ? PIECE : CHUNK);
      conn[Symbol.dispose]();
      await reading;
      assert(most < MOST_MIB / 4, `${method} ${target}, ${framing}: ${most.toFixed()} MiB`);
    }
  }
});

limited("content of a GET request is ignored beside a short response, and refused beside a long one", async () => {
  await using site = await bigSite();
  await using server = await watched([site.path]);
  const statusOf = async (target: string, ...fields: string[]) => {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port: server.port });
    await conn.write(encode([`GET ${target} HTTP/1.1`, "Host: localhost", ...fields, "", ""].join("\r\n")));
    return (await firstLine(conn)).split(" ")[1];
  };
  for (const field of ["Content-Length: 65536", "Content-Length: 65537", "Transfer-Encoding: chunked"]) {
    for (let round = 0; round < 3; round++) assertEquals(await statusOf("/a.txt", field), "200", field);
    assertEquals(await statusOf("/nowhere", field), "404", field);
  }
  assertEquals(await statusOf("/huge.bin", "Content-Length: 65536"), "200");
  assertEquals(await statusOf("/huge.bin", "Content-Length: 65537"), "413");
  assertEquals(await statusOf("/huge.bin", "Transfer-Encoding: chunked"), "411");
  assertEquals(await statusOf("/?archive=tar.gz", "Content-Length: 65537"), "413");
});

Deno.test("settle() waits five seconds for a body that its handler leaves unread, and then abandons the response", async () => {
  const { setTimeout } = globalThis;
  const now = performance.now.bind(performance);
  const waits: number[] = [];
  let skipped = 0;
  let cancelled = 0;
  const fetch = toFetch(() => new Response(new ReadableStream({ cancel: () => void cancelled++ })));
  const stalled = new ReadableStream({ start: (controller) => controller.enqueue(new Uint8Array(1)) });
  globalThis.setTimeout = ((callback: () => void, milliseconds: number) => {
    waits.push(milliseconds);
    return setTimeout(() => {
      skipped += milliseconds;
      callback();
    }, 0);
  }) as typeof setTimeout;
  performance.now = () => now() + skipped;
  try {
    const response = await fetch(new Request("http://localhost/", { method: "POST", body: stalled }));
    assertEquals([response.status, waits[0], cancelled], [408, 5_000, 1]);
    assert((await response.text()).includes("in time"));
  } finally {
    globalThis.setTimeout = setTimeout;
    performance.now = now;
  }
});

Deno.test("settle() discards a body that its handler leaves unread, up to a limit", async () => {
  let cancelled = 0;
  const answer = () => new Response(new ReadableStream({ cancel: () => void cancelled++ }));
  const fetch = toFetch((request) => new URL(request.url).pathname === "/echo" ? new Response(request.body) : answer());
  const post = (path: string, body: BodyInit) =>
    fetch(new Request(`http://localhost${path}`, { method: "POST", body }));
  const short = new Request("http://localhost/", { method: "POST", body: "short" });
  const response = await fetch(short);
  assertEquals([response.status, short.bodyUsed], [200, true]);
  await response.body!.cancel();
  const refused = await post("/", new Uint8Array(MIB + 1));
  assertEquals([refused.status, cancelled], [413, 2]);
  assert((await refused.text()).includes("1048576 bytes"));
  assertEquals(await (await post("/echo", "hello")).text(), "hello");
});
