/**
 * How fast a file system answers.
 *
 * @module
 */

/** A look that takes longer than this, in milliseconds, says that the file system is slow: on a disk it takes 0.003. */
const SLOW_MS = 20;

/** So many in a row: a single one may only say that the machine is busy, and took the processor away in between. */
const SLOW_IN_A_ROW = 2;

/** For so long, in milliseconds, nobody waits for a slow file system in the main thread. */
const REST_MS = 10_000;

/**
 * Asking at once is ten times cheaper than asking in the background, but a network mount that hangs would stop the whole
 * server. So it is asked at once until that has taken too long, and then in the background for a while.
 */
export class Pace {
  #slowUntil = 0;
  #slowInARow = 0;

  /** Whether to ask in the background. */
  get isSlow(): boolean {
    return this.#slowUntil !== 0 && performance.now() < this.#slowUntil;
  }

  /** Asks at once, and takes the time: by a clock that is read in no time, because this is done for each request. */
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
