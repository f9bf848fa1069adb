/**
 * A server that survives the loss of its listener, and can replace it.
 *
 * Deno.serve stops when accept fails because the process is out of file descriptors. Its accepted connections continue,
 * so another server at the same endpoint can take over. A server with a new certificate takes over from a running one
 * in the same way.
 *
 * @module
 */

import type { FetchFunction } from "../core/fetch.ts";
import { keepAlive, NO_DELAY, openSockets, type SocketOption, type Sockets, userTimeout } from "../system/sockets.ts";
import { Binding, type ListenAddress } from "./binding.ts";
import { type Certificates, certificatesOf, type TlsPair } from "./certificates.ts";
import { type Complain, complainer, isOutOfDescriptors, sleep } from "./complain.ts";
import { endpointOf, type ServerAddr } from "./endpoint.ts";
import { IntakeGuard } from "./intake.ts";
import { Padding } from "./padding.ts";
import { TurnGuard } from "./turn_guard.ts";
import type { RunningServer, ServeOptions } from "./types.ts";

/** Initial delay in milliseconds before listening again; doubled each time, because the cause may persist. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/** How long a client may read nothing before it is disconnected, in milliseconds; the default of other servers. */
const STALL_MS = 60_000;

/** TCP keep-alive interval in seconds. */
const KEEP_ALIVE_S = 60;

/** How long TLS handshakes may take to begin when the server stops, in milliseconds. */
const HANDSHAKE_MS = 1_000;

/**
 * Socket options for listeners, which accepted connections inherit. Deno sets TCP_NODELAY itself, but not with TLS:
 * there, the second segment of a response waits 40 ms for the ACK of the first (Nagle's algorithm). TCP_DEFER_ACCEPT
 * would not limit silent clients: when its time is over, Linux accepts them nevertheless.
 */
export function optionsOfListeners({ stallMs = STALL_MS }: Pick<ServeOptions, "stallMs">): readonly SocketOption[] {
  return [NO_DELAY, userTimeout(stallMs), ...keepAlive(KEEP_ALIVE_S)];
}

/** One Deno.serve instance. */
interface Generation {
  readonly server: Deno.HttpServer<Deno.Addr>;
  readonly aborting: AbortController;
  /** Resolves to the reason for a failure, or to null after a requested stop or exchange. */
  readonly failed: Promise<unknown>;
  readonly fail: (reason: unknown) => void;
}

/** Runs Deno.serve, again and again at the same endpoint, until it is stopped. */
export class Generations implements RunningServer<ServerAddr> {
  readonly address: ServerAddr;
  readonly finished: Promise<void>;
  readonly #fetch: FetchFunction;
  readonly #options: ServeOptions;
  readonly #binding: Binding<Generation>;
  readonly #certificates: Certificates | null;
  readonly #complain: Complain;
  readonly #stopped = new AbortController();
  readonly #cut = Promise.withResolvers<void>();
  /** Transfers of instances that no longer listen. */
  readonly #transfers = new Set<Promise<void>>();
  readonly #resources = new DisposableStack();
  readonly #sockets: Sockets | null;
  readonly #padding = new Padding();
  #guard: IntakeGuard | null = null;
  /** The certificate for the next instance. */
  #pair: TlsPair | null;
  /** The certificate of the latest instance. */
  #usable: TlsPair | null = null;
  /** The listening instance; null in the pause between two. */
  #current: Generation | null = null;
  /** The previous instance: it accepts no new connections, but still serves its existing ones. */
  #previous: Generation | null = null;

