/**
 * Reads the standard error of a program into the log.
 *
 * @module
 */

import { Lines, STDERR_LIMITS, type StderrLimits } from "../stderr_lines.ts";

/** Reads the standard error of a program. */
export interface StderrReader {
  /** The last lines, each cut at its bound. */
  readonly tail: readonly string[];
  /** Resolves at the end of the stream, or when stopped; never rejects. */
  readonly done: Promise<void>;
  /** Closes the stream, whoever else holds its other end. */
  stop(): void;
}

/**
 * Reads a standard error to its end, as fast as it comes, so that the program never waits for the log.
 *
 * @param emit Takes each line, without its end and as it is: a log has to escape it.
 */
export function collectStderr(
  stream: ReadableStream<Uint8Array>,
  emit: (line: string) => void,
  limits: StderrLimits = STDERR_LIMITS,
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
