/** A deadline that moves often and is rarely missed: moving it costs no timer. */
export class Watchdog {
  #deadline = Infinity;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #wakesAt = Infinity;
  #bark: () => void = () => {};

  /** Calls back after the given milliseconds, replacing any earlier deadline; 0 = never. */
  set(ms: number, bark: () => void): void {
    if (ms === 0) return this.rest();
    this.#bark = bark;
    this.#deadline = performance.now() + ms;
    if (this.#timer !== null && this.#wakesAt <= this.#deadline) return;
    this.stop(this.#deadline);
    this.#sleep(ms);
  }

  /** Suspends it until the next `set`; keeps the timer. */
  rest(): void {
    this.#deadline = Infinity;
  }

  /** Clears the timer as well. Call it when done. */
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
