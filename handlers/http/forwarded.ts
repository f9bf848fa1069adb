/**
 * The address and the scheme of a client, as named by proxies that the operator trusts.
 *
 * @module
 */

/** Maximum number of addresses that are looked at, from the last one: no chain of trusted proxies is longer. */
const MAX_HOPS = 32;

/** The peer of a Unix socket. */
const UNIX = "unix";

/** Some proxies add the port of the connection, and put IPv6 addresses in brackets. */
const WITH_PORT = /^(?:\[([^\]]*)\]|([^:]*\.[^:]*))(?::\d*)?$/;

/** A network: the first bits of addresses of 16 bytes. */
interface Network {
  readonly bytes: readonly number[];
  readonly bits: number;
}

/**
 * How proxies name the client: in `X-Forwarded-For` and `X-Forwarded-Proto`, or in `Forwarded` (RFC 7239).
 */
export type ForwardedBy = "x-forwarded" | "forwarded";

/** What proxies say about a request. */
export interface Forwarded {
  /** The address of the client: that of the peer, unless this is a trusted proxy that names another one. */
  readonly address: string;
  /** Whether the client uses TLS; null if no trusted proxy says so. */
  readonly secure: boolean | null;
}

/** A statement about one connection: the address of its peer, and its scheme. */
interface Hop {
  readonly address: string | null;
  readonly scheme: string | null;
}

/**
 * Proxies that are believed.
 *
 * Each proxy appends the address of its peer. So the client is the last address that is not one of a trusted proxy:
 * what comes before it was sent by the client itself. Only one of the two forms is read: a proxy that sets one usually
 * passes on the other one as the client has sent it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { TrustedProxies } from "@x/pyserve/http";
 *
 * const proxies = new TrustedProxies(["10.0.0.0/8"]);
 * const headers = new Headers({ "x-forwarded-for": "6.6.6.6, 192.0.2.7, 10.0.0.2", "x-forwarded-proto": "https" });
 * const { address, secure } = proxies.read("10.0.0.1", headers);
 * assert(address === "192.0.2.7" && secure === true);
 * assert(proxies.read("192.0.2.9", headers).address === "192.0.2.9");
 * ```
 */
export class TrustedProxies {
  readonly #networks: readonly Network[];
  readonly #trustsUnix: boolean;
  readonly #by: ForwardedBy;

  /**
   * Takes addresses, networks (`10.0.0.0/8`, `2001:db8::/32`), and `unix` for what connects to a Unix socket.
   *
   * @throws {TypeError} For anything else.
   */
  constructor(proxies: readonly string[], by: ForwardedBy = "x-forwarded") {
    this.#by = by;
    this.#trustsUnix = proxies.includes(UNIX);
    this.#networks = proxies.filter((proxy) => proxy !== UNIX).map((proxy) => {
      const network = networkOf(proxy);
      if (network === null) throw new TypeError(`Cannot trust "${proxy}": it is not an address, a network or unix`);
      return network;
    });
  }

  /** What the header says about the client, if it is that of a trusted proxy. */
  read(peer: string, headers: Headers): Forwarded {
    if (!this.trusts(peer)) return { address: peer, secure: null };
    let [address, scheme]: [string, string | null] = [peer, null];
    let count = 0;
    for (const hop of this.#by === "forwarded" ? hopsOfForwarded(headers) : hopsOfFields(headers)) {
      scheme = hop.scheme;
      if (hop.address === null) break; // "unknown", or not what a proxy sends
      address = hop.address;
      if (++count === MAX_HOPS || !this.trusts(address)) break;
    }
    return { address, secure: isSecure(scheme) };
  }

  /** Whether an address is one of the proxies. */
  trusts(address: string): boolean {
    if (address === UNIX) return this.#trustsUnix;
    const bytes = bytesOf(address);
    return bytes !== null && this.#networks.some((network) => contains(network, bytes));
  }
}

/**
 * The hops of X-Forwarded-For and X-Forwarded-Proto, the last one first. A list of schemes has one for each address, or
 * fewer where a proxy replaces it: then its first one is that of the client.
 */
function* hopsOfFields(headers: Headers): Generator<Hop> {
  const schemes = lastFirst(headers.get("x-forwarded-proto") ?? "");
  let scheme: string | null = null;
  for (const text of lastFirst(headers.get("x-forwarded-for") ?? "")) {
    const { value } = schemes.next();
    scheme = value ?? scheme;
    yield { address: addressIn(text.trim()), scheme };
  }
}

