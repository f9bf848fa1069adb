/**
 * The default limits of CGI and FastCGI.
 *
 * @module
 */

import { STALL_MS } from "../core/held_body.ts";

/** Defaults of the options with the same names: bytes for `maxBody`, milliseconds for all others. */
export const DEFAULT_LIMITS = {
  maxBody: 1024 ** 3,
  bodyTimeout: 30_000,
  queueTimeout: 10_000,
  headerTimeout: 30_000,
  idleTimeout: 60_000,
  stallTimeout: STALL_MS,
  lingerTimeout: 5_000,
} as const;

/**
 * The default share of one client: three quarters. With eight places these are the six connections opened by a browser,
 * and two are left for other clients.
 */
export function shareOf(places: number): number {
  return Math.max(1, Math.floor(places * 0.75));
}
