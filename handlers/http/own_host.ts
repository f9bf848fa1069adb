/**
 * Telling the names of this server from those that somebody else has made lead to it.
 *
 * @module
 */

/** Names that no name server answers for: the machine itself (RFC 6761 section 6.3). */
const LOCAL = /^(?:.*\.)?localhost\.?$/;

/** An IPv4 address, or what only an IPv6 address has around it. */
const ADDRESS = /^(?:\d{1,3}(?:\.\d{1,3}){3}|\[.*\])$/;

/**
 * Whether a host that a request names is one of this server.
 *
 * A page of another site can have its own name lead to the address of this server (DNS rebinding), and is then, for the
 * browser, a page of this server. Only the name tells: addresses and `localhost` cannot be given to anybody, and other
 * names must be known.
 *
 * @param host A Host header, or the authority of a URL: a name or address and, perhaps, a port, which is not looked at.
 * @param names The names of this server, without ports; `*.example.org` is all names below.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isOwnHost } from "@x/pyserve";
 *
 * assert(isOwnHost("127.0.0.1:8000", []) && isOwnHost("localhost", []) && isOwnHost("[::1]:8000", []));
 * assert(!isOwnHost("rebound.example:8000", []) && isOwnHost("Files.example", ["files.example"]));
 * ```
 */
export function isOwnHost(host: string, names: readonly string[]): boolean {
  const name = host.replace(/:\d*$/, "").toLowerCase();
  if (ADDRESS.test(name) || LOCAL.test(name)) return true;
  return names.some((each) => {
    const own = each.toLowerCase();
    return own.startsWith("*.") ? name.endsWith(own.slice(1)) : name === own;
  });
}
