/**
 * Distinguishes the server's own host names from names that others have pointed at it.
 *
 * @module
 */

/** Names that always mean this machine and are not looked up in the DNS (RFC 6761 section 6.3). */
const LOCAL = /^(?:.*\.)?localhost$/;

/** An IPv4 address, or an IPv6 address in brackets. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/;

/** 127.0.0.0/8 and ::1; also the IPv4-mapped form reported by a socket listening on `::`. */
const LOOPBACK = /^(?:(?:::ffff:)?127\.|::1$|localhost$)/i;

/**
 * Whether the host of a request is one of this server's names.
 *
 * DNS rebinding: an attacker's page can point its own name at this server and then counts as same-origin. Only the name
 * reveals it: an address or `localhost` cannot be registered by anyone else, and any other name has to be listed.
 * Ignores case, the port and a trailing dot.
 *
 * @param host A Host header, or the authority of a URL, with or without a port.
 * @param names The server's names, ports ignored; `*.example.org` matches all subdomains.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isOwnHost("127.0.0.1:8000", []) && isOwnHost("localhost", []) && isOwnHost("[::1]:8000", []));
 * assert(!isOwnHost("rebound.example:8000", []) && isOwnHost("Files.example.", ["files.example"]));
 * ```
 */
export function isOwnHost(host: string, names: readonly string[]): boolean {
  const name = nameOf(host);
  return ADDRESS.test(name) || LOCAL.test(name) || isAmong(name, names);
}

/**
 * Whether a host matches one of the given names; unlike {@linkcode isOwnHost}, addresses and `localhost` do not match
 * unless listed.
 *
 * @param host The authority of a URL. The port is significant, because another port may be another user's server: it
 * must be the default of http or https, or the port given with the name.
 * @param names The names, with or without a port; `*.example.org` matches all subdomains.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isNamed("files.example:443", ["files.example"]) && !isNamed("192.0.2.7", ["files.example"]));
 * assert(!isNamed("files.example:8443", ["files.example"]) && isNamed("files.example:8443", ["files.example:8443"]));
 * ```
 */
export function isNamed(host: string, names: readonly string[]): boolean {
  const port = portOf(host);
  const ofPort = DEFAULT_PORTS.includes(port) ? names : names.filter((each) => portOf(each) === port);
  return isAmong(nameOf(host), ofPort);
}

/**
 * Whether an address is a loopback address, reachable from this machine only.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isLoopback("127.0.0.1") && isLoopback("::1") && !isLoopback("0.0.0.0"));
 * ```
 */
export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
}

/**
 * Whether a host is a name that a DNS or a network knows: neither an address nor `localhost`. Ignores the port.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isNamedHost("files.example:8443") && !isNamedHost("[::1]") && !isNamedHost("app.localhost"));
 * ```
 */
export function isNamedHost(host: string): boolean {
  const name = nameOf(host);
  return name !== "" && !ADDRESS.test(name) && !LOCAL.test(name);
}

function isAmong(name: string, names: readonly string[]): boolean {
  return name !== "" && names.some((each) => {
    const own = nameOf(each);
    return own.startsWith("*.") ? name.endsWith(own.slice(1)) : name === own;
  });
}

const DEFAULT_PORTS = ["", "80", "443"];

function portOf(host: string): string {
  return /:(\d*)$/.exec(host)?.[1] ?? "";
}

/** Lower case, without the port and the trailing dot of a fully qualified name. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}
