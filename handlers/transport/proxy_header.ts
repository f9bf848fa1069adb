/**
 * Parses the header of the PROXY protocol, versions 1 and 2: who has connected to the proxy that has connected to this
 * server. Specified in HAProxy's `doc/proxy-protocol.txt`.
 *
 * @module
 */

import { isAddress } from "../http/forwarded.ts";

/** Maximum length of a header, as in nginx. The specification allows 65,551 bytes; addresses and TLS take a few hundred. */
export const MAX_PROXY_HEADER = 4_096;

/** The maximum length of version 1, with its line end. */
const MAX_LINE = 107;

/** The first bytes of version 2. */
const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

/** The first bytes of version 1: `PROXY `. */
const WORD = [0x50, 0x52, 0x4f, 0x58, 0x59, 0x20];

/** The length of what comes before the addresses in version 2. */
const FIXED = 16;

/** The addresses and protocols of version 2: the bytes of the addresses, and how to read an address of so many bytes. */
const FAMILIES: ReadonlyMap<number, { readonly length: number; readonly each: number | null }> = new Map([
  [0x00, { length: 0, each: null }], // unspecified
  [0x11, { length: 12, each: 4 }], // TCP over IPv4
  [0x21, { length: 36, each: 16 }], // TCP over IPv6
  [0x31, { length: 216, each: null }], // a Unix socket, whose peer has no address
]);

/** `PP2_TYPE_SSL`, and the bit `PP2_CLIENT_SSL` of its first byte. */
const TLS_TYPE = 0x20;
const HAS_TLS = 0x01;

/** A parsed header. */
export interface ProxyHeader {
  /** Its length in bytes. */
  readonly length: number;
  /** The client; null if the proxy speaks for itself (`LOCAL`, such as a health check), or does not know it. */
  readonly client: Deno.NetAddr | null;
  /** Whether the client uses TLS that ends at the proxy; otherwise it may end at this server. */
  readonly secure: boolean;
}

/**
 * Parses the first bytes of a connection; null if more are needed, `"invalid"` if this is not such a header.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const bytes = new TextEncoder().encode("PROXY TCP4 192.0.2.7 10.0.0.1 51000 443\r\nGET / HTTP/1.1\r\n");
 * const header = parseProxyHeader(bytes);
 * assert(header !== null && header !== "invalid" && header.client?.hostname === "192.0.2.7" && header.length === 41);
 * ```
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader | null | "invalid" {
  if (bytes.length === 0) return null;
  const expected = bytes[0] === WORD[0] ? WORD : SIGNATURE;
  for (const [at, byte] of expected.entries()) {
    if (at === bytes.length) return null;
    if (bytes[at] !== byte) return "invalid";
  }
  return expected === WORD ? parseLine(bytes) : parseBinary(bytes);
}

function parseLine(bytes: Uint8Array): ProxyHeader | null | "invalid" {
  const end = bytes.subarray(0, MAX_LINE).indexOf(0x0a);
  if (end < 0) return bytes.length < MAX_LINE ? null : "invalid";
  if (bytes[end - 1] !== 0x0d) return "invalid";
  const words = String.fromCharCode(...bytes.subarray(0, end - 1)).split(" ");
  const length = end + 1;
  const [, protocol, source = "", destination = "", port = "", ...rest] = words;
  if (protocol === "UNKNOWN") return { length, client: null, secure: false };
  const family = protocol === "TCP4" ? 4 : protocol === "TCP6" ? 6 : null;
  const isValid = family !== null && isAddress(source, family) && isAddress(destination, family) && isPort(port) &&
    rest.length === 1 && isPort(rest[0]!);
  if (!isValid) return "invalid";
  return { length, client: { transport: "tcp", hostname: source.toLowerCase(), port: Number(port) }, secure: false };
}

function isPort(text: string): boolean {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

function parseBinary(bytes: Uint8Array): ProxyHeader | null | "invalid" {
  if (bytes.length < FIXED) return null;
  const [versionAndCommand, protocol] = [bytes[12]!, bytes[13]!];
  const length = FIXED + (bytes[14]! << 8 | bytes[15]!);
  const [isLocal, isProxy] = [versionAndCommand === 0x20, versionAndCommand === 0x21];
  if ((!isLocal && !isProxy) || length > MAX_PROXY_HEADER) return "invalid";
  if (bytes.length < length) return null;
  if (isLocal) return { length, client: null, secure: false };
  const family = FAMILIES.get(protocol);
  if (family === undefined || length < FIXED + family.length) return "invalid";
  const secure = tlsOf(bytes.subarray(FIXED + family.length, length));
  if (secure === "invalid") return "invalid";
  return { length, client: family.each === null ? null : clientIn(bytes, family.each), secure };
}

/** The source address and port. */
function clientIn(bytes: Uint8Array, each: number): Deno.NetAddr {
  const address = bytes.subarray(FIXED, FIXED + each);
  const at = FIXED + 2 * each;
  return { transport: "tcp", hostname: textOf(address), port: bytes[at]! << 8 | bytes[at + 1]! };
}

/** The URL parser compresses zeros as in RFC 5952. */
function textOf(address: Uint8Array): string {
  if (address.length === 4) return address.join(".");
  const groups = Array.from({ length: 8 }, (_, at) => (address[2 * at]! << 8 | address[2 * at + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}

/** What the type-length-value triples say about TLS. */
function tlsOf(triples: Uint8Array): boolean | "invalid" {
  let secure = false;
  for (let at = 0; at < triples.length;) {
    const value = at + 3;
    const end = value + (triples[at + 1]! << 8 | triples[at + 2]!);
    if (value > triples.length || end > triples.length) return "invalid";
    if (triples[at] === TLS_TYPE && end > value) secure = (triples[value]! & HAS_TLS) !== 0;
    at = end;
  }
  return secure;
}
