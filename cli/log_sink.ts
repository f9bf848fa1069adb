/**
 * A buffer between the log and a possibly slow reader.
 *
 * @module
 */

import { later } from "../handlers/core/later.ts";

/** A byte sink: stderr, or a test. */
export interface ByteWriter {
  /** Writes some of the bytes, and returns how many. */
  write(bytes: Uint8Array): Promise<number>;
}

/** Batching interval in milliseconds: one write of many lines costs little more than one of a single line. */
const GATHER_MS = 20;

/** Maximum number of buffered characters; a terminal paused with Ctrl-S must not exhaust memory. */
const MAX_WAITING = 4 * 1024 * 1024;

/**
 * Writes lines in the background, in order and in batches, so that no request waits for a terminal. If the reader is
 * too slow, lines are dropped and counted, and a line reports how many.
 */
export class LogSink {
  /** Where the lines go. */
  readonly writer: ByteWriter;
  #waiting: string[] = [];
  #size = 0;
  #dropped = 0;
  #writing: Promise<void> | null = null;

  constructor(writer: ByteWriter) {
    this.writer = writer;
  }

  /** Queues a line, without a newline. */
  line(text: string): void {
    if (this.#size + text.length > MAX_WAITING) {
      this.#dropped += 1;
      return;
    }
    this.#waiting.push(text);
    this.#size += text.length + 1;
    this.#writing ??= this.#run();
  }

  /** Waits until everything has been written, up to a time limit in milliseconds. */
  async flush(milliseconds: number): Promise<void> {
    if (this.#writing === null) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, milliseconds);
    await Promise.race([this.#writing, late.promise]);
    clearTimeout(timer);
  }

  async #run(): Promise<void> {
    try {
      while (this.#waiting.length > 0) {
        await new Promise<void>((resolve) => later(GATHER_MS, resolve));
        const text = this.#take();
        let bytes = new TextEncoder().encode(text);
        while (bytes.length > 0) bytes = bytes.subarray(await this.writer.write(bytes));
      }
    } catch {
      this.#take(); // A closed pipe: keep serving without a log.
    } finally {
      this.#writing = null;
    }
  }

  #take(): string {
    if (this.#dropped > 0) this.#waiting.push(`pyserve: ${this.#dropped} log lines dropped, the reader is too slow`);
    const text = this.#waiting.length === 0 ? "" : this.#waiting.join("\n") + "\n";
    this.#waiting = [];
    this.#size = 0;
    this.#dropped = 0;
    return text;
  }
}
