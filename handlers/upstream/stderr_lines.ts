/**
 * Standard error as log lines: line length and rate are bounded, and the last lines are kept for error messages.
 *
 * @module
 */

/** Limits on the output of {@linkcode StderrLines}. */
export interface StderrLimits {
  /** Bytes kept of each line. */
  readonly line: number;
  /** Lines passed on per window. */
  readonly lines: number;
  /** Length of a window in milliseconds. */
  readonly windowMs: number;
  /** Number of last lines kept. */
  readonly tail: number;
}

/** The defaults. */
export const STDERR_LIMITS: StderrLimits = { line: 4096, lines: 1000, windowMs: 60_000, tail: 20 };

const NEWLINE = 0x0a;

const DECODER = new TextDecoder();

/** Most programs write nothing to standard error. */
const NO_BYTES = new Uint8Array();

/** Splits bytes into lines and drops what exceeds the rate limit. Lines are not escaped: the log does that. */
export class StderrLines {
  readonly tail: string[] = [];
  readonly #emit: (line: string) => void;
  readonly #limits: StderrLimits;
  /** The start of an unfinished line, up to the maximum length. */
  #line = NO_BYTES;
  #used = 0;
  #cut = false;
  #windowEnd = 0;
  #budget = 0;
  /** Bytes dropped since the last report. */
  #dropped = 0;

  constructor(emit: (line: string) => void, limits: StderrLimits = STDERR_LIMITS) {
    this.#emit = emit;
    this.#limits = limits;
  }

  take(bytes: Uint8Array): void {
    let from = this.#skip(bytes);
    for (let end = bytes.indexOf(NEWLINE, from); end >= 0; end = bytes.indexOf(NEWLINE, from)) {
      this.#append(bytes.subarray(from, end));
      this.#endLine();
      from = end + 1;
    }
    this.#append(bytes.subarray(from));
  }

  end(): void {
    if (this.#used > 0 || this.#cut) this.#endLine();
    this.#sayDropped();
  }

  /** Over the rate limit, only the last lines of a chunk are decoded. Returns the offset of the first of them. */
  #skip(bytes: Uint8Array): number {
    if (!this.#isFlood()) return 0;
    let from = bytes.length;
    for (let i = 0; i <= this.#limits.tail && from > 0; i++) from = bytes.lastIndexOf(NEWLINE, from - 1);
    if (from <= 0) return 0;
    this.#dropped += this.#used + from;
    this.#used = 0;
    this.#cut = false;
    return from + 1;
  }

  #append(bytes: Uint8Array): void {
    const room = this.#limits.line - this.#used;
    if (bytes.length > room) this.#cut = true;
    const kept = bytes.subarray(0, room);
    const used = this.#used + kept.length;
    if (used > this.#line.length) this.#grow(used);
    this.#line.set(kept, this.#used);
    this.#used = used;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.min(this.#limits.line, Math.max(256, needed, this.#line.length * 4)));
    larger.set(this.#line.subarray(0, this.#used));
    this.#line = larger;
  }

  #endLine(): void {
    const text = DECODER.decode(this.#line.subarray(0, this.#used)).replace(/\r$/, "") + (this.#cut ? "…" : "");
    if (this.#isFlood()) this.#dropped += this.#used;
    else this.#pass(text);
    this.tail.push(text);
    if (this.tail.length > this.#limits.tail) this.tail.shift();
    this.#used = 0;
    this.#cut = false;
  }

  #pass(text: string): void {
    this.#sayDropped();
    this.#budget--;
    this.#emit(text);
  }

  #isFlood(): boolean {
    if (this.#budget > 0) return false;
    const now = performance.now();
    if (now < this.#windowEnd) return true;
    this.#windowEnd = now + this.#limits.windowMs;
    this.#budget = this.#limits.lines;
    return false;
  }

  #sayDropped(): void {
    if (this.#dropped === 0) return;
    this.#emit(`(too much output: ${this.#dropped} bytes were not logged)`);
    this.#dropped = 0;
  }
}
