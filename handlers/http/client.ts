/**
 * Telling clients apart, for bounds that each of them has.
 *
 * @module
 */

/**
 * The client of a request, as a key: its IPv4 address, or the first 64 bits of its IPv6 address, which are one subscriber.
 * `""` where it cannot be known.
 *
 * A request from this machine that a proxy has passed on is of the client that the proxy names last in X-Forwarded-For:
 * only a local user could lie there, who has all addresses of the loopback interface anyway. A proxy on another machine is
 * one client. This decides about shares only, never about rights.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { clientOf } from "@x/pyserve";
 *
 * assert(clientOf("192.0.2.7", new Headers()) === "192.0.2.7");
 * assert(clientOf("2001:db8:1:2:3:4:5:6", new Headers()) === "2001:db8:1:2");
 * const forwarded = new Headers({ "x-forwarded-for": "10.9.8.7, 192.0.2.7" });
 * assert(clientOf("127.0.0.1", forwarded) === "192.0.2.7");
 * ```
 */
export function clientOf(remoteAddress: string, headers: Headers): string {
  if (!isHere(remoteAddress)) return keyOf(remoteAddress);
  const forwarded = headers.get("x-forwarded-for");
  if (forwarded !== null) return keyOf(forwarded.slice(forwarded.lastIndexOf(",") + 1).trim());
  const isProxied = headers.has("forwarded") || headers.has("via") || headers.has("x-real-ip");
  return isProxied || remoteAddress === "unix" ? "" : keyOf(remoteAddress);
}

function isHere(address: string): boolean {
  return address.startsWith("127.") || address === "::1" || address === "unix";
}

/** Characters of an address that are looked at: the longest form of IPv6, with a zone. */
const MAX_LENGTH = 64;

function keyOf(address: string): string {
  if (address.length > MAX_LENGTH) return "";
  if (!address.includes(":")) return address;
  return address.includes(".") ? address : network(address);
}

/** The first four of eight groups; `::` stands for as many zeros as are missing. */
function network(address: string): string {
  const [front = "", back] = address.split("::", 2);
  const groups = front === "" ? [] : front.split(":");
  const behind = back === undefined || back === "" ? [] : back.split(":");
  const zeros = back === undefined ? 0 : Math.max(0, 8 - groups.length - behind.length);
  return [...groups, ...Array(zeros).fill("0"), ...behind].slice(0, 4).join(":");
}
