/**
 * Threads that run only when the machine has nothing else to do.
 *
 * @module
 */

import { openLibc, SYS_GETTID, SYS_SCHED_SETSCHEDULER } from "./libc.ts";

/** `SCHED_IDLE` (sched(7)): any other thread that becomes runnable preempts this one at once. */
const SCHED_IDLE = 5;

/** A module that is being loaded occupies one or two threads of the pool. */
const POOL_LOOKS = 4;

/** Whether {@linkcode lowerPriority} may have an effect. */
export function canLowerPriority(): boolean {
  if (Deno.build.os !== "linux") return false;
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  return state === "granted" && !partial;
}

/**
 * Lowers the priority of the current worker thread and of its own thread pool, for good; new threads of the pool
 * inherit it. Does nothing where {@linkcode canLowerPriority} returns false. Not for the main thread: its pool also reads
 * files.
 */
export async function lowerPriority(): Promise<void> {
  using libc = openLibc("sched_setscheduler", "gettidLater");
  if (libc === null) return;
  const { sched_setscheduler, gettidLater } = libc;
  const parameters = new Uint8Array(4); // its only member, the static priority, is 0
  const lower = (thread: number) => sched_setscheduler(SYS_SCHED_SETSCHEDULER, thread, SCHED_IDLE, parameters);
  lower(0); // the calling thread
  // Called in a thread of the pool that also computes what WebCrypto is asked for.
  for (let looks = 0; looks < POOL_LOOKS; looks++) lower(await gettidLater(SYS_GETTID));
}
