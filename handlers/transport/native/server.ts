/**
 * A server of the native transport: accepts connections, and ends them.
 *
 * @module
 */

import type { FetchFunction } from "../../core/fetch.ts";
import { isRepeatable } from "../../core/shortcuts.ts";
import { clientOf } from "../../http/client.ts";
import { Block } from "../../system/block.ts";
import { EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../system/libc.ts";
import { READABLE } from "../../system/network.ts";
import { keepAlive, NO_DELAY, userTimeout } from "../../system/sockets.ts";
import { type Complain, complainer } from "../complain.ts";
import { endpointOf, type ServerAddr } from "../endpoint.ts";
import type { RunningServer, ServeOptions } from "../types.ts";
import { Connection } from "./connection.ts";
import { EventLoop, type Watched } from "./event_loop.ts";
import { type Listening, openListening } from "./listening.ts";
import { Stage } from "./outbox.ts";
import { Repeats } from "./repeats.ts";
import type { NativeLimits, ServedConnection, Shared } from "./shared.ts";

/** Received at once. */
const RECEIVED_BYTES = 65_536;

/** Connections accepted before others have their turn. */
const ACCEPTED_AT_ONCE = 64;

/** Errors by which the system says that it has no room. */
const NO_ROOM: readonly number[] = [EMFILE, ENFILE, ENOBUFS, ENOMEM];

/** How long to wait for room, in milliseconds. */
const PAUSE_MS = 50;

/** Connections closed to make room: a response needs a descriptor for its file, too. */
const SHED_AT_ONCE = 8;

/** How long connections are idle before they are closed to make room, in milliseconds. */
const SHED_MS = 1_000;

/** How long clients that have connected may take to send something before a drain, in milliseconds. */
const FIRST_REQUEST_MS = 1_000;

/** How often limits in time are looked at. */
const LOOK_MS = 250;

/** TCP keep-alive interval in seconds. */
const KEEP_ALIVE_S = 60;

const DEFAULTS: NativeLimits = {
  headMs: 10_000,
  bodyMs: 60_000,
  idleMs: 60_000,
  stallMs: 60_000,
  connections: Infinity,
  connectionsPerAddress: Infinity,
};

/** Options of `serveNative`. */
export interface NativeServeOptions extends Omit<ServeOptions, "tls"> {
  /** Limits; see there for the defaults. */
  readonly limits?: Partial<NativeLimits>;
}

/** Serves a fetch function. */
export class NativeServer implements RunningServer<ServerAddr>, Watched {
  readonly address: ServerAddr;
  readonly finished: Promise<void>;
  readonly descriptor: number;
  readonly #loop: EventLoop;
  readonly #listening: Listening;
  readonly #shared: Shared & { isStopping: boolean };
  readonly #complain: Complain;
  readonly #connections = new Set<Connection>();
  readonly #byClient = new Map<string, number>();
  readonly #ended = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setInterval>;
  #pause: ReturnType<typeof setTimeout> | null = null;
  #isAccepting = true;
  #isOver = false;

  /** Binds; throws system errors, and Deno.errors.NotSupported. */
  constructor(fetch: FetchFunction, options: NativeServeOptions) {
    this.#complain = complainer(options.log);
    this.#loop = EventLoop.acquire();
    try {
      this.#listening = openListening(endpointOf(options), this.#loop.network, options.reusePort ?? false);
      this.descriptor = this.#listening.descriptor;
      this.address = this.#listening.address;
      this.#shared = this.#share(fetch, options);
      this.#listen();
    } catch (error) {
      this.#loop.release();
      throw error;
    }
    this.#loop.start(this.#listening.runtime, options.log);
    this.#timer = setInterval(() => this.#expire(), LOOK_MS);
    Deno.unrefTimer(this.#timer as unknown as number);
    this.finished = this.#ended.promise;
  }

  ready(): void {
    const { network } = this.#loop;
    for (let count = 0; count < ACCEPTED_AT_ONCE && this.#isAccepting; count++) {
      const descriptor = network.accept(this.descriptor);
      if (descriptor >= 0) this.#take(descriptor);
      else if (descriptor === -EAGAIN) return;
      else if (descriptor !== -ECONNABORTED) return this.#makeRoom(-descriptor);
    }
  }

  failed(error: unknown): void {
    this.#complain(error);
  }

  async drain(): Promise<void> {
    this.#stop();
    for (const connection of this.#connections) {
      if (connection.isIdle && !connection.isNew) connection.close();
      else if (connection.isSwitched) connection.abort(stopped());
    }
    this.#endIfEmpty();
    await this.finished;
  }

  async abort(): Promise<void> {
    this.#stop();
    for (const connection of this.#connections) connection.abort(stopped());
    this.#endIfEmpty();
    await this.finished;
  }

  #share(fetch: FetchFunction, { log, stallMs, limits }: NativeServeOptions): Shared & { isStopping: boolean } {
    const { address } = this;
    return {
      loop: this.#loop,
      fetch,
      limits: { ...DEFAULTS, ...(stallMs !== undefined && { stallMs }), ...limits },
      log,
      received: Block.allocate(RECEIVED_BYTES),
      stage: new Stage(),
      repeats: new Repeats(this.#loop.network),
      repeat: isRepeatable(fetch) ? { isFresh: null, log: null, count: null } : null,
      port: "port" in address ? address.port : 0,
      isStopping: false,
      closed: (connection) => this.#closed(connection),
    };
  }

  #listen(): void {
    const { network } = this.#loop;
    // What is accepted inherits them.
    const options = [NO_DELAY, userTimeout(this.#shared.limits.stallMs), ...keepAlive(KEEP_ALIVE_S)];
    if ("port" in this.address) { for (const option of options) network.setOption(this.descriptor, ...option); }
    const result = this.#loop.watch(this, READABLE);
    if (result >= 0) return;
    network.close(this.descriptor);
    this.#listening.withdraw();
    this.#listening.close();
    throw new Error(`Cannot watch a socket: errno ${-result}`);
  }

  #take(descriptor: number): void {
    const connection = new Connection(descriptor, this.#shared);
    const client = clientKey(connection);
    const { limits } = this.#shared;
    const count = (this.#byClient.get(client) ?? 0) + 1;
    if (count > limits.connectionsPerAddress || this.#loop.watch(connection, Connection.EVENTS) < 0) {
      return this.#loop.network.close(descriptor);
    }
    this.#byClient.set(client, count);
    this.#connections.add(connection);
    if (this.#connections.size >= limits.connections) this.#accept(false);
  }

  #closed(connection: ServedConnection): void {
    if (!this.#connections.delete(connection as Connection)) return;
    const client = clientKey(connection);
    const count = this.#byClient.get(client)! - 1;
    if (count > 0) this.#byClient.set(client, count);
    else this.#byClient.delete(client);
    if (this.#shared.isStopping) this.#endIfEmpty();
    else if (this.#pause === null && this.#connections.size < this.#shared.limits.connections) this.#accept(true);
  }

  /** Begins or ends accepting connections; those that wait stay in the socket. */
  #accept(on: boolean): void {
    if (on === this.#isAccepting || this.#shared.isStopping) return;
    this.#isAccepting = on;
    this.#loop.change(this, on ? READABLE : 0);
  }

  /** Closes connections that have been idle for long; waits if there are none. */
  #makeRoom(errno: number): void {
    this.#complain(new Error(NO_ROOM.includes(errno) ? "Too many open files" : `errno ${errno}`));
    const idle = [...this.#connections].filter(({ isIdle, waitedMs }) => isIdle && waitedMs >= SHED_MS)
      .sort((one, other) => other.waitedMs - one.waitedMs);
    for (const connection of idle.slice(0, SHED_AT_ONCE)) connection.close();
    if (idle.length > 0) return;
    this.#pause = setTimeout(() => {
      this.#pause = null;
      if (this.#connections.size < this.#shared.limits.connections) this.#accept(true);
    }, PAUSE_MS);
    this.#accept(false);
  }

  #expire(): void {
    this.#loop.now = performance.now();
    for (const connection of this.#connections) {
      const isLate = this.#shared.isStopping && connection.isNew && connection.waitedMs >= FIRST_REQUEST_MS;
      if (isLate) connection.close();
      else connection.expire();
    }
  }

  #stop(): void {
    if (this.#shared.isStopping) return;
    this.#shared.isStopping = true;
    this.#isAccepting = false;
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#loop.close(this);
    this.#listening.withdraw();
    this.#listening.close();
  }

  #endIfEmpty(): void {
    if (this.#connections.size > 0 || this.#isOver) return;
    this.#isOver = true;
    this.#shared.repeats.end();
    clearInterval(this.#timer);
    this.#loop.release().then(this.#ended.resolve, this.#ended.reject);
  }
}

function stopped(): Error {
  return new Deno.errors.Interrupted("The server has been stopped");
}

/** Clients of a Unix socket are one. */
function clientKey({ remoteAddr }: ServedConnection): string {
  return "hostname" in remoteAddr ? clientOf(remoteAddr.hostname, NO_HEADERS) : "";
}

const NO_HEADERS = new Headers();
