/**
 * HTTP dates (RFC 9110 section 5.6.7): parses all three formats, writes IMF-fixdate.
 *
 * `Date.parse` is not suitable: it accepts ISO dates, `"0"` and overflowing fields, which are not HTTP dates.
 *
 * @module
 */

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const TIME = "(\\d{2}):(\\d{2}):(\\d{2})";
const MONTH = `(${MONTHS.join("|")})`;
const IMF_FIXDATE = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), (\\d{2}) ${MONTH} (\\d{4}) ${TIME} GMT$`);
const RFC_850 = new RegExp(
  `^(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day, (\\d{2})-${MONTH}-(\\d{2}) ${TIME} GMT$`,
);
const ASCTIME = new RegExp(`^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) ${MONTH} ([ \\d]\\d) ${TIME} (\\d{4})$`);

/**
 * Formats a time as an IMF-fixdate, truncated to whole seconds: `Sun, 06 Nov 1994 08:49:37 GMT`.
 *
 * @param time Milliseconds since 1970.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { formatHttpDate } from "@x/pyserve/http";
 *
 * assert(formatHttpDate(784111777000) === "Sun, 06 Nov 1994 08:49:37 GMT");
 * ```
 */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

/**
 * Parses an HTTP date; null for anything else, including a list of dates and days that do not exist.
 *
 * A two-digit year that appears to be more than 50 years in the future is in the past. The weekday is not checked
 * against the date.
 *
 * @param text The value of the header.
 * @param now The reference for two-digit years, in milliseconds since 1970.
 * @returns Milliseconds since 1970.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseHttpDate } from "@x/pyserve/http";
 *
 * assert(parseHttpDate("Sunday, 06-Nov-94 08:49:37 GMT") === 784111777000);
 * assert(parseHttpDate("1994-11-06T08:49:37Z") === null);
 * ```
 */
export function parseHttpDate(text: string, now: number = Date.now()): number | null {
  let match = IMF_FIXDATE.exec(text);
  if (match) return utc(Number(match[3]), match[2]!, match[1]!, match.slice(4, 7));
  match = RFC_850.exec(text);
  if (match) return utc(fullYear(Number(match[3]), now), match[2]!, match[1]!, match.slice(4, 7));
  match = ASCTIME.exec(text);
  if (match) return utc(Number(match[6]), match[1]!, match[2]!, match.slice(3, 6));
  return null;
}

function fullYear(twoDigits: number, now: number): number {
  const thisYear = new Date(now).getUTCFullYear();
  const year = thisYear - (thisYear % 100) + twoDigits;
  return year > thisYear + 50 ? year - 100 : year;
}

function utc(year: number, month: string, day: string, time: string[]): number | null {
  const [hours, minutes, seconds] = time.map(Number) as [number, number, number];
  if (hours > 23 || minutes > 59 || seconds > 60) return null;
  const date = new Date(0);
  date.setUTCFullYear(year, MONTHS.indexOf(month), Number(day));
  if (date.getUTCDate() !== Number(day)) return null;
  return date.setUTCHours(hours, minutes, seconds);
}
