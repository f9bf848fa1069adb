/** A deadline that moves often and is missed seldom: moving it costs no timer. */
export class Watchdog {
  #deadline = Infinity;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #wakesAt = Infinity;
  #bark: () => void = () => {};

  /** Calls in so many milliseconds, instead of what was set before. 0 for never. */
  set(ms: number, bark: () => void): void {
    if (ms === 0) return this.rest();
    this.#bark = bark;
    this.#deadline = performance.now() + ms;
    if (this.#timer !== null && this.#wakesAt <= this.#deadline) return;
    this.stop(this.#deadline);
    this.#sleep(ms);
  }

  /** Calls nobody, until it is set again. */
  rest(): void {
    this.#deadline = Infinity;
  }

  /** Gives up the timer, too: no later than at the end. */
  stop(deadline = Infinity): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#wakesAt = Infinity;
    this.#deadline = deadline;
  }

  #sleep(ms: number): void {
    this.#wakesAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#wake(), ms);
  }

  #wake(): void {
    this.#timer = null;
    this.#wakesAt = Infinity;
    if (this.#deadline === Infinity) return;
    const left = this.#deadline - performance.now();
    if (left >= 1) return this.#sleep(Math.ceil(left));
    this.#deadline = Infinity;
    this.#bark();
  }
}
