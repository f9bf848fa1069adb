/** Clients that send data that is not read: bytes after a request, and small frames of HTTP/2. */

import { assert, assertEquals } from "@std/assert";
import { bigSite, encode, flood, limited, MOST_MIB, swallow, type Watched, watched } from "../support/flood.ts";
import { passedSocket } from "../support/passed_socket.ts";

const [DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION] = [0, 1, 3, 4, 6, 8, 9];
const [END_STREAM, END_HEADERS] = [1, 4];

const PIECE = new Uint8Array(2 ** 20).fill(0x78);

/** A connection, encrypted if there is a certificate. */
async function connect(server: Watched, cert: string | null, protocol: string): Promise<Deno.Conn> {
  const place = { hostname: "127.0.0.1", port: server.port };
  if (cert === null) return await Deno.connect(place);
  return await Deno.connectTls({ ...place, caCerts: [await Deno.readTextFile(cert)], alpnProtocols: [protocol] });
}

limited("HTTPS on an inherited socket: bytes after a request that is being answered cost no memory", async () => {
  await using site = await bigSite();
  using socket = passedSocket();
  await using server = await watched([site.path, "-b", `fd:${socket.fd}`, ...site.tls]);
  using conn = await connect(server, site.cert, "http/1.1");
  await conn.write(encode("GET /huge.bin HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const reading = swallow(conn);
  const most = await flood(conn, server, 400, () => PIECE);
  conn[Symbol.dispose]();
  await reading;
  assert(most < MOST_MIB, `${most.toFixed()} MiB`);
});

for (const secure of [false, true]) {
  const scheme = secure ? "HTTPS" : "HTTP";

  limited(`${scheme}: bytes after a request that is being answered cost no memory`, async () => {
    await using site = await bigSite();
    await using server = await watched([site.path, "--cgi", ...secure ? site.tls : []]);
    for (const target of ["/huge.bin?sha256", "/huge.bin", "/?archive=tar.gz", "/cgi-bin/slow.sh"]) {
      using conn = await connect(server, secure ? site.cert : null, "http/1.1");
      await conn.write(encode(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`));
      const reading = swallow(conn);
      const most = await flood(conn, server, 400, () => PIECE);
      conn[Symbol.dispose]();
      await reading;
      assert(most < MOST_MIB, `${target}: ${most.toFixed()} MiB`);
    }
  });

  limited(`${scheme}: empty HTTP/2 frames of an unread request body cost no memory`, async () => {
    await using site = await bigSite();
    await using server = await watched([site.path, ...secure ? site.tls : []]);
    for (const method of ["GET", "POST"]) {
      using conn = await connect(server, secure ? site.cert : null, "h2");
      await conn.write(preface(frame(HEADERS, END_HEADERS, 1, requestOf(method, "/huge.bin?sha256", secure))));
      const reading = swallow(conn);
      const most = await flood(conn, server, 40, () => repeated(frame(DATA, 0, 1)));
      conn[Symbol.dispose]();
      await reading;
      assert(most < MOST_MIB, `${method}: ${most.toFixed()} MiB`);
    }
  });

  for (const [name, bytes] of floods()) {
    limited(`${scheme}: a flood of ${name} frames costs no memory and does not block other clients`, async () => {
      await using site = await bigSite();
      await using server = await watched([site.path, ...secure ? site.tls : []]);
      using conn = await connect(server, secure ? site.cert : null, "h2");
      await conn.write(preface(frame(HEADERS, END_HEADERS | END_STREAM, 1, requestOf("GET", "/a.txt", secure))));
      const reading = swallow(conn);
      const flooding = flood(conn, server, 100_000, () => bytes);
      const url = `http${secure ? "s" : ""}://localhost:${server.port}/a.txt`;
      for (let round = 0; round < 5; round++) {
        const { stdout } = await new Deno.Command("curl", { args: ["-sk4", url], stderr: "null" }).output();
        assertEquals(new TextDecoder().decode(stdout), "hello");
      }
      conn[Symbol.dispose]();
      const most = await flooding;
      await reading;
      assert(most < MOST_MIB, `${most.toFixed()} MiB`);
    });
  }
}

/** RFC 9113 section 4.1. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(9 + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, payload.length << 8 | type);
  view.setUint8(4, flags);
  view.setUint32(5, stream);
  bytes.set(payload, 9);
  return bytes;
}

function preface(first: Uint8Array): Uint8Array {
  return new Uint8Array([...encode("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), ...frame(SETTINGS, 0, 0), ...first]);
}

/** RFC 7541: indexed fields for the method and the scheme, literals for the rest. */
function requestOf(method: string, path: string, secure: boolean): Uint8Array {
  const literal = (index: number, text: string) => [0x40 | index, text.length, ...encode(text)];
  return new Uint8Array([
    method === "GET" ? 0x82 : 0x83,
    secure ? 0x87 : 0x86,
    ...literal(4, path),
    ...literal(1, "127.0.0.1"),
  ]);
}

/** Many of one frame, to be sent at once. */
function repeated(one: Uint8Array): Uint8Array {
  const count = Math.floor(65_536 / one.length);
  const bytes = new Uint8Array(count * one.length);
  for (let i = 0; i < count; i++) bytes.set(one, i * one.length);
  return bytes;
}

function floods(): readonly (readonly [name: string, bytes: Uint8Array])[] {
  const number = (value: number) => new Uint8Array([0, 0, 0, value]);
  return [
    ["PING", repeated(frame(PING, 0, 0, new Uint8Array(8)))],
    ["SETTINGS", repeated(frame(SETTINGS, 0, 0))],
    ["WINDOW_UPDATE", repeated(frame(WINDOW_UPDATE, 0, 0, number(1)))],
    ["RST_STREAM", resets()],
    ["CONTINUATION", continued()],
  ];
}

/** Rapid reset (CVE-2023-44487). */
function resets(): Uint8Array {
  const request = requestOf("GET", "/huge.bin", false);
  const pairs = Array.from({ length: 500 }, (_, i) => {
    const stream = 3 + 2 * i;
    const reset = frame(RST_STREAM, 0, stream, new Uint8Array([0, 0, 0, 8]));
    return [...frame(HEADERS, END_HEADERS | END_STREAM, stream, request), ...reset];
  });
  return new Uint8Array(pairs.flat());
}

/** A header that does not end (CVE-2024-27316). */
function continued(): Uint8Array {
  const more = repeated(frame(CONTINUATION, 0, 3, new Uint8Array([0x40, 1, 0x78, 1, 0x79])));
  return new Uint8Array([...frame(HEADERS, END_STREAM, 3, requestOf("GET", "/a.txt", false)), ...more]);
}
