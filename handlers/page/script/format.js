/** Human-readable numbers and dates. */

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/**
 * A size in powers of 1024 with three digits, formatted as on the server.
 *
 * @param {number} bytes
 */
export function formatSize(bytes) {
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits).replace(/\.0+$/, "")} ${UNITS[unit]}`;
}

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const EXACT = new Intl.DateTimeFormat("en", { dateStyle: "full", timeStyle: "medium" });
const SHORT = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en", { day: "numeric", month: "short", year: "numeric" });

/** @type {readonly [limit: number, length: number, unit: Intl.RelativeTimeFormatUnit][]} */
const STEPS = [[3600, 60, "minute"], [86_400, 3600, "hour"], [86_400 * 14, 86_400, "day"]];

/**
 * A relative time, or a date if it is more than two weeks ago.
 *
 * @param {number} time Milliseconds since 1970.
 */
export function formatAgo(time, now = Date.now()) {
  const seconds = (now - time) / 1000;
  if (seconds >= -60 && seconds < 45) return "just now";
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

/**
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function count(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

/** @param {number} seconds */
export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 60) return `${Math.max(1, Math.ceil(seconds))} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.round((seconds % 3600) / 60)} min`;
}
