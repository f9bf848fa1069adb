/**
 * Mutual exclusion by key, within this process.
 *
 * @module
 */

/** Runs work on the same key one after the other. */
export class Mutex {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs work when all earlier work on the key has ended. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const running = before.then(work, work);
    this.#last.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(key) === running) this.#last.delete(key);
    }
  }
}
