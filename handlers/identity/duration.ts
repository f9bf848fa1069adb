/**
 * Durations such as `30d`.
 *
 * @module
 */

const [MINUTE, HOUR, DAY] = [60_000, 3_600_000, 86_400_000];

const UNITS: Readonly<Record<string, number>> = { s: 1000, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** A hundred years: dates far beyond it cannot be written. */
const MAX_MS = 36_525 * DAY;

/** The milliseconds of a duration such as `45m`, `12h`, `30d` or `2w`; Infinity for `0`, null if it is malformed. */
export function durationOf(text: string): number | null {
  if (text === "0") return Infinity;
  const [, count, unit] = /^(\d{1,9})([smhdw])$/.exec(text) ?? [];
  const milliseconds = Number(count) * UNITS[unit ?? ""]!;
  return milliseconds > 0 && milliseconds <= MAX_MS ? milliseconds : null;
}
