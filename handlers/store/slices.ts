/**
 * Time slicing shared by all uploads: other requests are served in between, however many uploads there are.
 *
 * @module
 */

/** Milliseconds of work in one slice. */
const SLICE_MS = 4;

/** The work of all uploads of this process, and those waiting for a slice. */
export class SharedSlices {
  #worked = 0;
  readonly #waiting: (() => void)[] = [];

  /** Does work and accounts for its time. */
  run<T>(work: () => T): T {
    const start = performance.now();
    try {
      return work();
    } finally {
      this.#worked += performance.now() - start;
    }
  }

  /** Whether it is time to `await` {@linkcode next}. */
  get due(): boolean {
    return this.#worked >= SLICE_MS;
  }

  /**
   * Waits for the next slice; one upload resumes at a time. Uses timers, because work that is ready at once keeps the
   * runtime from polling its connections (`core/turns.ts`).
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

/** The slices of this process. */
export const slices: SharedSlices = new SharedSlices();
