/**
 * The address of a client, as named by proxies that the operator trusts.
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
 * Proxies whose X-Forwarded-For counts.
 *
 * Each proxy appends the address of its peer. So the client is the last address that is not one of a trusted proxy: what
 * comes before it was sent by the client itself. `Forwarded` is not read: a proxy that sets one of the two fields usually
 * passes on the other one as the client has sent it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const proxies = new TrustedProxies(["10.0.0.0/8"]);
 * const headers = new Headers({ "x-forwarded-for": "6.6.6.6, 192.0.2.7, 10.0.0.2" });
 * assert(proxies.clientOf("10.0.0.1", headers) === "192.0.2.7");
 * assert(proxies.clientOf("192.0.2.9", headers) === "192.0.2.9");
 * ```
 */
export class TrustedProxies {
  readonly #networks: readonly Network[];
  readonly #trustsUnix: boolean;

  /**
   * Takes addresses, networks (`10.0.0.0/8`, `2001:db8::/32`), and `unix` for what connects to a Unix socket.
   *
   * @throws {TypeError} For anything else.
   */
  constructor(proxies: readonly string[]) {
    this.#trustsUnix = proxies.includes(UNIX);
    this.#networks = proxies.filter((proxy) => proxy !== UNIX).map((proxy) => {
      const network = networkOf(proxy);
      if (network === null) throw new TypeError(`Cannot trust "${proxy}": it is not an address, a network or unix`);
      return network;
    });
  }

  /** The address of the client: that of the peer, unless this is a trusted proxy that names another one. */
  clientOf(peer: string, headers: Headers): string {
    if (!this.#trusts(peer)) return peer;
    const named = (headers.get("x-forwarded-for") ?? "").split(",").slice(-MAX_HOPS);
    let client = peer;
    for (const text of named.toReversed()) {
      const address = addressIn(text.trim());
      if (address === null) return client; // "unknown", or not what a proxy sends
      client = address;
      if (!this.#trusts(address)) return client;
    }
    return client;
  }

  #trusts(address: string): boolean {
    if (address === UNIX) return this.#trustsUnix;
    const bytes = bytesOf(address);
    return bytes !== null && this.#networks.some((network) => contains(network, bytes));
  }
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
