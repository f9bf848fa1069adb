/**
 * Starts listening, with helpful errors, and lists the URLs to print.
 *
 * @module
 */

import type { FetchFunction } from "../handlers/core/fetch.ts";
import { isLoopback } from "../handlers/http/own_host.ts";
import type { RunningServer, ServeOptions } from "../handlers/transport/serve.ts";
import { StartError } from "./start_error.ts";

/** Number of ports probed for a free one if the port is in use. */
const NEXT_PORTS = 20;

/** A transport: `serve` or a function with the same signature. */
export type Serve = (fetch: FetchFunction, options: ServeOptions) => RunningServer;

/** Starts the server. Throws {@linkcode StartError} if the system refuses. */
export function listen(
  serve: Serve,
  fetch: FetchFunction,
  options: ServeOptions & { hostname: string; port: number },
): RunningServer {
  try {
    return serve(fetch, options);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(explain(error, options));
  }
}

function explain(error: unknown, { hostname, port, tls }: ServeOptions & { hostname: string; port: number }): string {
  if (error instanceof Deno.errors.AddrInUse) {
    const free = nextFree(hostname, port);
    return `Cannot listen on port ${port}: it is in use${free === null ? "" : `; port ${free} is free`}`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    return `Cannot listen on "${hostname}": it is not an address of this machine`;
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return `Cannot listen on port ${port}: permission denied${
      port < 1024 ? "; ports from 1024 on do not need it" : ""
    }`;
  }
  const reason = StartError.reason(error);
  if (/invalid host|invalid char|FQDN/i.test(reason)) {
    return `Cannot listen on "${hostname}": it is neither an address nor a name`;
  }
  if (/lookup|resolve|name or service/i.test(reason)) {
    return `Cannot listen on "${hostname}": the name does not resolve`;
  }
  if (tls && /mismatch/i.test(reason)) return "Cannot use the certificate: it does not match the private key";
  return tls ? `Cannot use the certificate or the key: ${reason}` : `Cannot listen on "${hostname}": ${reason}`;
}

function nextFree(hostname: string, port: number): number | null {
  for (let next = port + 1; next <= Math.min(port + NEXT_PORTS, 65535); next++) {
    try {
      Deno.listen({ hostname, port: next }).close();
      return next;
    } catch {
      // In use or not permitted as well.
    }
  }
  return null;
}

/** Python's start line, without a newline. */
export function startLine({ hostname, port }: Deno.NetAddr, secure: boolean): string {
  const scheme = secure ? "https" : "http";
  return `Serving ${scheme.toUpperCase()} on ${hostname} port ${port} (${scheme}://${urlHost(hostname)}:${port}/) ...`;
}

/** The URLs of a server that listens on all addresses; none if it listens on one. */
export function reachableUrls({ hostname, port }: Deno.NetAddr, secure: boolean): string[] {
  if (hostname !== "0.0.0.0" && hostname !== "::") return [];
  const scheme = secure ? "https" : "http";
  const families = hostname === "::" ? ["IPv4", "IPv6"] : ["IPv4"];
  const hosts = interfaces().filter(({ family }) => families.includes(family)).map(({ address }) => address);
  const local = hosts.filter(isLoopback);
  const others = hosts.filter((host) => !isLoopback(host) && !/^fe80:/i.test(host));
  return [...local.length > 0 ? local : ["127.0.0.1"], ...others].map((host) =>
    `${scheme}://${urlHost(host)}:${port}/`
  );
}

/** Why the server is limited to loopback, and how to change that. */
export function confinement(options: readonly string[]): string {
  return `only on this machine, because of ${
    options.join(" and ")
  }; use --bind 0.0.0.0 to allow access from the network`;
}

/** Empty without the permission (--allow-sys), which is no reason to fail. */
function interfaces(): Deno.NetworkInterfaceInfo[] {
  try {
    return Deno.networkInterfaces();
  } catch {
    return [];
  }
}

function urlHost(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}
