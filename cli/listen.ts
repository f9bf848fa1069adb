/**
 * Starts listening, with helpful errors, and lists the URLs to print.
 *
 * @module
 */

import type { FetchFunction } from "../handlers/core/fetch.ts";
import { isLoopback } from "../handlers/http/own_host.ts";
import { escapeLog } from "../handlers/http/escape.ts";
import { urlHost } from "../handlers/http/host.ts";
import {
  type Endpoint,
  type InheritedEndpoint,
  removeStaleSocket,
  type ServerAddr,
  type TcpEndpoint,
  type UnixEndpoint,
} from "../handlers/transport/endpoint.ts";
import { interfaces } from "../handlers/transport/interfaces.ts";
import type { RunningServer, ServeOptions } from "../handlers/transport/serve.ts";
import { StartError } from "./start_error.ts";
import { isNumber } from "./values.ts";

/** Number of ports probed for a free one if the port is in use. */
const NEXT_PORTS = 20;

/** A transport: `serve` or a function with the same signature. */
export type Serve = (fetch: FetchFunction, options: ServeOptions) => RunningServer<ServerAddr>;

/** Starts the server, on the next free port if wanted. Throws {@linkcode StartError} if the system refuses. */
export function listen(
  serve: Serve,
  fetch: FetchFunction,
  { orNextPort = false, ...options }: ServeOptions & { endpoint: Endpoint; orNextPort?: boolean },
): RunningServer<ServerAddr> {
  const { endpoint } = options;
  return explained(() => {
    return orNextPort && endpoint.kind === "tcp"
      ? onFreePort((port) => serve(fetch, { ...options, endpoint: { ...endpoint, port } }), endpoint.port)
      : serve(fetch, options);
  }, options);
}

/** Tries one port after another until one is free. */
function onFreePort<T>(open: (port: number) => T, first: number): T {
  for (let port = first;; port++) {
    try {
      return open(port);
    } catch (error) {
      const isLast = port >= Math.min(first + NEXT_PORTS, 65535);
      if (isLast || !(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
}

/** Frees the path for a Unix socket. Throws {@linkcode StartError} if it is taken. */
export async function makeRoom({ path }: UnixEndpoint): Promise<void> {
  try {
    await removeStaleSocket(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(explainUnix(error, path));
  }
}

/** Starts listening. Throws {@linkcode StartError} if the system refuses. */
export function explained<T>(open: () => T, options: { endpoint: Endpoint; tls?: unknown }): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const tls = options.tls === undefined ? null : explainTls(StartError.reason(error));
    throw new StartError(tls ?? explain(error, options.endpoint));
  }
}

/** Errors in the certificate; null for any other. */
function explainTls(reason: string): string | null {
  if (/mismatch/i.test(reason)) return "Cannot use the certificate: it does not match the private key";
  return /key|certificate|PEM|TLS/i.test(reason) ? `Cannot use the certificate or the key: ${reason}` : null;
}

function explain(error: unknown, endpoint: Endpoint): string {
  if (endpoint.kind === "unix") return explainUnix(error, endpoint.path);
  return endpoint.kind === "tcp" ? explainTcp(error, endpoint) : explainInherited(error, endpoint);
}

function explainUnix(error: unknown, path: string): string {
  const reason = error instanceof Deno.errors.AddrInUse
    ? "it is in use"
    : error instanceof Deno.errors.AlreadyExists
    ? "it exists and is not a socket"
    : error instanceof Deno.errors.NotFound
    ? "there is no such directory"
    : StartError.reason(error);
  return `Cannot listen on "unix:${path}": ${reason}`;
}

function explainInherited(error: unknown, { fd }: InheritedEndpoint): string {
  const reason = error instanceof Deno.errors.BadResource
    ? "it is not a listening socket"
    : error instanceof Deno.errors.NotSupported
    ? "this needs Linux and --allow-ffi"
    : StartError.reason(error);
  return `Cannot listen on "fd:${fd}": ${reason}`;
}

function explainTcp(error: unknown, { hostname, port }: TcpEndpoint): string {
  if (error instanceof Deno.errors.AddrInUse) {
    const free = nextFree(hostname, port);
    return `Cannot listen on port ${port}: it is in use${free === null ? "" : `; port ${free} is free`}`;
  }
  if (error instanceof Deno.errors.AddrNotAvailable) {
    const hint = isNumber(hostname) ? `; for a port, use --port ${hostname}` : "";
    return `Cannot listen on "${hostname}": it is not an address of this machine${hint}`;
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
  return `Cannot listen on "${hostname}": ${reason}`;
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
export function startLine(address: ServerAddr, secure: boolean, base: string | null = null): string {
  const scheme = secure ? "https" : "http";
  const name = scheme.toUpperCase();
  if ("path" in address) return `Serving ${name} on unix:${escapeLog(address.path)} ...`;
  const { hostname, port } = address;
  return `Serving ${name} on ${hostname} port ${port} (${scheme}://${urlHost(hostname)}:${port}${base ?? ""}/) ...`;
}

/** The URLs of a server that listens on all addresses; none if it listens on one. */
export function reachableUrls(address: ServerAddr, secure: boolean, base: string | null = null): string[] {
  if ("path" in address) return [];
  const { hostname, port } = address;
  if (hostname !== "0.0.0.0" && hostname !== "::") return [];
  const scheme = secure ? "https" : "http";
  const families = hostname === "::" ? ["IPv4", "IPv6"] : ["IPv4"];
  const hosts = interfaces().filter(({ family }) => families.includes(family)).map(({ address }) => address);
  const local = hosts.filter(isLoopback);
  const others = hosts.filter((host) => !isLoopback(host) && !/^fe80:/i.test(host));
  return [...local.length > 0 ? local : ["127.0.0.1"], ...others].map((host) =>
    `${scheme}://${urlHost(host)}:${port}${base ?? ""}/`
  );
}

/** Why the server is limited to loopback, and how to change that. */
export function confinement(options: readonly string[]): string {
  return `only on this machine, because of ${
    options.join(" and ")
  }; use --bind 0.0.0.0 to allow access from the network`;
}

/** The URL to show to other devices: of the first address that is not a loopback one, if it listens on all. */
export function shownUrl(address: ServerAddr, secure: boolean, base: string | null = null): string | null {
  if ("path" in address) return null;
  const urls = reachableUrls(address, secure, base);
  return urls.find((url) => !isLoopback(new URL(url).hostname.replace(/^\[|\]$/g, ""))) ??
    ownUrl(address, secure, base);
}

/** The URL for this machine; null for a Unix socket. */
export function ownUrl(address: ServerAddr, secure: boolean, base: string | null = null): string | null {
  if ("path" in address) return null;
  const { hostname, port } = address;
  return reachableUrls(address, secure, base)[0] ??
    `${secure ? "https" : "http"}://${urlHost(hostname)}:${port}${base ?? ""}/`;
}
