/** Human-readable sizes, dates and times. */

import { locale, t } from "./language.js";

/**
 * A size in powers of 1024 with three digits, in English as on the server.
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  const units = t("B KiB MiB GiB TiB PiB").split(" ");
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${DIGITS[digits]?.format(size)} ${units[unit]}`;
}

const DIGITS = [0, 1, 2].map((digits) =>
  new Intl.NumberFormat(locale, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    trailingZeroDisplay: "stripIfInteger",
  })
);

const RELATIVE = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });

/** @type {readonly [limit: number, length: number, unit: Intl.RelativeTimeFormatUnit][]} */
const STEPS = [[3600, 60, "minute"], [86_400, 3600, "hour"], [86_400 * 14, 86_400, "day"]];

/**
 * A relative time, or a date if it is more than two weeks ago.
 *
 * @param {number} time Milliseconds since 1970.
 */
export function formatAgo(time, now = Date.now()) {
  const seconds = (now - time) / 1000;
  if (seconds >= -60 && seconds < 45) return t("just now");
  const step = STEPS.find(([limit]) => seconds > 0 && seconds < limit);
  return step ? RELATIVE.format(-Math.round(seconds / step[1]), step[2]) : DAY.format(time);
}

/** @param {number} time Milliseconds since 1970. */
export function formatShort(time) {
  return SHORT.format(time);
}

/** @param {number} time Milliseconds since 1970. */
export function formatExact(time) {
  return EXACT.format(time);
}

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return t("{n} s", { n: Math.max(1, Math.ceil(seconds)) });
  if (seconds < 3600) return t("{n} min", { n: Math.ceil(seconds / 60) });
  return t("{h} h {n} min", { h: Math.floor(seconds / 3600), n: Math.round((seconds % 3600) / 60) });
}
