/**
 * A cap on how much happens at once, with a queue in front of it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** What a {@linkcode Limiter} allows. */
export interface LimiterOptions {
  /** How many may be inside at once, at least 1. */
  readonly max: number;
  /** Milliseconds that one waits for a place at most; 0 for not at all. */
  readonly queueMs: number;
}

/** Somebody in the queue. */
interface Waiter {
  /** Gives the place. */
  readonly admit: (place: Disposable) => void;
}

/**
 * Lets so many in at once; the others wait their turn, first come first served, and are told 503 after a while.
 *
 * It has no bound on the length of the queue: whoever waits is a connection, and those have their own.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { HttpError, Limiter } from "@x/pyserve";
 *
 * const limiter = new Limiter({ max: 1, queueMs: 10 });
 * {
 *   using _place = await limiter.enter();
 *   await assertRejects(() => limiter.enter(), HttpError, "busy");
 * }
 * assert(limiter.inside === 0);
 * ```
 */
export class Limiter {
  readonly #max: number;
  readonly #queueMs: number;
  readonly #queue = new Set<Waiter>();
  #inside = 0;

  /** Makes one. Throws RangeError where nobody could ever enter. */
  constructor({ max, queueMs }: LimiterOptions) {
    if (!(max >= 1)) throw new RangeError(`At least one must be let in, not ${max}`);
    this.#max = max;
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
   * @param signal Leaves the queue when it aborts; no place is given up by it.
   * @returns The place, to be disposed of by whoever leaves it; twice does no harm.
   * @throws HttpError 503 with Retry-After after the wait, the reason of the signal when it aborts.
   */
  enter(signal?: AbortSignal): Promise<Disposable> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#inside < this.#max) return Promise.resolve(this.#place());
    if (this.#queueMs <= 0) return Promise.reject(busy());
    return this.#wait(signal);
  }

  #wait(signal: AbortSignal | undefined): Promise<Disposable> {
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    const waiter: Waiter = {
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
    const timer = setTimeout(() => giveUp(busy()), this.#queueMs);
    signal?.addEventListener("abort", abort);
    this.#queue.add(waiter);
    return promise;
  }

  #place(): Disposable {
    this.#inside++;
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (!held) return;
        held = false;
        this.#inside--;
        this.#next();
      },
    };
  }

  #next(): void {
    const [waiter] = this.#queue; // a Set keeps the order of arrival
    waiter?.admit(this.#place());
  }
}

function busy(): HttpError {
  return new HttpError(503, "The server is busy; try again in a moment", { headers: { "retry-after": "1" } });
}
