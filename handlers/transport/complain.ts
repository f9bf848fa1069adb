/**
 * What a server does while it cannot accept connections: log the reason, and wait.
 *
 * @module
 */

import type { Logger } from "../core/types.ts";

/** Minimum interval between log lines about the same problem, in milliseconds. */
const QUIET = 60_000;

/** Reports why connections cannot be accepted. */
export type Complain = (cause: unknown) => void;

/** Logs the problem, rate-limited rather than once per connection attempt. */
export function complainer(log: Logger | undefined): Complain {
  let last = -Infinity;
  return (cause) => {
    if (performance.now() - last < QUIET) return;
    last = performance.now();
    if (isOutOfDescriptors(cause)) log?.error("Out of file descriptors: waiting for connections to close");
    else log?.error("Cannot accept connections: retrying", cause);
  };
}

/** EMFILE and ENFILE: the runtime's errors have no class and, from Deno.serve, no code. */
export function isOutOfDescriptors(cause: unknown): boolean {
  return cause instanceof Error && /too many open (?:files|sockets)/i.test(cause.message);
}

/** Sleeps until the time has elapsed or a signal aborts. */
export function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end);
  });
}
