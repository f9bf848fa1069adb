/**
 * Turns for all clients over TLS.
 *
 * Deno 2.9 goes on reading from a TLS connection for as long as something comes, and lets neither timers nor other clients
 * have their turn: a client that sends small HTTP/2 frames, or requests without waiting for answers, as fast as it can
 * keeps a server to itself. Nothing that runs in the same thread can help, so another thread looks at whether this one still
 * has its timers, and disconnects the client that is being read from meanwhile.
 *
 * @module
 */

import { onDemand } from "./on_demand.ts";
import type { Logger } from "./types.ts";

/** Milliseconds between two signs of life. */
const BEAT_MS = 25;

/** What the other thread is told. */
export interface Watched {
  /** The port whose connections are meant. */
  readonly port: number;
  /** Changes as long as timers have their turn. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  /** Requests whose bodies are being read, by the port of the client. */
  readonly uploading: Uint8Array<SharedArrayBuffer>;
}

/** Watches over the thread that it is made in, for the connections of one port. */
export class TurnGuard implements Disposable {
  readonly #beats = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;
  readonly #timer: ReturnType<typeof setInterval>;

  /** Starts the other thread; without it, as in a compiled program that lacks its module, nothing is watched. */
  constructor(port: number, uploading: Uint8Array<SharedArrayBuffer>, log: Logger | undefined) {
    this.#worker = new Worker(new URL("./serve_turns_worker.ts", import.meta.url), { type: "module" });
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

/** Never called: it makes the module of the other thread a part of the program, for publishing and for `deno compile`. */
export const otherThread: () => Promise<unknown> = onDemand(() => import("./serve_turns_worker.ts"));
