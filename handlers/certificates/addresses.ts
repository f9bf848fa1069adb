/**
 * IP addresses as bytes, and the ranges that only exist in local networks.
 *
 * @module
 */

import type { AddressRange } from "./x509.ts";

/** The bytes of an IPv4 or IPv6 address; null for anything else, such as a name. A zone (`%eth0`) is dropped. */
export function addressBytes(text: string): Uint8Array | null {
  if (/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) {
    const bytes = text.split(".").map(Number);
    return bytes.every((byte) => byte < 256) ? Uint8Array.from(bytes) : null;
  }
  return text.includes(":") ? ipv6Bytes(text.split("%", 1)[0]!) : null;
}

function ipv6Bytes(text: string): Uint8Array | null {
  // The URL parser normalizes: no IPv4 part, lower case, one `::`.
  const host = URL.parse(`http://[${text}]/`)?.hostname.slice(1, -1);
  if (host === undefined) return null;
  const [front = "", back] = host.split("::");
  const groups = (part: string) => part === "" ? [] : part.split(":");
  const [before, after] = [groups(front), groups(back ?? "")];
  const all = [...before, ...Array(8 - before.length - after.length).fill("0"), ...after];
  return Uint8Array.from(all.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]));
}

/** `192.168.0.0/16` and the like. */
function range(text: string): AddressRange {
  const [address, length] = text.split("/") as [string, string];
  const bytes = addressBytes(address)!;
  const mask = bytes.map((_, index) => (0xff00 >> Math.min(8, Math.max(0, Number(length) - index * 8))) & 0xff);
  return { address: bytes, mask };
}

/** Addresses that are not routed in the internet: loopback, private use, link-local, carrier-grade NAT, unique local. */
export const LOCAL_RANGES: readonly AddressRange[] = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "169.254.0.0/16",
  "100.64.0.0/10",
  "::1/128",
  "fe80::/10",
  "fc00::/7",
].map(range);

/** Whether an address lies in a range. */
export function isIn(address: Uint8Array, { address: base, mask }: AddressRange): boolean {
  return address.length === base.length && address.every((byte, index) => (byte & mask[index]!) === base[index]!);
}

/** Whether a text is an address of a local network or of this machine. */
export function isLocalAddress(text: string): boolean {
  const bytes = addressBytes(text);
  return bytes !== null && LOCAL_RANGES.some((range) => isIn(bytes, range));
}

/** The range of a single valid address. */
export function onlyAddress(text: string): AddressRange {
  const address = addressBytes(text)!;
  return { address, mask: address.map(() => 0xff) };
}
