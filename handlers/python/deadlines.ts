/**
 * Timeouts for many connections with a single timer: setting one is a number assignment.
 *
 * @module
 */

/** Resolution in milliseconds. */
const TICK = 100;

/** An object with a timeout. */
export interface Limited {
  /** Called periodically with the current tick. */
  expire(now: number): void;
}

/** A coarse clock that notifies its subscribers. Runs only while there are any. */
export class Deadlines {
  /** The current tick. */
  now = 0;
  readonly #limited = new Set<Limited>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** The tick a number of seconds from now; Infinity for null. */
  after(seconds: number | null): number {
    return seconds === null ? Infinity : this.now + Math.ceil(seconds * 1000 / TICK) + 1;
  }

  /** Seconds elapsed since a tick. */
  since(then: number): number {
    return (this.now - then) * TICK / 1000;
  }

  add(limited: Limited): void {
    this.#limited.add(limited);
    this.#timer ??= setInterval(() => this.#tick(), TICK);
  }

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
