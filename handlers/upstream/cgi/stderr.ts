/**
 * Copies the standard error of a program to the log.
 *
 * @module
 */

import { STDERR_LIMITS, type StderrLimits, StderrLines } from "../stderr_lines.ts";

/** Reads the standard error of a program. */
export interface StderrReader {
  /** The last lines, each truncated at the maximum length. */
  readonly tail: readonly string[];
  /** Resolves at the end of the stream, or when stopped; never rejects. */
  readonly done: Promise<void>;
  /** Closes the stream, even if other processes hold the other end open. */
  stop(): void;
}

/**
 * Reads a standard error to its end, as fast as it arrives, so that the program never blocks on the log.
 *
 * @param emit Receives each line, without line terminator and not escaped: a log must do that.
 */
export function collectStderr(
  stream: ReadableStream<Uint8Array>,
  emit: (line: string) => void,
  limits: StderrLimits = STDERR_LIMITS,
): StderrReader {
  const reader = stream.getReader();
  const lines = new StderrLines(emit, limits);
  const done = pump(reader, lines);
  return { tail: lines.tail, done, stop: () => void reader.cancel().catch(() => {}) };
}

async function pump(reader: ReadableStreamDefaultReader<Uint8Array>, lines: StderrLines): Promise<void> {
  try {
    for (let { value } = await reader.read(); value !== undefined; { value } = await reader.read()) lines.take(value);
  } catch {
    // A broken pipe counts as ended.
  }
  lines.end();
}
