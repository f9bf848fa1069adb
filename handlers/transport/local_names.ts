/**
 * The names and addresses by which a server on this machine is reached.
 *
 * @module
 */

import { addressBytes } from "../certificates/addresses.ts";
import type { WantedNames } from "../certificates/local_authority.ts";
import { namesOfMachine } from "../core/own_hosts.ts";
import { isLoopback } from "../http/own_host.ts";
import type { Endpoint } from "./endpoint.ts";
import { interfaces } from "./interfaces.ts";

/** Always there, and known without a permission. */
const LOOPBACK = ["127.0.0.1", "::1"];

/** Names that certificates can contain. */
const NAME = /^[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)*$/;

/**
 * The names and addresses for a certificate; patterns with an asterisk are left out.
 *
 * @param hosts The host names given with `--allow-host`.
 */
export function localNames(endpoint: Endpoint, hosts: readonly string[]): WantedNames {
  const bound = endpoint.kind === "tcp" ? endpoint.hostname : "::";
  const isName = addressBytes(bound) === null;
  const given = namesIn(["localhost", ...(isName ? [bound] : []), ...hosts.map(withoutPort)]);
  const names = namesIn([...namesOfMachine(), ...given]);
  const isOne = !isName && bound !== "0.0.0.0" && bound !== "::";
  return {
    names,
    given: [...given, ...(isOne ? [bound] : [])],
    addresses: isName ? addressesOf("::") : addressesOf(bound),
  };
}

function namesIn(names: readonly string[]): string[] {
  return [...new Set(names.map((name) => name.toLowerCase().replace(/\.$/, "")))].filter((name) => NAME.test(name));
}

function withoutPort(host: string): string {
  return host.replace(/:\d*$/, "");
}

/** Sorted, because a certificate is kept for each set of names. Link-local IPv6 addresses are no part of URLs. */
function addressesOf(bound: string): string[] {
  if (isLoopback(bound)) return LOOPBACK;
  if (bound !== "0.0.0.0" && bound !== "::") return [bound];
  const families = bound === "::" ? ["IPv4", "IPv6"] : ["IPv4"];
  const own = interfaces().filter(({ family }) => families.includes(family)).map(({ address }) => address);
  return [...new Set([...LOOPBACK, ...own])].filter((address) => !/^fe80:/i.test(address)).sort();
}
