/**
 * Fairness between clients over TLS.
 *
 * Deno 2.9 keeps reading from a TLS connection as long as data arrives, starving timers and other clients: one client
 * that sends small HTTP/2 frames or pipelined requests at full speed monopolizes the server. Nothing in the same thread
 * can prevent that, so a worker thread monitors whether timers still run here, and if not, disconnects the client that
 * is being read from.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import type { Logger } from "../core/types.ts";
import type { Watched } from "./turn_guard_worker.ts";

/** Heartbeat interval in milliseconds. */
const BEAT_MS = 25;

/** Monitors the current thread, for the connections of one port. */
export class TurnGuard implements Disposable {
  readonly #beats = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Starts the worker. If its module is missing, as in some compiled programs, there is no monitoring. */
  constructor(port: number, uploading: Uint8Array<SharedArrayBuffer>, log: Logger | undefined) {
    this.#worker = new Worker(new URL("./turn_guard_worker.ts", import.meta.url), { type: "module" });
    this.#worker.onerror = (event) => event.preventDefault();
    this.#worker.onmessage = ({ data }: MessageEvent<string>) => log?.error(data);
    this.#worker.postMessage({ port, beats: this.#beats, uploading } satisfies Watched);
    this.#timer = setInterval(() => Atomics.add(this.#beats, 0, 1), BEAT_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#worker.terminate();
  }
}

/** Never called: makes the worker's module part of the module graph, for publishing and for `deno compile`. */
export const otherThread: () => Promise<unknown> = onDemand(() => import("./turn_guard_worker.ts"));
