/**
 * Why a program failed: one line for the log, and for local clients the last lines of its output.
 *
 * @module
 */

import { HttpError, toHttpError } from "../../core/errors.ts";
import { textOfBytes } from "../latin1.ts";
import type { PostMortem } from "./run.ts";

/** Maximum number of output bytes shown. */
const SHOWN_BYTES = 200;

/**
 * The error for a program that failed before its header was complete, with its exit status and standard error.
 *
 * @param printed Its output so far.
 * @param shown Whether the client may see the details.
 */
export function explained(
  thrown: unknown,
  end: PostMortem,
  printed: readonly Uint8Array[],
  shown: boolean,
): HttpError {
  const error = toHttpError(thrown);
  const { status, message, headers } = error;
  const cause = error.cause ?? [message, ending(end), ...end.stderr.slice(-1)].join("; ");
  return new HttpError(status, message, { headers, cause, ...(shown && { details: details(end, printed) }) });
}

function details(end: PostMortem, printed: readonly Uint8Array[]): string {
  const first = firstOf(printed);
  return [
    `It ended with: ${ending(end)}.`,
    ...(end.stderr.length > 0 ? ["", "Last lines of its standard error:", ...end.stderr] : []),
    ...(first !== "" ? ["", "Beginning of its output:", first] : []),
  ].join("\n");
}

function ending({ code, signal }: PostMortem): string {
  if (signal !== null) return `killed by ${signal}`;
  return code === null ? "still running" : `exit status ${code}`;
}

function firstOf(printed: readonly Uint8Array[]): string {
  let text = "";
  for (const bytes of printed) {
    if (text.length >= SHOWN_BYTES) break;
    text += textOfBytes(bytes.subarray(0, SHOWN_BYTES));
  }
  return text.slice(0, SHOWN_BYTES);
}
