/**
 * A cap on how much happens at once, in all and for each client, with a queue in front of it.
 *
 * @module
 */

import { HttpError } from "./errors.ts";

/** What a {@linkcode Limiter} allows. */
export interface LimiterOptions {
  /** How many may be inside at once, at least 1. */
  readonly max: number;
  /** How many of these may be of one client, at least 1; `max` unless given. */
  readonly maxPerClient?: number;
  /** Milliseconds to wait for a place at most; 0 for not at all, Infinity for as long as it takes. */
  readonly queueMs: number;
}

/** A request in the queue. */
interface Waiter {
  readonly client: string;
  /** Gives the place. */
  readonly admit: (place: Disposable) => void;
}

/**
 * A semaphore that lets so many in at once, and so many of one client; the others wait their turn, first come first
 * served, and are told 503 (or 429, where the client itself has all it may have) after a while.
 *
 * A waiting client that has its share does not hold up those behind it. The length of the queue has no bound: each
 * request in it is a connection, and those have their own. Each worker process has a limiter of its own.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { HttpError, Limiter } from "@x/pyserve";
 *
 * const limiter = new Limiter({ max: 2, maxPerClient: 1, queueMs: 10 });
 * {
 *   using _place = await limiter.enter("192.0.2.1");
 *   await assertRejects(() => limiter.enter("192.0.2.1"), HttpError, "as many");
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
  /** Places by client, without those that have none. */
  readonly #held = new Map<string, number>();
  #inside = 0;

  /** Makes one. Throws RangeError where it would let nobody in. */
  constructor({ max, maxPerClient = max, queueMs }: LimiterOptions) {
    if (!(max >= 1)) throw new RangeError(`At least one must be let in, not ${max}`);
    if (!(maxPerClient >= 1)) throw new RangeError(`At least one of each client must be let in, not ${maxPerClient}`);
    this.#max = max;
    this.#maxPerClient = maxPerClient;
    this.#queueMs = queueMs;
  }

  /** How many are inside. */
  get inside(): number {
    return this.#inside;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#queue.size;
  }

  /**
   * Waits for a place.
   *
   * @param client Whose place it is to be: see {@linkcode clientOf}. `""` is an unknown client, to which only the bound in
   * all applies.
   * @param signal Leaves the queue when it aborts; no place is given up by it.
   * @returns The place, to be disposed of at the end; twice does no harm.
   * @throws HttpError 503 or 429 with Retry-After after the wait, the reason of the signal when it aborts.
   */
  enter(client = "", signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#hasRoom(client)) return Promise.resolve(this.#place(client));
    if (this.#queueMs <= 0) return Promise.reject(this.#refusal(client));
    return this.#wait(client, signal);
  }

  #hasRoom(client: string): boolean {
    return this.#inside < this.#max && !this.#hasItsShare(client);
  }

  #hasItsShare(client: string): boolean {
    return (this.#held.get(client) ?? 0) >= this.#maxPerClient;
  }

  #refusal(client: string): HttpError {
    const [status, message] = this.#inside < this.#max && this.#hasItsShare(client)
      ? [429, "You have as many of these running as one client may have; wait until one has ended"] as const
      : [503, "The server is busy; try again in a moment"] as const;
    return new HttpError(status, message, { headers: { "retry-after": "1" } });
  }

  #wait(client: string, signal: AbortSignal | undefined): Promise<Disposable> {
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const waiter: Waiter = {
      client,
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
    for (const waiter of this.#queue) { // a Set keeps the order of arrival
      if (!this.#hasRoom(waiter.client)) continue;
      return waiter.admit(this.#place(waiter.client));
    }
  }
}
