/**
 * Work of uploads in slices that they all share: however many there are, other requests are answered in between.
 *
 * @module
 */

/** Milliseconds of work in one turn. */
const SLICE_MS = 4;

/** The work of all uploads of this process, and those that wait for their next turn. */
export class Turns {
  #worked = 0;
  readonly #waiting: (() => void)[] = [];

  /** Does work, and takes the time. */
  take<T>(work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.#worked += performance.now() - start;
    }
  }

  /** Whether it is time to `await` the {@linkcode next} turn. */
  get due(): boolean {
    return this.#worked >= SLICE_MS;
  }

  /**
   * Waits for the next turn, in which others have not worked yet: one goes on at a time. By timers, because what goes on
   * at once keeps the runtime from looking at its connections (`listing/turns.ts`).
   */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#arm();
    });
  }

  #arm(): void {
    setTimeout(() => {
      this.#worked = 0;
      this.#waiting.shift()!();
      if (this.#waiting.length > 0) this.#arm();
    }, 0);
  }
}

/** The turns of this process. */
export const turns: Turns = new Turns();
