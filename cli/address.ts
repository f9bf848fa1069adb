/**
 * `ADDRESS:PORT` on the command line, as other servers and browsers write it.
 *
 * @module
 */

/** An address and a port, as far as they were given. */
export interface AddressAndPort {
  /** The address or name, without brackets; null where only a port was given (`:8000`). */
  readonly hostname: string | null;
  /** The digits of the port; null where only an address was given. */
  readonly port: string | null;
}

/**
 * Takes `:8000`, `localhost:8000`, `127.0.0.1:8000` or `[::1]:8000` apart; null for anything else, `::1` included, whose
 * last group is no port. On Windows, `C:8000` is a path.
 */
export function splitAddress(text: string): AddressAndPort | null {
  const [, bracketed, name, port] = /^(?:\[([0-9A-Za-z:.%_-]+)\]|([0-9A-Za-z._-]*)):(\d+)$/.exec(text) ?? [];
  if (port === undefined) return null;
  const hostname = bracketed ?? name ?? "";
  if (Deno.build.os === "windows" && /^[A-Za-z]$/.test(hostname)) return null;
  return { hostname: hostname === "" ? null : hostname, port };
}
