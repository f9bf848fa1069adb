/**
 * Noticing that a client leaves before it has its answer.
 *
 * @module
 */

/** Milliseconds after which it is looked for: most answers are faster, and looking has its price. */
const PATIENCE_MS = 200;

/**
 * Watches for the client of a request to leave, until it is disposed of: from then on the stream of the response is told.
 *
 * `request.signal` is first touched after a while, because the runtime warns of a coming change of it when it is (it will
 * no longer abort at the end of a good response, which is all the same here).
 */
export class Departure implements Disposable {
  readonly #controller = new AbortController();
  readonly #timer: ReturnType<typeof setTimeout>;
  #request: Request | null;

  /** Begins to watch. */
  constructor(request: Request) {
    this.#request = request;
    this.#timer = setTimeout(() => this.#watch(request.signal), PATIENCE_MS);
  }

  /** Aborts when the client has left. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  #watch(signal: AbortSignal): void {
    const leave = () => this.#request && this.#controller.abort(signal.reason);
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave);
  }

  [Symbol.dispose](): void {
    this.#request = null;
    clearTimeout(this.#timer);
  }
}
