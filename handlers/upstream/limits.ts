/**
 * The default limits of CGI and FastCGI.
 *
 * @module
 */

import { STALL_MS } from "../core/held_body.ts";

/** Defaults of the options of these names: bytes for `maxBody`, else milliseconds. */
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
 * The default number of places for one client, out of all: three quarters. Of eight these are the six connections that a
 * browser opens, and the rest is left for other clients.
 */
export function shareOf(places: number): number {
  return Math.max(1, Math.floor(places * 0.75));
}
