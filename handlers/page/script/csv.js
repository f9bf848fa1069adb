/** Reads tables of values that are separated by commas or the like (RFC 4180). Nothing here needs a browser. */

const SEPARATORS = [",", ";", "\t", "|"];

/**
 * The rows of a text.
 *
 * @param {string} text
 * @param {string} separator
 * @param {number} [most] Maximum number of rows.
 * @returns {string[][]}
 */
export function rowsOf(text, separator, most = Infinity) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let row = [];
  for (let at = 0; at < text.length && rows.length < most;) {
    const isQuoted = text[at] === '"';
    const { value, end } = isQuoted ? quoted(text, at + 1) : { value: "", end: at };
    const next = plainEnd(text, end, separator);
    row.push(value + text.slice(end, next));
    const isLast = text[next] !== separator;
    at = next + (text.startsWith("\r\n", next) ? 2 : 1);
    if (!isLast && at < text.length) continue;
    if (!isLast) row.push("");
    rows.push(row);
    row = [];
  }
  return rows;
}

/** The value in quotes, and the end of it: a quote is doubled in it. @param {string} text @param {number} start */
function quoted(text, start) {
  /** @type {string[]} */
  const parts = [];
  for (let at = start;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) return { value: parts.join("") + text.slice(at), end: text.length };
    if (text[quote + 1] !== '"') return { value: parts.join("") + text.slice(at, quote), end: quote + 1 };
    parts.push(text.slice(at, quote + 1));
    at = quote + 2;
  }
}

/** @param {string} text @param {number} start @param {string} separator */
function plainEnd(text, start, separator) {
  let at = start;
  while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") at += 1;
  return at;
}

/** The separator that is most frequent in the first line. @param {string} text */
export function separatorOf(text) {
  const end = text.indexOf("\n");
  const line = end < 0 ? text : text.slice(0, end);
  const counts = SEPARATORS.map((separator) => line.split(separator).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))] ?? ",";
}

/**
 * Sorts rows by a column: as numbers if all of its values are numbers or empty.
 *
 * @param {readonly string[][]} rows
 * @param {number} column
 * @param {boolean} isDescending
 */
export function sortedBy(rows, column, isDescending) {
  const values = rows.map((row) => row[column] ?? "");
  const isNumeric = values.every((value) => value.trim() === "" || Number.isFinite(numberOf(value)));
  const keys = isNumeric ? values.map(numberOf) : values;
  const collator = new Intl.Collator(undefined, { numeric: true });
  const order = Array.from(keys.keys());
  const sign = isDescending ? -1 : 1;
  order.sort((a, b) => {
    const [first = "", second = ""] = [keys[a], keys[b]];
    const isEmpty = Number(values[a]?.trim() === "") - Number(values[b]?.trim() === "");
    if (isEmpty !== 0) return isEmpty; // at the end in both orders
    const difference = typeof first === "number" && typeof second === "number"
      ? first - second
      : collator.compare(String(first), String(second));
    return sign * difference || a - b;
  });
  return order.map((index) => /** @type {string[]} */ (rows[index]));
}

/** @param {string} value */
function numberOf(value) {
  return value.trim() === "" ? NaN : Number(value.trim().replace(/^([+-]?\d+),(\d+)$/, "$1.$2"));
}
