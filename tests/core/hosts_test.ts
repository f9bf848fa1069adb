/** Virtual hosts: which site answers which name. */

import { assertEquals, assertThrows } from "@std/assert";
import { chain, fileServer, type Handler, hosts, memory, serve, toFetch } from "../../mod.ts";
import { raw } from "../support/raw.ts";

const named = (name: string): Handler => fileServer(memory({ "index.html": name }), { log: false });

const SITES = {
  "a.example": named("a"),
  "*.b.example": named("any b"),
  "*.c.b.example": named("any c"),
  "X.b.example": named("x"),
};

const NAMES: readonly (readonly [host: string, answer: string])[] = [
  ["a.example", "a"],
  ["A.Example.", "a"],
  ["a.example:8000", "a"],
  ["www.a.example", "421"],
  ["www.b.example", "any b"],
  ["x.b.example", "x"],
  ["y.x.b.example", "any b"],
  ["1.c.b.example", "any c"],
  ["b.example", "421"],
  ["evilb.example", "421"],
  ["a.example.evil.example", "421"],
  ["localhost", "main"],
  ["127.0.0.1", "main"],
];

Deno.test("a full name comes before a pattern, and a long pattern before a short one; unknown names get 421", async () => {
  const log = { access() {}, error() {} };
  const fetch = toFetch(chain(hosts(SITES), named("main")), { hosts: Object.keys(SITES), log });
  const server = serve(fetch, { endpoint: { kind: "tcp", hostname: "127.0.0.1", port: 0 }, log });
  try {
    const { port } = server.address as Deno.NetAddr;
    const ask = async (target: string, host: string) => {
      const { status, text } = await raw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      return status === 200 ? text : String(status);
    };
    for (let round = 1; round <= 2; round++) {
      for (const [host, answer] of NAMES) assertEquals([host, await ask("/", host)], [host, answer]);
    }
    // An absolute target overrides Host, and both have to be accepted.
    assertEquals(await ask("http://a.example/", "x.b.example"), "a");
    assertEquals(await ask("http://a.example/", "evil.example"), "421");
    assertEquals(await ask("/", "a.example/x"), "400");
  } finally {
    await server.abort();
  }
});

Deno.test("what is no host name, and a name given twice, is refused", () => {
  for (const name of ["", "a.example:80", "http://a.example", "*", "a.*", "bücher.example", "[::1]"]) {
    assertThrows(() => hosts({ [name]: named("") }), TypeError, "it is not a host name");
  }
  assertThrows(() => hosts({ "a.example": named(""), "A.example": named("") }), TypeError, "given twice");
  assertThrows(() => hosts({ "a.example": null as never }), TypeError, 'the host "a.example"');
});
