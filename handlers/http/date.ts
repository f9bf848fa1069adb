/**
 * HTTP dates (RFC 9110 section 5.6.7): all three forms are read, one is written.
 *
 * `Date.parse` is not used: it takes ISO dates, `"0"` and overflows, which are not HTTP dates.
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
 * Writes a time as an IMF-fixdate, cut to whole seconds: `Sun, 06 Nov 1994 08:49:37 GMT`.
 *
 * @param time Milliseconds since 1970.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { formatHttpDate } from "@x/pyserve";
 *
 * assert(formatHttpDate(784111777000) === "Sun, 06 Nov 1994 08:49:37 GMT");
 * ```
 */
export function formatHttpDate(time: number): string {
  return new Date(time).toUTCString();
}

/**
 * Reads an HTTP date; null for anything else, also for several dates and for a day that no calendar has.
 *
 * A two-digit year more than 50 years ahead is taken as past. The weekday is not compared with the date.
 *
 * @param text The header's value.
 * @param now The time two-digit years are judged by, in milliseconds since 1970.
 * @returns Milliseconds since 1970.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseHttpDate } from "@x/pyserve";
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
