/**
 * Receives a body, unless a piece of it takes too long.
 *
 * @module
 */

/** Pieces of a body. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** The error of an answer that is late. */
export function tooLate(): DOMException {
  return new DOMException("The store did not respond in time", "TimeoutError");
}

/** The size of a piece: smaller ones, as the runtime makes them by itself, take half as much time again. */
const PIECE_BYTES = 262_144;

/** A body that is being received. One timer at a time watches it: one for each piece takes as long as receiving the piece. */
export class Receiver implements Disposable {
  readonly #reader: ReadableStreamBYOBReader;
  readonly #timeoutMs: number;
  /** Since when a piece is awaited; null while none is. */
  #since: number | null = null;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #isLate = false;

  constructor(body: ReadableStream<Bytes>, timeoutMs: number) {
    this.#reader = body.getReader({ mode: "byob" });
    this.#timeoutMs = timeoutMs;
  }

  /** The next piece, of so many bytes at most; null at the end. */
  async next(most = PIECE_BYTES): Promise<Bytes | null> {
    this.#since = performance.now();
    this.#timer ??= setTimeout(() => this.#look(), this.#timeoutMs);
    const { done, value } = await this.#reader.read(new Uint8Array(Math.min(most, PIECE_BYTES)));
    this.#since = null;
    if (this.#isLate) throw tooLate();
    if (!done) return value;
    this[Symbol.dispose]();
    return null;
  }

  #look(): void {
    this.#timer = null;
    if (this.#since === null) return;
    const left = this.#since + this.#timeoutMs - performance.now();
    if (left > 0) {
      this.#timer = setTimeout(() => this.#look(), left);
      return;
    }
    this.#isLate = true;
    this.#reader.cancel().catch(() => {}); // the pending read ends
  }

  /** Stops receiving; can be called more than once. */
  [Symbol.dispose](): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#reader.cancel().catch(() => {}); // it may have failed already
  }
}
