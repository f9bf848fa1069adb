/**
 * A server that survives the loss of its listener.
 *
 * Deno.serve stops when accept fails because the process is out of file descriptors. Its accepted connections continue,
 * so another server on the same port can take over.
 *
 * @module
 */

import type { FetchFunction } from "../core/fetch.ts";
import { IntakeGuard } from "./intake.ts";
import { TurnGuard } from "./turn_guard.ts";
import type { RunningServer, ServeOptions } from "./types.ts";
import { keepAlive, NO_DELAY, openSockets, userTimeout } from "../system/sockets.ts";
import type { Logger } from "../core/types.ts";

/** Initial delay in milliseconds before listening again; doubled each time, because the cause may persist. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/** Minimum interval between log lines about the same problem, in milliseconds. */
const QUIET = 60_000;

/** How long a client may read nothing before it is disconnected, in milliseconds; the default of other servers. */
const STALL_MS = 60_000;

/** TCP keep-alive interval in seconds. */
const KEEP_ALIVE_S = 60;

/** One Deno.serve instance. */
interface Generation {
  readonly server: Deno.HttpServer<Deno.NetAddr>;
  readonly aborting: AbortController;
  /** Resolves to the reason for a failure, or to null after a requested stop. */
  readonly failed: Promise<unknown>;
  readonly fail: (reason: unknown) => void;
}

/** Runs Deno.serve, again and again on the same port, until it is stopped. */
export class Generations implements RunningServer {
  readonly address: Deno.NetAddr;
  readonly finished: Promise<void>;
  readonly #fetch: FetchFunction;
  readonly #options: ServeOptions;
  #port: number;
  readonly #complain: Complain;
  readonly #stopped = new AbortController();
  readonly #cut = Promise.withResolvers<void>();
  /** Transfers of instances that no longer listen. */
  readonly #transfers = new Set<Promise<void>>();
  readonly #sockets = openSockets();
  #guard: IntakeGuard | null = null;
  #turns: TurnGuard | null = null;
  /** The listening instance; null in the pause between two. */
  #current: Generation | null;

  /** Binds; throws system errors. */
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
    // Not after shutdown(), when it would cause an uncaught BadResource in the runtime and abort nothing.
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

  /** Listens again as soon as possible; null if stopped in the meantime. */
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
    // Accepted connections inherit the listener's options. Deno sets TCP_NODELAY itself, but not with TLS: there, the
    // second segment of a response waits 40 ms for the ACK of the first (Nagle's algorithm).
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
function isOutOfDescriptors(cause: unknown): boolean {
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
