/**
 * Calls a function once, some milliseconds later. It cannot be cancelled and does not keep the process alive.
 *
 * `setTimeout` would do, but its first use loads Deno's copy of Node's timers, which takes 5 ms and 4 MiB; every server
 * would pay for that with its first response. `AbortSignal.timeout` uses the runtime's own.
 */
export function later(milliseconds: number, call: () => void): void {
  AbortSignal.timeout(milliseconds).addEventListener("abort", call);
}
