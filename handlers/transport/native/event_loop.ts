/**
 * The event loop of the native transport, beside the runtime's own on the same thread.
 *
 * The runtime waits for its events in an epoll instance of its own, which is one of the descriptors watched here: so
 * this thread can wait here for a millisecond at a time, without another thread and without delaying the runtime. When
 * nothing has happened for some milliseconds, or promises are pending that may need timers and turns of the runtime,
 * the wait moves to another thread, and costs nothing until it ends.
 *
 * @module
 */

import type { Logger } from "../../core/types.ts";
import { Network, openNetworkCalls, READABLE } from "../../system/network.ts";

/** The longest turn in milliseconds, after which timers and promises of the runtime are due. */
const TURN_MS = 1;

/** Turns without an event before the wait moves to another thread. */
const IDLE_TURNS = 2;

/** Events handled between two looks at the clock. */
const EVENTS_PER_LOOK = 16;

/** What has a descriptor whose events are reported. */
export interface Watched {
  /** Its descriptor. */
  readonly descriptor: number;
  /** Handles events (epoll(7)). */
  ready(events: number): void;
  /** Told what that has thrown, which must not end the loop. */
  failed(error: unknown): void;
}

/** One loop per thread, for all servers on it. */
export class EventLoop {
  /** The system calls. */
  readonly network: Network;
  /** The time of this turn in milliseconds, as of performance.now. */
  now: number = performance.now();
  /** Counts the waits: a descriptor that is opened during one may have had another owner in it. */
  batch = 0;
  readonly #watched: (Watched | undefined)[] = [];
  readonly #births: number[] = [];
  #runtime = -1;
  #users = 0;
  #pending = 0;
  #idle = 0;
  #isAway = false;
  #hasWork = false;
  #ended: PromiseWithResolvers<void> | null = null;

  private constructor(network: Network) {
    this.network = network;
  }

  /**
   * The loop of this thread, started if it is not running.
   *
   * @throws Deno.errors.NotSupported without Linux and FFI; system errors.
   */
  static acquire(): EventLoop {
    const loop = current ?? EventLoop.#open();
    current = loop;
    loop.#users += 1;
    return loop;
  }

  static #open(): EventLoop {
    const calls = openNetworkCalls();
    if (calls === null) throw new Deno.errors.NotSupported("The native engine needs Linux and --allow-ffi");
    return new EventLoop(new Network(calls));
  }

  /**
   * Starts turning.
   *
   * @param runtime The epoll instance of the runtime; null if unknown: then it gets its turn once a millisecond.
   */
  start(runtime: number | null, log: Logger | undefined): void {
    if (this.#runtime < 0 && runtime !== null && this.network.watch(runtime, READABLE) >= 0) this.#runtime = runtime;
    if (this.#runtime < 0) log?.error("The runtime's epoll instance was not found: it may react a millisecond later");
    if (this.#users === 1 && this.#ended === null) {
      this.#ended = Promise.withResolvers();
      setImmediate(this.#turn);
    } else this.wake();
  }

  /** Ends the loop with its last user; resolves when all of it has ended. */
  async release(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0) return;
    if (current === this) current = null;
    if (this.#ended === null) return this.network[Symbol.dispose]();
    this.wake();
    await this.#ended.promise;
  }

  /** Reports the events of a descriptor; returns a negated errno on failure. */
  watch(watched: Watched, events: number): number {
    const { descriptor } = watched;
    const result = this.network.watch(descriptor, events);
    if (result < 0) return result;
    this.#watched[descriptor] = watched;
    this.#births[descriptor] = this.batch;
    return 0;
  }

  /** Reports other events of it. */
  change({ descriptor }: Watched, events: number): void {
    this.network.change(descriptor, events);
  }

  /** Closes a descriptor, which ends its events. */
  close({ descriptor }: Watched): void {
    this.#watched[descriptor] = undefined;
    this.network.close(descriptor);
  }

  /** Ends this turn as soon as its events are handled, so that promises that have been resolved continue. */
  hurry(): void {
    this.#hasWork = true;
  }

  /** Handlers and streams have begun to wait, or no longer do. */
  countPending(change: 1 | -1): void {
    this.#pending += change;
    this.#hasWork = true;
  }

  /** Ends a wait on another thread. */
  wake(): void {
    if (this.#isAway) this.network.ring();
  }

  readonly #turn = (): unknown => {
    if (this.#users === 0) return this.#end();
    const until = performance.now() + TURN_MS;
    this.#hasWork = false;
    let isIdle = true;
    for (let wait = 0;;) {
      const count = this.network.wait(wait);
      this.now = performance.now();
      if (count > 0) this.#handle(count, until);
      isIdle &&= count === 0;
      if (this.#hasWork || performance.now() >= until) break;
      if (count === 0 && this.#pending > 0) return this.#waitAway();
      wait = count > 0 ? 0 : 1;
    }
    this.#idle = isIdle ? this.#idle + 1 : 0;
    return this.#idle < IDLE_TURNS ? setImmediate(this.#turn) : this.#waitAway();
  };

  /** Handles events; those that are left when time is over are reported again. */
  #handle(count: number, until: number): void {
    const { network } = this;
    this.batch += 1;
    for (let i = 0; i < count; i++) {
      const descriptor = network.descriptorAt(i);
      if (descriptor === this.#runtime) this.#hasWork = true;
      else if (network.isBell(descriptor)) network.silenceBell();
      else {
        const watched = this.#watched[descriptor];
        if (watched !== undefined && this.#births[descriptor] !== this.batch) notify(watched, network.eventsAt(i));
      }
      if (i % EVENTS_PER_LOOK === EVENTS_PER_LOOK - 1 && performance.now() >= until) return;
    }
  }

  async #waitAway(): Promise<void> {
    this.#isAway = true;
    await this.network.waitAway(-1);
    this.#isAway = false;
    this.#idle = 0;
    this.#turn();
  }

  async #end(): Promise<void> {
    await this.network.settled();
    this.network[Symbol.dispose]();
    this.#ended!.resolve();
  }
}

function notify(watched: Watched, events: number): void {
  try {
    watched.ready(events);
  } catch (error) {
    watched.failed(error);
  }
}

/** The loop of this thread. */
let current: EventLoop | null = null;
