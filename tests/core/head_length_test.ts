import { assertEquals } from "@std/assert";
import { archives, chain, fileServer, type Handler, memory, searches, serve, settle, toFetch, wrap } from "@x/pyserve";
import { compress } from "@x/pyserve/layers";
import { serveClassic } from "../../handlers/python/transport.ts";
import { raw } from "../support/raw.ts";

const TEXT = "text that repeats itself, ".repeat(200);

/** A response as of a program that prints no length. */
const printed: Handler = (_request, { target }) => {
  if (target.path.text !== "/printed") return null;
  return new Response(new Blob(["hello"]).stream(), { headers: { "content-type": "text/plain" } });
};

const site = wrap(
  settle(chain(
    printed,
    fileServer(memory({ "a.txt": TEXT, "d/b.txt": TEXT }), {
      features: [archives(), searches()],
      layers: [compress()],
      log: false,
    }),
  )),
);

const TARGETS = [
  "/a.txt",
  "/d/",
  "/d/?format=json",
  "/d/?archive=tar",
  "/d/?archive=tar.gz",
  "/?q=b",
  "/printed",
  "/none",
  "/d",
];

for (const [engine, start] of [["Deno.serve", serve], ["HTTP/1.0", serveClassic]] as const) {
  Deno.test(`HEAD has the length of GET, or none (RFC 9110 section 8.6): ${engine}`, async () => {
    const server = start(toFetch(site), { hostname: "127.0.0.1", port: 0 });
    const { port } = server.address as Deno.NetAddr;
    for (const target of TARGETS) {
      for (const coding of ["identity", "gzip"]) {
        const ask = async (method: string) => {
          const text =
            `${method} ${target} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: ${coding}\r\nConnection: close\r\n\r\n`;
          return await raw(port, text);
        };
        const [get, head] = [await ask("GET"), await ask("HEAD")];
        const length = head.headers.get("content-length");
        if (length !== null) assertEquals(length, get.headers.get("content-length"), `${target} ${coding}`);
        assertEquals([head.status, head.headers.get("content-type")], [get.status, get.headers.get("content-type")]);
      }
    }
    await server.drain();
  });
}
