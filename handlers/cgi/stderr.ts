/**
 * What a program says on its standard error: line by line to a log, bounded, and the end of it kept.
 *
 * @module
 */

/** Bounds of what {@linkcode collectStderr} passes on. */
export interface StderrLimits {
  /** Bytes of a line that are kept. */
  readonly line: number;
  /** Lines that are passed on in each window of time. */
  readonly lines: number;
  /** The window in milliseconds. */
  readonly windowMs: number;
  /** Last lines that are kept. */
  readonly tail: number;
}

const LIMITS: StderrLimits = { line: 4096, lines: 1000, windowMs: 60_000, tail: 20 };

/** Reads the standard error of a program. */
export interface StderrReader {
  /** The last lines, each cut at its bound. */
  readonly tail: readonly string[];
  /** Resolves at the end of the stream, or when stopped; never rejects. */
  readonly done: Promise<void>;
  /** Closes the stream, whoever else holds its other end. */
  stop(): void;
}

const NEWLINE = 0x0a;

const DECODER = new TextDecoder();

/** Most programs say nothing. */
const NO_BYTES = new Uint8Array();

/**
 * Reads a standard error to its end, as fast as it comes, so that the program never waits for the log.
 *
 * @param emit Takes each line, without its end and as it is: a log has to escape it.
 */
export function collectStderr(
  stream: ReadableStream<Uint8Array>,
  emit: (line: string) => void,
  limits: StderrLimits = LIMITS,
): StderrReader {
  const reader = stream.getReader();
  const lines = new Lines(emit, limits);
  const done = pump(reader, lines);
  return { tail: lines.tail, done, stop: () => void reader.cancel().catch(() => {}) };
}

async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, lines: Lines): Promise<void> {
  try {
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) lines.take(value);
  } catch {
    // A pipe that breaks has ended.
  }
  lines.end();
}

/** Cuts bytes into lines, and a flood off. The lines are not escaped. */
export class Lines {
  readonly tail: string[] = [];
  readonly #emit: (line: string) => void;
  readonly #limits: StderrLimits;
  /** The beginning of a line that has no end yet, up to the bound. */
  #line = NO_BYTES;
  #used = 0;
  #cut = false;
  #windowEnd = 0;
  #budget = 0;
  /** Bytes that were not passed on. */
  #dropped = 0;

  constructor(emit: (line: string) => void, limits: StderrLimits = LIMITS) {
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

  /** In a flood, all but the last lines of a chunk are not even looked at. Returns where to go on. */
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
    this.#emit(`(too much at once: ${this.#dropped} more bytes were not logged)`);
    this.#dropped = 0;
  }
}
