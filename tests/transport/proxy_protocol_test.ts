/** Servers behind the PROXY protocol. */

import { assert, assertEquals } from "@std/assert";
import { serve, toFetch } from "@x/pyserve";
import { serveProxied } from "@x/pyserve/handlers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { makeCertificate } from "../support/certificate.ts";
import { binaryHeader, IPV4, IPV6, tlv } from "../support/proxy_header.ts";
import { latin1, parseResponse, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";

const ENGINES = { "Deno.serve": serve, "Python's engine": serveClassic } as const;
const BIG = 20_000_000;

/** A server that tells who the client is. */
function startServer(
  { engine = serve, trustedProxies = ["127.0.0.1"] }: { engine?: typeof serve; trustedProxies?: string[] } = {},
) {
  const errors: string[] = [];
  const log = { access() {}, error: (line: string) => void errors.push(line) };
  const aborted = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const fetch = toFetch(async (request, { remoteAddress, remotePort, secure, target }) => {
    if (target.path.name === "big") return new Response(new Uint8Array(BIG));
    if (target.path.name === "slow") {
      begun.resolve();
      const pull = (to: ReadableStreamDefaultController) => to.enqueue(latin1("x".repeat(65_536)));
      return new Response(new ReadableStream({ pull, cancel: () => aborted.resolve() }));
    }
    const { length } = await request.bytes();
    return Response.json([remoteAddress, remotePort, secure, length]);
  });
  const server = serveProxied(engine, fetch, { hostname: "127.0.0.1", port: 0, trustedProxies, log });
  const { port } = server.address as Deno.NetAddr;
  return { port, server, errors, aborted: aborted.promise, begun: begun.promise };
}

const GET = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

function after(header: string | Uint8Array, request = GET): Uint8Array {
  return new Uint8Array([...(typeof header === "string" ? latin1(header) : header), ...latin1(request)]);
}

const HEADERS: [name: string, header: string | Uint8Array, told: unknown[]][] = [
  ["version 1", "PROXY TCP4 192.0.2.7 10.0.0.1 51000 80\r\n", ["192.0.2.7", 51000, false, 0]],
  ["version 1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 51000 80\r\n", ["2001:db8::7", 51000, false, 0]],
  ["version 2", binaryHeader({ body: IPV4 }), ["192.0.2.7", 51000, false, 0]],
  ["version 2, IPv6", binaryHeader({ protocol: 0x21, body: IPV6 }), ["2001:db8::7", 51000, false, 0]],
  ["version 2, TLS", binaryHeader({ body: [...IPV4, ...tlv(0x20, [1, 0, 0, 0, 0])] }), ["192.0.2.7", 51000, true, 0]],
];

for (const [name, engine] of Object.entries(ENGINES)) {
  Deno.test(`the client is the one that the header names: ${name}`, async (t) => {
    const { port, server } = startServer({ engine: engine as typeof serve });
    for (const [name, header, told] of HEADERS) {
      await t.step(name, async () => assertEquals(JSON.parse((await raw(port, after(header))).text), told));
    }
    await t.step("LOCAL and UNKNOWN: the proxy itself", async () => {
      for (const header of [binaryHeader({ command: 0x20, protocol: 0, body: [] }), "PROXY UNKNOWN\r\n"]) {
        assertEquals(JSON.parse((await raw(port, after(header))).text)[0], "127.0.0.1");
      }
    });
    await t.step("byte by byte", async () => {
      using connection = await Deno.connect({ hostname: "127.0.0.1", port });
      connection.setNoDelay(true);
      for (const byte of after(HEADERS[3]![1])) await connection.write(new Uint8Array([byte]));
      const { text } = parseResponse(await new Response(connection.readable).bytes());
      assertEquals(JSON.parse(text)[0], "2001:db8::7");
    });
    await server.drain();
  });
}

Deno.test("a proxy without a valid header is disconnected, and a line says so", async () => {
  const { port, server, errors } = startServer();
  for (
    const bytes of [GET, after("PROXY TCP4 1.2.3 10.0.0.1 1 2\r\n"), after(binaryHeader({ body: IPV4, length: 9 }))]
  ) {
    assertEquals((await raw(port, bytes)).head, "");
  }
  (await Deno.connect({ hostname: "127.0.0.1", port })).close(); // a check, which is not worth a line
  await server.drain();
  assertEquals(
    errors,
    Array(3).fill("Closed a connection of the proxy 127.0.0.1: it does not begin with a PROXY header"),
  );
});

Deno.test("others are clients, whose headers do not count", async () => {
  const { port, server, errors } = startServer({ trustedProxies: ["10.0.0.0/8"] });
  assertEquals(JSON.parse((await raw(port, GET)).text)[0], "127.0.0.1");
  for (const [, header] of HEADERS) {
    const { status, text } = await raw(port, after(header));
    assertEquals([status === 400 || status === 0, text.includes("192.0.2.7")], [true, false]);
  }
  await server.drain();
  assertEquals(errors, []);
});

Deno.test("another process cannot use the port of the engine", async () => {
  const inner = Promise.withResolvers<number>();
  const server = serveProxied(
    (fetch, options) => {
      const made = serve(fetch, options);
      inner.resolve((made.address as Deno.NetAddr).port);
      return made;
    },
    toFetch(() => new Response("secret")),
    { hostname: "127.0.0.1", port: 0, trustedProxies: ["127.0.0.1"] },
  );
  const { status, text } = await raw(await inner.promise, GET);
  assertEquals([status, text], [403, ""]);
  await server.drain();
});

Deno.test("long bodies pass in both directions, and a drain waits for them", async () => {
  const { port, server } = startServer();
  const header = latin1("PROXY TCP4 192.0.2.7 10.0.0.1 51000 80\r\n");
  const head = latin1(`POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${BIG}\r\nConnection: close\r\n\r\n`);
  const sent = new Uint8Array(header.length + head.length + BIG);
  sent.set(header);
  sent.set(head, header.length);
  assertEquals(JSON.parse((await raw(port, sent, 60_000)).text), ["192.0.2.7", 51000, false, BIG]);
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(after(header, GET.replace("/", "/big")));
  const first = new Uint8Array(65_536);
  const count = await connection.read(first);
  const drained = server.drain();
  const { body } = parseResponse(
    new Uint8Array([...first.subarray(0, count!), ...await new Response(connection.readable).bytes()]),
  );
  assertEquals(body.length, BIG);
  await drained;
});

Deno.test("a client that leaves ends its request", async () => {
  const { port, server, aborted, begun } = startServer();
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(after(HEADERS[0]![1], GET.replace("/", "/slow")));
  await begun;
  connection.close();
  await aborted;
  await server.drain();
});

Deno.test("abort ends connections in any state", async () => {
  const { port, server, begun } = startServer();
  const connections = await Promise.all(
    ["", "PROXY TCP4 192", HEADERS[0]![1], after(HEADERS[0]![1], GET.replace("/", "/slow"))]
      .map(async (bytes) => {
        const connection = await Deno.connect({ hostname: "127.0.0.1", port });
        if (bytes.length > 0) await connection.write(typeof bytes === "string" ? latin1(bytes) : bytes);
        return connection;
      }),
  );
  await begun;
  await server.abort();
  for (const connection of connections) await new Response(connection.readable).bytes().catch(() => {});
});

Deno.test("TLS passes unchanged, after the header", async () => {
  await using tree = await tempTree();
  const { cert, key } = await makeCertificate(tree.path);
  const fetch = toFetch((_request, { remoteAddress, secure }) => Response.json([remoteAddress, secure]));
  const tls = { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) };
  const server = serveProxied(serve, fetch, { hostname: "127.0.0.1", port: 0, tls, trustedProxies: ["127.0.0.1"] });
  const { port } = server.address as Deno.NetAddr;
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(binaryHeader({ body: [...IPV4, ...tlv(0x20, [0, 0, 0, 0, 0])] })); // no TLS at the proxy
  const secured = await Deno.startTls(connection, { hostname: "localhost", caCerts: [tls.cert] });
  await secured.write(latin1(GET));
  const { text } = parseResponse(await new Response(secured.readable).bytes());
  assertEquals(JSON.parse(text), ["192.0.2.7", true]);
  await server.drain();
});

