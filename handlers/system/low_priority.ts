/**
 * Threads that run only when the machine has nothing else to do.
 *
 * @module
 */

import { openLibc } from "./libc.ts";

/** `SCHED_IDLE` (sched(7)): any other thread that becomes runnable preempts this one at once. */
const SCHED_IDLE = 5;

/** `PRIO_PROCESS` (setpriority(2)): on Linux, the priority of a thread. */
const PRIO_PROCESS = 0;
const LOWEST = 19;

/** A module that is being loaded occupies one or two threads of the pool. */
const POOL_LOOKS = 4;

const SYMBOLS = {
  // musl has no sched_setscheduler.
  sched_setscheduler: { parameters: ["i32", "i32", "buffer"], result: "i32" },
  setpriority: { parameters: ["i32", "u32", "i32"], result: "i32" },
  // Not blocking: called in a thread of the pool that also computes what WebCrypto is asked for.
  gettid: { parameters: [], result: "i32", nonblocking: true },
} as const;

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
  const libc = openLibc(SYMBOLS);
  if (libc === null) return;
  const { sched_setscheduler, setpriority, gettid } = libc.symbols;
  const lower = (thread: number) => {
    if (sched_setscheduler(thread, SCHED_IDLE, new Uint8Array(4)) !== 0) setpriority(PRIO_PROCESS, thread, LOWEST);
  };
  lower(0); // the calling thread
  for (let looks = 0; looks < POOL_LOOKS; looks++) lower(await gettid());
  libc.close();
}