/** The hops of Forwarded, the last one first. */
function* hopsOfForwarded(headers: Headers): Generator<Hop> {
  for (const element of lastFirst(headers.get("forwarded") ?? "")) {
    const [node, scheme] = ["for", "proto"].map((name) => parameterOf(element, name));
    yield { address: addressIn(node ?? ""), scheme: scheme ?? null };
  }
}

/**
 * The elements of a list, the last one first. Read backwards, because the last ones are those of trusted proxies: a
 * quote that the client has not closed must not swallow them.
 */
function* lastFirst(list: string): Generator<string> {
  let end = list.length;
  let isQuoted = false;
  for (let at = end - 1; at >= 0; at--) {
    if (list[at] === '"') isQuoted = !isQuoted;
    if (list[at] !== "," || isQuoted) continue;
    yield list.slice(at + 1, end);
    end = at;
  }
  yield list.slice(0, end);
}

/** A parameter of an element of Forwarded; neither addresses nor schemes contain a semicolon. */
function parameterOf(element: string, name: string): string | null {
  for (const pair of element.split(";")) {
    const [, key, quoted, token] = /^([a-z]+)=(?:"([^"]*)"|([^"]*))$/i.exec(pair.trim()) ?? [];
    if (key?.toLowerCase() === name) return quoted ?? token ?? null;
  }
  return null;
}

/** Some proxies name the protocol of a WebSocket. */
function isSecure(scheme: string | null): boolean | null {
  const name = scheme?.trim().toLowerCase() ?? "";
  if (name === "https" || name === "wss") return true;
  return name === "http" || name === "ws" ? false : null;
}

/** The address without brackets, port and zone; null for anything else. */
function addressIn(text: string): string | null {
  const [, inBrackets, before] = WITH_PORT.exec(text) ?? [];
  const address = (inBrackets ?? before ?? text).replace(/%.*$/s, "").toLowerCase();
  return bytesOf(address) === null ? null : address;
}

function networkOf(text: string): Network | null {
  const [address = "", length] = text.split("/", 2);
  const bytes = bytesOf(address);
  if (bytes === null || (length !== undefined && !/^\d{1,3}$/.test(length))) return null;
  const offset = address.includes(":") ? 0 : 96;
  const bits = length === undefined ? 128 : Number(length) + offset;
  return bits > 128 ? null : { bytes, bits };
}

/** Whether a text is an address of this family. */
export function isAddress(text: string, family: 4 | 6): boolean {
  return text.includes(":") === (family === 6) && bytesOf(text) !== null;
}

function contains({ bytes, bits }: Network, address: readonly number[]): boolean {
  const whole = bits >> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== address[i]) return false;
  const mask = 0xff00 >> (bits & 7) & 0xff;
  return mask === 0 || (bytes[whole]! & mask) === (address[whole]! & mask);
}

/** The 16 bytes of an address, with that of IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2); null for anything else. */
function bytesOf(text: string): readonly number[] | null {
  if (text.length > 64) return null;
  if (!text.includes(":")) {
    const four = fourBytes(text);
    return four && [...Array(10).fill(0), 0xff, 0xff, ...four];
  }
  const tail = text.slice(text.lastIndexOf(":") + 1);
  const four = tail.includes(".") ? fourBytes(tail) : [];
  if (four === null) return null;
  const [front = "", back, ...more] = (four.length > 0 ? text.slice(0, -tail.length) + "0:0" : text).split("::");
  const [first, last] = [groupsOf(front), groupsOf(back ?? "")];
  if (first === null || last === null || more.length > 0) return null;
  const zeros = 8 - first.length - last.length;
  if (back === undefined ? zeros !== 0 : zeros < 1) return null;
  const bytes = [...first, ...Array(zeros).fill(0), ...last].flatMap((group) => [group >> 8, group & 0xff]);
  return [...bytes.slice(0, 16 - four.length), ...four];
}

function fourBytes(text: string): number[] | null {
  const parts = text.split(".");
  const isAddress = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255);
  return isAddress ? parts.map(Number) : null;
}

function groupsOf(text: string): number[] | null {
  const groups = text === "" ? [] : text.split(":");
  return groups.every((group) => /^[\da-f]{1,4}$/i.test(group)) ? groups.map((group) => parseInt(group, 16)) : null;
}
