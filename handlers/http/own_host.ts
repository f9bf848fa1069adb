/**
 * Telling the names of this server from names that others have made resolve to it.
 *
 * @module
 */

/** Names that no name server answers for: the machine itself (RFC 6761 section 6.3). */
const LOCAL = /^(?:.*\.)?localhost$/;

/** An IPv4 address, or what only an IPv6 address has around it. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/;

/** 127.0.0.0/8 and ::1; also as a socket that listens on `::` shows the former. */
const LOOPBACK = /^(?:(?:::ffff:)?127\.|::1$|localhost$)/i;

/**
 * Whether a host that a request names is one of this server.
 *
 * A page of another site can make its own name resolve to the address of this server (DNS rebinding), and is then, to the
 * browser, a page of this server. Only the name tells them apart: an address or `localhost` cannot be registered by
 * others, and any other name must be known. Case, port and a dot at the end make no difference.
 *
 * @param host A Host header, or the authority of a URL: a name or an address and, perhaps, a port.
 * @param names The names of this server, whose ports do not count either; `*.example.org` is all names below.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isOwnHost } from "@x/pyserve";
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
 * Whether a host is one of some names; unlike {@linkcode isOwnHost}, an address or `localhost` is not, unless it is given.
 *
 * @param host The authority of a URL. Its port counts, for what listens on another port may be another's: it is the default
 * one of http or https, or that of the name.
 * @param names The names, each with a port or without; `*.example.org` is all names below.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isNamed } from "@x/pyserve";
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
 * Whether an address is one of the loopback interface, which only this machine can reach.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isLoopback } from "@x/pyserve";
 *
 * assert(isLoopback("127.0.0.1") && isLoopback("::1") && !isLoopback("0.0.0.0"));
 * ```
 */
export function isLoopback(address: string): boolean {
  return LOOPBACK.test(address);
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

/** Without its port and the dot by which a name may say that it is absolute, in lower case. */
function nameOf(host: string): string {
  return host.replace(/:\d*$/, "").replace(/\.$/, "").toLowerCase();
}
