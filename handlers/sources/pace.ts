/**
 * Detects slow file systems.
 *
 * @module
 */

/** A system call slower than this, in milliseconds, indicates a slow file system; on a local disk it takes 0.003. */
const SLOW_MS = 20;

/** Consecutive slow calls required: a single one may be due to CPU scheduling on a busy machine. */
const SLOW_IN_A_ROW = 2;

/** How long, in milliseconds, a slow file system is accessed asynchronously only. */
const REST_MS = 10_000;

/**
 * Synchronous calls are ten times cheaper than asynchronous ones, but a hung network mount would block the whole
 * server. So calls are synchronous until they prove slow, and then asynchronous for a while.
 */
export class Pace {
  #slowUntil = 0;
  #slowInARow = 0;

  /** Whether to use asynchronous calls. */
  get isSlow(): boolean {
    return this.#slowUntil !== 0 && performance.now() < this.#slowUntil;
  }

  /** Times a synchronous call. Uses `Date.now()`, the cheapest clock, because this runs on every request. */
  measure<T>(ask: () => T): T {
    const start = Date.now();
    try {
      return ask();
    } finally {
      const end = Date.now();
      this.#slowInARow = end - start > SLOW_MS ? this.#slowInARow + 1 : 0;
      if (this.#slowInARow >= SLOW_IN_A_ROW) this.#slowUntil = performance.now() + REST_MS;
    }
  }
}
