/**
 * A server that outlives its listener.
 *
 * When accept fails, because the process is out of file descriptors, Deno.serve ends. What it has accepted goes on, so
 * that the next server on the same port takes over from it.
 *
 * @module
 */

import type { FetchFunction } from "./fetch.ts";
import { IntakeGuard } from "./serve_intake.ts";
import { TurnGuard } from "./serve_turns.ts";
import type { RunningServer, ServeOptions } from "./serve_types.ts";
import { keepAlive, NO_DELAY, openSockets, userTimeout } from "./system/sockets.ts";
import type { Logger } from "./types.ts";

/** Milliseconds until it listens again; each time twice as long, because what fills the table may take a while to go. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/** Milliseconds between two lines in the log about the same trouble. */
const QUIET = 60_000;

/** Milliseconds in which a client may take nothing of what is sent to it; the same as of other servers. */
const STALL_MS = 60_000;

/** Seconds after which a silent client is asked whether it is still there. */
const KEEP_ALIVE_S = 60;

/** A Deno.serve that has not ended. */
interface Generation {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly aborting: AbortController;
  /** Resolves with the reason why it cannot go on; null at the end asked for. */
  readonly failed: Promise<unknown>;
  /** Resolves `failed`. */
  readonly fail: (reason: unknown) => void;
}

/** Deno.serve, again and again on the same port, until it is stopped. */
export class Generations implements RunningServer {
  readonly address: Deno.NetAddr;
  readonly finished: Promise<void>;
  readonly #fetch: FetchFunction;
  readonly #options: ServeOptions;
  #port: number;
  readonly #complain: Complain;
  readonly #stopped = new AbortController();
  readonly #cut = Promise.withResolvers<void>();
  /** Transfers of generations that listen no more. */
  readonly #transfers = new Set<Promise<void>>();
  readonly #sockets = openSockets();
  #guard: IntakeGuard | null = null;
  #turns: TurnGuard | null = null;
  /** The one that listens, null in the pause between two. */
  #current: Generation | null;

  /** Binds. Throws what the system refuses. */
  constructor(fetch: FetchFunction, options: ServeOptions) {
    this.#fetch = fetch;
    this.#complain = complainer(options.log);
    this.#options = options;
    this.#port = options.port ?? 8000;
    try {
      this.#current = this.#open();
    } catch (error) {
      this.#sockets?.[Symbol.dispose]();
      throw error;
    }
    this.address = this.#current.server.addr;
    this.#port = this.address.port;
    if (this.#sockets) this.#guard = new IntakeGuard(this.#sockets, this.#port, options.log);
    if (this.#guard && options.tls) this.#turns = new TurnGuard(this.#port, this.#guard.uploading, options.log);
    this.finished = this.#run(this.#current);
  }

  async drain(): Promise<void> {
    this.#stop();
    if (this.#current) this.#retire(this.#current);
    await this.finished;
  }

  async abort(): Promise<void> {
    this.#stop();
    const { server, aborting } = this.#current ?? {};
    // Not after shutdown(): that would be an uncaught BadResource in the runtime, and would cut nothing.
    aborting?.abort();
    await server?.finished.catch(() => {});
    this.#cut.resolve();
    await this.finished;
  }

  #stop(): void {
    this.#stopped.abort();
    this.#current?.fail(null);
  }

  async #run(first: Generation): Promise<void> {
    let pause = SHORTEST_PAUSE / 2;
    for (let generation: Generation | null = first; generation;) {
      const since = performance.now();
      const reason = await generation.failed;
      if (this.#stopped.signal.aborted) {
        this.#keep(generation.server.finished);
        break;
      }
      this.#retire(generation);
      this.#complain(reason);
      pause = performance.now() - since > LONGEST_PAUSE ? SHORTEST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
      generation = await this.#reopen(pause);
    }
    await Promise.race([Promise.all(this.#transfers), this.#cut.promise]);
    this.#guard?.[Symbol.dispose]();
    this.#turns?.[Symbol.dispose]();
    this.#sockets?.[Symbol.dispose]();
  }

  /** Listens again as soon as the system lets it. Null where it was stopped before. */
  async #reopen(pause: number): Promise<Generation | null> {
    for (;; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      await sleep(pause, this.#stopped.signal);
      if (this.#stopped.signal.aborted) return null;
      try {
        this.#current = this.#open();
        return this.#current;
      } catch (error) {
        if (error instanceof Deno.errors.NotCapable) throw error;
        this.#complain(error);
      }
    }
  }

  #open(): Generation {
    const fetch: FetchFunction = this.#sockets === null
      ? this.#fetch
      : (request, info) => this.#guard!.answer(this.#fetch, request, info);
    const generation = open(fetch, this.#options, this.#port);
    const { port } = generation.server.addr;
    const { stallMs = STALL_MS } = this.#options;
    // What is accepted has the options of what listens. Deno sets the first by itself, but not under TLS: there the second
    // segment of a response waits 40 ms for the acknowledgement of the first (Nagle's algorithm).
    this.#sockets?.setOnListeners(port, [NO_DELAY, userTimeout(stallMs), ...keepAlive(KEEP_ALIVE_S)]);
    return generation;
  }

  #retire({ server }: Generation): void {
    this.#current = null;
    this.#keep(server.shutdown());
  }

  #keep(end: Promise<void>): void {
    const transfers = end.catch(() => {}).finally(() => this.#transfers.delete(transfers));
    this.#transfers.add(transfers);
  }
}

function open(fetch: FetchFunction, options: ServeOptions, port: number): Generation {
  const { hostname = "0.0.0.0", tls, reusePort } = options;
  const aborting = new AbortController();
  const server = Deno.serve({
    hostname,
    port,
    ...tls,
    ...(reusePort && { reusePort }),
    signal: aborting.signal,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  }, fetch);
  const { promise: failed, resolve: fail } = Promise.withResolvers<unknown>();
  server.finished.catch(fail);
  return { server, aborting, failed, fail };
}

/** Says why no connection can be accepted. */
export type Complain = (cause: unknown) => void;

/** Tells the log, but not with every connection that a client tries. */
export function complainer(log: Logger | undefined): Complain {
  let last = -Infinity;
  return (cause) => {
    if (performance.now() - last < QUIET) return;
    last = performance.now();
    if (isOutOfDescriptors(cause)) log?.error("Out of file descriptors: waiting for connections to end");
    else log?.error("Cannot accept connections: trying again", cause);
  };
}

/** EMFILE and ENFILE; the runtime's errors for them have no class and, from Deno.serve, no code. */
function isOutOfDescriptors(cause: unknown): boolean {
  return cause instanceof Error && /too many open (?:files|sockets)/i.test(cause.message);
}

/** Waits, but not longer than a signal lets it. */
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
