/**
 * A concurrency limit, in total and per client, with a queue.
 *
 * @module
 */

import { HttpError } from "./errors.ts";

/** Options of {@linkcode Limiter}. */
export interface LimiterOptions {
  /** Maximum concurrency, at least 1. */
  readonly max: number;
  /** Maximum concurrency per client, at least 1; defaults to `max`. */
  readonly maxPerClient?: number;
  /** Maximum time in the queue, in milliseconds; 0 to fail immediately, Infinity to wait indefinitely. */
  readonly queueMs: number;
}

/** A queued request. */
interface Waiter {
  readonly client: string;
  readonly rank: number;
  /** Grants the place. */
  readonly admit: (place: Disposable) => void;
}

/**
 * A semaphore with a limit per client; first in, first out among requests of the same rank. Requests that time out in the queue fail with 503, or with 429 if the
 * client itself is at its limit.
 *
 * A client at its limit does not block others queued after it. The queue is unbounded: each queued request has a
 * connection, and connections are limited elsewhere. Each worker process has its own limiter.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { HttpError } from "@x/pyserve";
 *
 * const limiter = new Limiter({ max: 2, maxPerClient: 1, queueMs: 10 });
 * {
 *   using _place = await limiter.enter("192.0.2.1");
 *   await assertRejects(() => limiter.enter("192.0.2.1"), HttpError, "Too many");
 *   using _another = await limiter.enter("192.0.2.2");
 *   await assertRejects(() => limiter.enter("192.0.2.3"), HttpError, "busy");
 * }
 * assert(limiter.inside === 0);
 * ```
 */
export class Limiter {
  readonly #max: number;
  readonly #maxPerClient: number;
  readonly #queueMs: number;
  readonly #queue = new Set<Waiter>();
  /** Places in use per client; clients without any are omitted. */
  readonly #held = new Map<string, number>();
  #inside = 0;

  /** Throws RangeError if a limit is below 1. */
  constructor({ max, maxPerClient = max, queueMs }: LimiterOptions) {
    if (!(max >= 1)) throw new RangeError(`The limit must be at least 1, not ${max}`);
    if (!(maxPerClient >= 1)) throw new RangeError(`The limit per client must be at least 1, not ${maxPerClient}`);
    this.#max = max;
    this.#maxPerClient = maxPerClient;
    this.#queueMs = queueMs;
  }

  /** The number of places in use. */
  get inside(): number {
    return this.#inside;
  }

  /** The number of queued requests. */
  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Acquires a place, waiting if necessary.
   *
   * @param client The client's key: see {@linkcode clientOf}. `""` is an unknown client, to which only the total limit
   * applies.
   * @param signal Leaves the queue when it aborts; does not release a place already acquired.
   * @param rank Lower ranks leave the queue before higher ones.
   * @returns The place; dispose of it to release it. Idempotent.
   * @throws HttpError 503 or 429 with Retry-After on timeout; the reason of the signal when it aborts.
   */
  enter(client = "", signal?: AbortSignal, rank = 0): Promise<Disposable> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#hasRoom(client)) return Promise.resolve(this.#place(client));
    if (this.#queueMs <= 0) return Promise.reject(this.#refusal(client));
    return this.#wait(client, signal, rank);
  }

  #hasRoom(client: string): boolean {
    return this.#inside < this.#max && !this.#hasItsShare(client);
  }

  #hasItsShare(client: string): boolean {
    return (this.#held.get(client) ?? 0) >= this.#maxPerClient;
  }

  #refusal(client: string): HttpError {
    const [status, message] = this.#inside < this.#max && this.#hasItsShare(client)
      ? [429, "Too many concurrent requests from your address; wait until one has finished"] as const
      : [503, "The server is busy; try again in a moment"] as const;
    return new HttpError(status, message, { headers: { "retry-after": "1" } });
  }

  #wait(client: string, signal: AbortSignal | undefined, rank: number): Promise<Disposable> {
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const waiter: Waiter = {
      client,
      rank,
      admit: (place) => {
        leave();
        resolve(place);
      },
    };
    const leave = () => {
      this.#queue.delete(waiter);
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
    };
    const giveUp = (reason: unknown) => {
      leave();
      reject(reason);
    };
    const abort = () => giveUp(signal?.reason);
    const timer = this.#queueMs === Infinity
      ? undefined
      : setTimeout(() => giveUp(this.#refusal(client)), this.#queueMs);
    signal?.addEventListener("abort", abort);
    this.#queue.add(waiter);
    return promise;
  }

  #place(client: string): Disposable {
    this.#count(client, 1);
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#count(client, -1);
        this.#next();
      },
    };
  }

  #count(client: string, change: 1 | -1): void {
    this.#inside += change;
    if (client === "") return;
    const held = (this.#held.get(client) ?? 0) + change;
    if (held > 0) this.#held.set(client, held);
    else this.#held.delete(client);
  }

  #next(): void {
    let next: Waiter | null = null;
    for (const waiter of this.#queue) { // Set iterates in insertion order: FIFO
      if ((next === null || waiter.rank < next.rank) && this.#hasRoom(waiter.client)) next = waiter;
      if (next?.rank === 0) break;
    }
    next?.admit(this.#place(next.client));
  }
}
