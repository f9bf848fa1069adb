/** The header of the PROXY protocol, as bytes. */

import { assert, assertEquals } from "@std/assert";
import { MAX_PROXY_HEADER, parseProxyHeader } from "../../handlers/transport/proxy_header.ts";
import { seeded } from "../support/random.ts";
import { latin1 } from "../support/raw.ts";
import { binaryHeader, IPV4, IPV6, tlv } from "../support/proxy_header.ts";

type Outcome = [hostname: string, port: number, secure?: boolean] | "no client" | "invalid" | "incomplete";

function outcomeOf(bytes: Uint8Array): Outcome {
  const header = parseProxyHeader(bytes);
  if (header === null) return "incomplete";
  if (header === "invalid") return "invalid";
  const { client, secure } = header;
  if (client === null) return "no client";
  return secure ? [client.hostname, client.port, secure] : [client.hostname, client.port];
}

const LINES: [line: string, outcome: Outcome][] = [
  ["PROXY TCP4 192.0.2.7 10.0.0.1 51000 443\r\n", ["192.0.2.7", 51000]],
  ["PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", ["255.255.255.255", 65535]],
  ["PROXY TCP6 2001:DB8::7 2001:db8::1 1 0\r\n", ["2001:db8::7", 1]],
  ["PROXY UNKNOWN\r\n", "no client"],
  ["PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "no client"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 51000 443\n", "invalid"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 51000\r\n", "invalid"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 51000 443 x\r\n", "invalid"],
  ["PROXY TCP4  192.0.2.7 10.0.0.1 51000 443\r\n", "invalid"],
  ["PROXY TCP4 2001:db8::7 10.0.0.1 51000 443\r\n", "invalid"],
  ["PROXY TCP6 192.0.2.7 10.0.0.1 51000 443\r\n", "invalid"],
  ["PROXY TCP4 192.0.2.256 10.0.0.1 51000 443\r\n", "invalid"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 65536 443\r\n", "invalid"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 051 443\r\n", "invalid"],
  ["PROXY TCP4 192.0.2.7 10.0.0.1 -1 443\r\n", "invalid"],
  ["PROXY UDP4 192.0.2.7 10.0.0.1 51000 443\r\n", "invalid"],
  ["PROXY\r\n", "invalid"],
  ["proxy TCP4 192.0.2.7 10.0.0.1 51000 443\r\n", "invalid"],
  ["GET / HTTP/1.1\r\n", "invalid"],
  ["\r\n", "incomplete"],
  ["PRI * HTTP/2.0\r\n", "invalid"],
  [`PROXY UNKNOWN ${"x".repeat(91)}\r\n`, "no client"],
  [`PROXY UNKNOWN ${"x".repeat(92)}\r\n`, "invalid"],
  ["PROXY TCP4 " + "1".repeat(5_000), "invalid"],
];

for (const [line, outcome] of LINES) {
  Deno.test(`PROXY version 1: ${JSON.stringify(line.slice(0, 60))}`, () =>
    assertEquals(outcomeOf(latin1(line)), outcome));
}

const BINARY: [name: string, header: Uint8Array, outcome: Outcome][] = [
  ["IPv4", binaryHeader({ body: IPV4 }), ["192.0.2.7", 51000]],
  ["IPv6", binaryHeader({ protocol: 0x21, body: IPV6 }), ["2001:db8::7", 51000]],
  ["LOCAL", binaryHeader({ command: 0x20, protocol: 0, body: [] }), "no client"],
  ["LOCAL with an address, which does not count", binaryHeader({ command: 0x20, body: IPV4 }), "no client"],
  ["LOCAL with anything", binaryHeader({ command: 0x20, protocol: 0x7f, body: [1, 2, 3] }), "no client"],
  ["unspecified", binaryHeader({ protocol: 0, body: [] }), "no client"],
  ["a Unix socket", binaryHeader({ protocol: 0x31, body: Array(216).fill(0x2f) }), "no client"],
  ["UDP", binaryHeader({ protocol: 0x12, body: IPV4 }), "invalid"],
  ["an unknown family", binaryHeader({ protocol: 0x41, body: IPV4 }), "invalid"],
  ["an unknown command", binaryHeader({ command: 0x22, body: IPV4 }), "invalid"],
  ["version 1 in version 2", binaryHeader({ command: 0x11, body: IPV4 }), "invalid"],
  ["IPv6 with addresses of IPv4", binaryHeader({ protocol: 0x21, body: IPV4 }), "invalid"],
  ["an address cut short", binaryHeader({ body: IPV4.slice(0, 11) }), "invalid"],
  ["TLS", binaryHeader({ body: [...IPV4, ...tlv(0x20, [1, 0, 0, 0, 0])] }), ["192.0.2.7", 51000, true]],
  ["no TLS", binaryHeader({ body: [...IPV4, ...tlv(0x20, [0, 0, 0, 0, 0])] }), ["192.0.2.7", 51000]],
  ["empty TLS", binaryHeader({ body: [...IPV4, ...tlv(0x20, [])] }), ["192.0.2.7", 51000]],
  [
    "other records",
    binaryHeader({ body: [...IPV4, ...tlv(0x02, [...latin1("a.example")]), ...tlv(0x04, Array(9).fill(0))] }),
    ["192.0.2.7", 51000],
  ],
  ["half of a record", binaryHeader({ body: [...IPV4, 0x20, 0] }), "invalid"],
  ["a record longer than the header", binaryHeader({ body: [...IPV4, 0x20, 0xff, 0xff, 1] }), "invalid"],
  ["the longest", binaryHeader({ body: [...IPV4, ...tlv(4, Array(MAX_PROXY_HEADER - 31).fill(0))] }), [
    "192.0.2.7",
    51000,
  ]],
  ["too long", binaryHeader({ body: [...IPV4, ...tlv(4, Array(MAX_PROXY_HEADER - 30).fill(0))] }), "invalid"],
  ["65,535 bytes, announced", binaryHeader({ body: IPV4, length: 65_535 }), "invalid"],
];

for (const [name, header, outcome] of BINARY) {
  Deno.test(`PROXY version 2: ${name}`, () => assertEquals(outcomeOf(header), outcome));
}

Deno.test("a header that has not arrived completely is never mistaken for anything", () => {
  const whole = [...LINES.map(([line]) => latin1(line)), ...BINARY.map(([, header]) => header)]
    .filter((bytes) => typeof outcomeOf(bytes) === "object" || outcomeOf(bytes) === "no client");
  assert(whole.length > 10);
  for (const bytes of whole) {
    for (let size = 0; size < Math.min(bytes.length, 300); size++) {
      assertEquals(outcomeOf(bytes.subarray(0, size)), "incomplete");
    }
    const header = parseProxyHeader(new Uint8Array([...bytes, ...latin1("GET / HTTP/1.1\r\n")]));
    assert(header !== null && header !== "invalid" && header.length === bytes.length);
  }
});

Deno.test("whatever follows the signature, the header is no longer than what has arrived, and at most 4 KiB", () => {
  const next = seeded(7);
  const start = binaryHeader({ body: IPV4 });
  for (let round = 0; round < 20_000; round++) {
    const bytes = new Uint8Array([
      ...start.subarray(0, 12),
      ...Array.from({ length: 60 }, () => Math.floor(next() * 256)),
    ]);
    if (next() < 0.5) bytes.set([0x21, next() < 0.5 ? 0x11 : 0x21, 0, Math.floor(next() * 70)], 12);
    const header = parseProxyHeader(bytes);
    if (header !== null && header !== "invalid") assert(header.length <= bytes.length);
  }
});
