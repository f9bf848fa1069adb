/**
 * Durations on the command line.
 *
 * @module
 */

import { UsageError } from "./usage_error.ts";

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** A hundred years: dates far beyond it cannot be written. */
const MAX_MS = 36_525 * DAY;

/**
 * Parses a duration such as `30d`, in milliseconds; `0` is unlimited, null. Throws {@linkcode UsageError}.
 *
 * @param option The option, for the message.
 */
export function parseDuration(option: string, text: string): number | null {
  if (text === "0") return null;
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const milliseconds = Number(count) * UNITS[unit ?? ""]!;
  if (milliseconds > 0 && milliseconds <= MAX_MS) return milliseconds;
  throw new UsageError(
    `Cannot use --${option} "${text}": it is not a duration such as 30d, 12h or 45m, or 0 for unlimited`,
  );
}
