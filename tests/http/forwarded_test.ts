/** Which address counts as that of the client. */

import { assertEquals, assertThrows } from "@std/assert";
import { TrustedProxies } from "../../handlers/http/forwarded.ts";

const ROWS: [trusted: string[], peer: string, field: string | null, client: string][] = [
  [["10.0.0.1"], "10.0.0.1", "192.0.2.7", "192.0.2.7"],
  [["10.0.0.1"], "10.0.0.2", "192.0.2.7", "10.0.0.2"],
  [["10.0.0.1"], "10.0.0.1", null, "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "", "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "6.6.6.6, 192.0.2.7", "192.0.2.7"],
  [["10.0.0.0/8"], "10.9.9.9", "6.6.6.6, 192.0.2.7, 10.1.1.1", "192.0.2.7"],
  [["10.0.0.0/8"], "10.9.9.9", "10.3.3.3, 10.1.1.1", "10.3.3.3"],
  [["10.0.0.0/9"], "10.127.0.1", "1.2.3.4", "1.2.3.4"],
  [["10.0.0.0/9"], "10.128.0.1", "1.2.3.4", "10.128.0.1"],
  [["0.0.0.0/0"], "9.9.9.9", "1.2.3.4", "1.2.3.4"],
  [["0.0.0.0/0"], "2001:db8::1", "1.2.3.4", "2001:db8::1"],
  [["10.0.0.1"], "10.0.0.1", "192.0.2.7:8080", "192.0.2.7"],
  [["10.0.0.1"], "10.0.0.1", "[2001:DB8::7]:80", "2001:db8::7"],
  [["10.0.0.1"], "10.0.0.1", "fe80::1%eth0", "fe80::1"],
  [["10.0.0.1"], "10.0.0.1", "unknown", "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "6.6.6.6, <b>", "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "1.2.3.4.5", "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "256.1.1.1", "10.0.0.1"],
  [["10.0.0.1"], "10.0.0.1", "1::2::3", "10.0.0.1"],
  [["10.0.0.1"], "::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"],
  [["2001:db8::/32"], "2001:db8:0:1::2", "1.2.3.4", "1.2.3.4"],
  [["2001:db8::/32"], "2001:db9::2", "1.2.3.4", "2001:db9::2"],
  [["::1"], "::1", "1.2.3.4", "1.2.3.4"],
  [["::1"], "0:0:0:0:0:0:0:1", "1.2.3.4", "1.2.3.4"],
  [["unix"], "unix", "1.2.3.4", "1.2.3.4"],
  [["127.0.0.1"], "unix", "1.2.3.4", "unix"],
  [["unix"], "", "1.2.3.4", ""],
];

for (const [trusted, peer, field, client] of ROWS) {
  Deno.test(`of ${peer || "nobody"} with ${field}, if ${trusted} is trusted: ${client || "nobody"}`, () => {
    const headers = new Headers(field === null ? {} : { "x-forwarded-for": field });
    assertEquals(new TrustedProxies(trusted).read(peer, headers).address, client);
  });
}

const SCHEMES: [addresses: string, schemes: string | null, secure: boolean | null][] = [
  ["192.0.2.7", "https", true],
  ["192.0.2.7", "HTTPS", true],
  ["192.0.2.7", "wss", true],
  ["192.0.2.7", "http", false],
  ["192.0.2.7", null, null],
  ["192.0.2.7", "", null],
  ["192.0.2.7", "gopher", null],
  // What the client has sent comes first.
  ["6.6.6.6, 192.0.2.7", "https, http", false],
  ["192.0.2.7", "https, http", false],
  // Each proxy appends its own, or the first one replaces it and the second one leaves it.
  ["192.0.2.7, 10.0.0.3", "https, http", true],
  ["6.6.6.6, 192.0.2.7, 10.0.0.3", "http, https, http", true],
  ["192.0.2.7, 10.0.0.3", "https", true],
  ["10.0.0.4, 10.0.0.3", "https, http", true],
  ["unknown", "https", true],
];

for (const [addresses, schemes, secure] of SCHEMES) {
  Deno.test(`the scheme of ${addresses} with ${schemes}: ${secure}`, () => {
    const headers = new Headers({ "x-forwarded-for": addresses, forwarded: "for=1.1.1.1;proto=https" });
    if (schemes !== null) headers.set("x-forwarded-proto", schemes);
    assertEquals(new TrustedProxies(["10.0.0.0/8"]).read("10.0.0.2", headers).secure, secure);
    assertEquals(new TrustedProxies(["10.0.0.0/8"]).read("192.0.2.9", headers).secure, null);
  });
}

const ELEMENTS: [field: string, address: string, secure: boolean | null][] = [
  ["for=192.0.2.7", "192.0.2.7", null],
  ["For=192.0.2.7;Proto=https;by=10.0.0.2", "192.0.2.7", true],
  ["proto=http; for=192.0.2.7", "192.0.2.7", false],
  ['for="[2001:DB8::7]:80";proto="https"', "2001:db8::7", true],
  ["for=6.6.6.6;proto=https, for=192.0.2.7;proto=http", "192.0.2.7", false],
  ["for=192.0.2.7;proto=https,for=10.0.0.3;proto=http", "192.0.2.7", true],
  ["for=unknown;proto=https", "10.0.0.2", true],
  ['for=6.6.6.6,for=192.0.2.7;secret="a,b"', "192.0.2.7", null],
  ["for=_hidden", "10.0.0.2", null],
  ["", "10.0.0.2", null],
  ["for=192.0.2.7, for=10.0.0.3, ", "10.0.0.2", null],
  // A client that sends half of an element hides neither itself nor its scheme.
  ['for=6.6.6.6;x=", for=192.0.2.7;proto=http', "192.0.2.7", false],
  ['for=6.6.6.6;x=", for="[2001:db8::7]"', "2001:db8::7", null],
  ['for=6.6.6.6, for="192.0.2.7', "10.0.0.2", null],
];

for (const [field, address, secure] of ELEMENTS) {
  Deno.test(`Forwarded: ${field} is ${address}, ${secure}`, () => {
    const headers = new Headers({ "forwarded": field, "x-forwarded-for": "1.1.1.1", "x-forwarded-proto": "https" });
    const proxies = new TrustedProxies(["10.0.0.0/8"], "forwarded");
    assertEquals(proxies.read("10.0.0.2", headers), { address, secure });
  });
}

Deno.test("a chain that never ends is cut", () => {
  const headers = new Headers({ "x-forwarded-for": "10.0.0.1,".repeat(5_000) + "10.0.0.1" });
  assertEquals(new TrustedProxies(["10.0.0.0/8"]).read("10.0.0.2", headers).address, "10.0.0.1");
});

Deno.test("anything but addresses, networks and unix is an error", () => {
  for (const text of ["localhost", "10.0.0.0/33", "10.0.0.0/-1", "::/129", "10.0.0", "", "1::2::3", "10.0.0.1/"]) {
    assertThrows(() => new TrustedProxies([text]), TypeError);
  }
});
