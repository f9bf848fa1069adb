/**
 * Where to listen, on the command line: `ADDRESS:PORT`, as other servers and browsers write it, `unix:/PATH` as nginx
 * and systemd do, `fd:3`.
 *
 * @module
 */

import type { InheritedEndpoint, UnixEndpoint } from "../handlers/transport/endpoint.ts";

/** An address and a port; either may be missing. */
export interface AddressAndPort {
  /** The address or host name, without brackets; null for a port alone (`:8000`). */
  readonly hostname: string | null;
  /** The digits of the port; null for an address alone. */
  readonly port: string | null;
}

/**
 * Splits `:8000`, `localhost:8000`, `127.0.0.1:8000` or `[::1]:8000`; null for anything else, including `::1`, whose
 * last group is not a port. On Windows, `C:8000` is a path.
 */
export function splitAddress(text: string): AddressAndPort | null {
  const [, bracketed, name, port] = /^(?:\[([0-9A-Za-z:.%_-]+)\]|([0-9A-Za-z._-]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) return null;
  const hostname = bracketed ?? name ?? "";
  if (Deno.build.os === "windows" && /^[A-Za-z]$/.test(hostname)) return null;
  return { hostname: hostname === "" ? null : hostname, port };
}

/** The endpoint of `unix:/PATH` or `fd:N`; null for anything else. */
export function socketOf(text: string): UnixEndpoint | InheritedEndpoint | null {
  const [, path, fd] = /^(?:unix:(.*)|fd:(\d{1,9}))$/s.exec(text) ?? [];
  if (path !== undefined) return { kind: "unix", path };
  return fd === undefined ? null : { kind: "inherited", fd: Number(fd) };
}
