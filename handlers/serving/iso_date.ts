/**
 * Modification times as text.
 *
 * @module
 */

/** The largest absolute time value a Date can hold. */
const LAST_TIME = 8_640_000_000_000_000;

const MINUTE_MS = 60_000;

let lastMinute = NaN;
let lastIso = "";
let lastShown = "";

/** A time as an ISO 8601 date in UTC with milliseconds; null if it is unknown, or no Date can hold it. */
export function isoDate(time: number | null): string | null {
  if (!isDate(time)) return null;
  const minute = minuteOf(time);
  const digits = String(100_000 + Math.trunc(time) - minute * MINUTE_MS); // 1, then SSmmm
  return `${lastIso}:${digits.slice(1, 3)}.${digits.slice(3)}Z`;
}

/** A time as it is shown to people, to the minute in UTC. Only for times with an {@linkcode isoDate}. */
export function shownDate(time: number): string {
  minuteOf(time);
  return lastShown;
}

/** Modification times can be any number the file system stores, even one no Date can hold (CVE-2024-23770). */
function isDate(time: number | null): time is number {
  return time !== null && Math.abs(time) <= LAST_TIME;
}

/**
 * The minute of a time, as a number; its texts are in variables. They are kept for the next time, because files are often
 * written together: formatting them takes longer than the rest of a row.
 */
function minuteOf(time: number): number {
  const minute = Math.floor(Math.trunc(time) / MINUTE_MS);
  if (minute !== lastMinute) {
    lastMinute = minute;
    lastIso = new Date(minute * MINUTE_MS).toISOString().slice(0, -":00.000Z".length);
    lastShown = lastIso.replace("T", " ");
  }
  return minute;
}
