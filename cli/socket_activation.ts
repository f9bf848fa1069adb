/**
 * Socket activation: a socket that systemd has opened and passes as descriptor 3 (sd_listen_fds(3)).
 *
 * @module
 */

import type { InheritedEndpoint } from "../handlers/transport/endpoint.ts";
import { StartError } from "./start_error.ts";

/** The first descriptor that systemd passes. */
const FIRST = 3;

/** The variables that are read, for the permission `env`. */
export const ACTIVATION_VARIABLES = ["LISTEN_PID", "LISTEN_FDS"] as const;

/**
 * The socket passed to this process; null if there is none.
 *
 * @throws {StartError} if there are several.
 */
export function activatedSocket(environment: Readonly<Record<string, string>>): InheritedEndpoint | null {
  const { LISTEN_PID: pid, LISTEN_FDS: count = "0" } = environment;
  if (pid !== String(Deno.pid) || count === "0") return null;
  if (count !== "1") throw new StartError(`Cannot listen on ${count} sockets: make a service for each of them`);
  return { kind: "inherited", fd: FIRST };
}