  /** Binds; throws system errors. */
  constructor(fetch: FetchFunction, options: ServeOptions) {
    this.#fetch = fetch;
    this.#complain = complainer(options.log);
    this.#options = options;
    this.#certificates = certificatesOf(options.tls);
    this.#pair = this.#certificates?.current() ?? null;
    this.#sockets = this.#resources.use(openSockets());
    this.#binding = this.#resources.use(
      new Binding(endpointOf(options), {
        open: (place) => this.#serve(place),
        close: (generation) => this.#keep(generation.server.shutdown()),
        addressOf: ({ server }) => server.addr as ServerAddr,
        secure: this.#pair !== null,
      }),
    );
    try {
      this.#current = this.#open();
    } catch (error) {
      this.#resources.dispose();
      throw error;
    }
    this.address = this.#binding.address;
    this.#watch(this.address);
    this.finished = this.#run();
  }

  async drain(): Promise<void> {
    this.#stop();
    const quiet = this.#binding.quiesce();
    if (quiet) await quiet;
    this.#retire(this.#previous);
    this.#retire(this.#current);
    this.#previous = this.#current = null;
    await Promise.all([this.finished, this.#endHandshakes()]);
  }

  async abort(): Promise<void> {
    this.#stop();
    const running = [this.#previous, this.#current].filter((generation) => generation !== null);
    this.#previous = this.#current = null;
    // Not after shutdown(), when it would cause an uncaught BadResource in the runtime and abort nothing.
    for (const { aborting } of running) aborting.abort();
    await Promise.all(running.map(({ server }) => server.finished.catch(() => {})));
    this.#cut.resolve();
    await this.finished;
  }

  /** Starts monitoring the connections. */
  #watch(address: ServerAddr): void {
    const { log, tls } = this.#options;
    if (this.#certificates) this.#resources.defer(this.#certificates.usedBy((pair) => this.#exchange(pair)));
    if (!this.#sockets || "path" in address) return;
    this.#guard = this.#resources.use(new IntakeGuard(this.#sockets, address.port, log));
    if (tls) this.#resources.use(new TurnGuard(address.port, this.#guard.uploading, log));
  }

  #stop(): void {
    this.#stopped.abort();
    this.#binding.withdraw();
    this.#current?.fail(null);
  }

  /** After a while, disconnects clients that have not begun their TLS handshake, for which the runtime would wait. */
  async #endHandshakes(): Promise<void> {
    const { address } = this;
    if (!this.#sockets || !this.#options.tls || "path" in address) return;
    const ended = new AbortController();
    const end = () => ended.abort();
    this.finished.then(end, end);
    await sleep(HANDSHAKE_MS, ended.signal);
    if (ended.signal.aborted) return;
    for (const connection of this.#sockets.connections(address.port)) {
      if (this.#sockets.traffic(connection)?.sent === 0) this.#sockets.reset(connection);
    }
  }

  /** Waits for the current instance to fail, and replaces it, until stopped. */
  async #run(): Promise<void> {
    let pause = SHORTEST_PAUSE / 2;
    while (this.#current !== null && !this.#stopped.signal.aborted) {
      const generation = this.#current;
      const since = performance.now();
      const reason = await generation.failed;
      if (reason === null) continue;
      this.#current = null;
      this.#retire(generation);
      this.#complain(reason);
      pause = performance.now() - since > LONGEST_PAUSE ? SHORTEST_PAUSE : Math.min(pause * 2, LONGEST_PAUSE);
      await this.#reopen(pause);
    }
    for (const generation of [this.#previous, this.#current]) if (generation) this.#keep(generation.server.finished);
    await Promise.race([Promise.all(this.#transfers), this.#cut.promise]);
    this.#resources.dispose();
  }

  /** Listens again as soon as possible, unless stopped in the meantime. */
  async #reopen(pause: number): Promise<void> {
    for (;; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      await sleep(pause, this.#stopped.signal);
      if (this.#stopped.signal.aborted) return;
      try {
        this.#current = this.#open();
        return;
      } catch (error) {
        if (error instanceof Deno.errors.NotCapable) throw error;
        // A certificate that was replaced in the meantime has not been tried yet.
        if (!isOutOfDescriptors(error)) this.#pair = this.#usable;
        this.#complain(error);
      }
    }
  }

  /** Switches new connections to an instance with another certificate. */
  #exchange(pair: TlsPair): void {
    const before = this.#pair;
    const current = this.#current;
    this.#pair = pair;
    if (current === null || this.#stopped.signal.aborted) return; // the next instance will use it
    try {
      this.#current = this.#binding.succeed();
      this.#usable = pair;
    } catch (error) {
      this.#pair = before;
      throw error;
    }
    this.#retire(this.#previous);
    this.#previous = current;
    current.fail(null);
  }

  #open(): Generation {
    const generation = this.#binding.open();
    this.#usable = this.#pair;
    const { address } = this.#binding;
    if ("port" in address) this.#sockets?.setOnListeners(address.port, optionsOfListeners(this.#options));
    return generation;
  }

  #serve(place: ListenAddress): Generation {
    return serve("path" in place ? this.#fetch : this.#onConnections(), {
      ...place,
      ...this.#pair,
      ...(this.#options.reusePort && { reusePort: true }),
    });
  }

  /** The function with what concerns TCP connections around it. */
  #onConnections(): FetchFunction {
    const padded: FetchFunction = (request, info) => this.#padding.answer(this.#fetch, request, info);
    if (this.#sockets === null) return padded;
    return (request, info) => this.#guard!.answer(padded, request, info);
  }

  #retire(generation: Generation | null): void {
    if (generation) this.#keep(generation.server.shutdown());
  }

  #keep(end: Promise<void>): void {
    const transfers = end.catch(() => {}).finally(() => this.#transfers.delete(transfers));
    this.#transfers.add(transfers);
  }
}

function serve(fetch: FetchFunction, options: ListenAddress & Partial<TlsPair> & { reusePort?: boolean }): Generation {
  const aborting = new AbortController();
  const server = Deno.serve({
    ...options as Deno.ServeTcpOptions,
    signal: aborting.signal,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  }, fetch);
  const { promise: failed, resolve: fail } = Promise.withResolvers<unknown>();
  server.finished.catch(fail);
  return { server, aborting, failed, fail };
}