Deno.test("a Unix socket takes headers if it is trusted", { ignore: Deno.build.os === "windows" }, async () => {
  await using tree = await tempTree();
  const fetch = toFetch((_request, { remoteAddress }) => new Response(remoteAddress));
  const path = tree.at("socket");
  for (
    const [trusted, bytes, told] of [["unix", after(HEADERS[0]![1]), "192.0.2.7"], [
      "10.0.0.1",
      latin1(GET),
      "unix",
    ]] as const
  ) {
    const server = serveProxied(serve, fetch, { endpoint: { kind: "unix", path }, trustedProxies: [trusted] });
    const connection = await Deno.connect({ transport: "unix", path });
    await connection.write(bytes);
    assertEquals(parseResponse(await new Response(connection.readable).bytes()).text, told);
    await server.drain();
    assert(!await Deno.stat(path).catch(() => null));
  }
});

Deno.test("an engine that fails leaves no listener behind", async () => {
  const port = await new Promise<number>((resolve) => {
    const failing = () => {
      throw new Error("no");
    };
    const probe = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = probe.addr;
    probe.close();
    try {
      serveProxied(failing, () => new Response(), { hostname: "127.0.0.1", port, trustedProxies: ["unix"] });
    } catch {
      resolve(port);
    }
  });
  Deno.listen({ hostname: "127.0.0.1", port }).close();
});
