/**
 * Time limits for many connections with one timer: setting one costs a number, not a timer.
 *
 * @module
 */

/** Milliseconds between two looks: no limit is exacter than this. */
const TICK = 100;

/** Something that has a time limit. */
export interface Limited {
  /** Told the time, in ticks, now and then. */
  expire(now: number): void;
}

/** A coarse clock, and those who want to be told when it has gone on. It runs only while there are any. */
export class Deadlines {
  /** The time in ticks. */
  now = 0;
  readonly #limited = new Set<Limited>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** The time, in ticks, a number of seconds from now; never for null. */
  after(seconds: number | null): number {
    return seconds === null ? Infinity : this.now + Math.ceil(seconds * 1000 / TICK) + 1;
  }

  /** Seconds that have gone by since a time, in ticks. */
  since(then: number): number {
    return (this.now - then) * TICK / 1000;
  }

  /** Begins to tell. */
  add(limited: Limited): void {
    this.#limited.add(limited);
    this.#timer ??= setInterval(() => this.#tick(), TICK);
  }

  /** Ends to tell. */
  delete(limited: Limited): void {
    this.#limited.delete(limited);
    if (this.#limited.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.now += 1;
    for (const limited of this.#limited) limited.expire(this.now);
  }
}
