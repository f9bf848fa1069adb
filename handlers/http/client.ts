/**
 * Identifies clients, for per-client limits.
 *
 * @module
 */

/**
 * The key of a client: its IPv4 address, or the first 64 bits of its IPv6 address, which identify one subscriber. `""`
 * if unknown.
 *
 * For a request forwarded by a proxy on this machine, the last address in X-Forwarded-For, without a port. Only a local user could
 * forge it, who can use any loopback address anyway. A proxy on another machine counts as one client. Used for fair
 * sharing only, never for access control.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { clientOf } from "@x/pyserve/http";
 *
 * assert(clientOf("192.0.2.7", new Headers()) === "192.0.2.7");
 * assert(clientOf("2001:db8:1:2:3:4:5:6", new Headers()) === "2001:db8:1:2");
 * const forwarded = new Headers({ "x-forwarded-for": "10.9.8.7, 192.0.2.7" });
 * assert(clientOf("127.0.0.1", forwarded) === "192.0.2.7");
 * ```
 */
export function clientOf(remoteAddress: string, headers: Headers): string {
  if (!isHere(remoteAddress)) return subscriberOf(remoteAddress);
  const forwarded = headers.get("x-forwarded-for");
  if (forwarded !== null) return keyOf(forwarded.slice(forwarded.lastIndexOf(",") + 1).trim());
  const isProxied = headers.has("forwarded") || headers.has("via") || headers.has("x-real-ip");
  return isProxied || remoteAddress === "unix" ? "" : subscriberOf(remoteAddress);
}

function isHere(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address === "unix";
}

/** Maximum length of an address: the longest form of IPv6, with a zone or a port. */
const MAX_LENGTH = 64;

/** Some proxies add the port of the connection, and put IPv6 addresses in brackets. */
const WITH_PORT = /^(?:\[([^\]]*)\]|([^:]*\.[^:]*))(?::\d*)?$/;

function keyOf(text: string): string {
  if (text.length > MAX_LENGTH) return "";
  const [, inBrackets, before] = WITH_PORT.exec(text) ?? [];
  return subscriberOf(inBrackets ?? before ?? text);
}

/** The part of an address, without a port, that identifies a subscriber. */
function subscriberOf(address: string): string {
  if (!address.includes(":")) return address;
  return address.includes(".") ? address : network(address);
}

/** The first four of eight groups; `::` stands for the omitted zeros. */
function network(address: string): string {
  const [front = "", back] = address.split("::", 2);
  const groups = front === "" ? [] : front.split(":");
  const behind = back === undefined || back === "" ? [] : back.split(":");
  const zeros = back === undefined ? 0 : Math.max(0, 8 - groups.length - behind.length);
  return [...groups, ...Array(zeros).fill("0"), ...behind].slice(0, 4).join(":");
}
