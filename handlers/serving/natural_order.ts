/**
 * The natural order of names, f2 before f10, as `Intl.Collator` defines it for English.
 *
 * @module
 */

let collator: Intl.Collator | undefined;

/** ICU splits longer runs of digits. */
const MAX_LENGTH = 250;

const ZERO = 0x30;

/**
 * Compares two names in natural order; 0 also for names that differ, such as f1 and f01.
 *
 * ASCII names, which most are, are compared without ICU, in a tenth of the time and with the same result.
 */
export function naturalOrder(a: string, b: string): number {
  const order = asciiOrder(a, b);
  if (order !== null) return order;
  collator ??= new Intl.Collator("en", { numeric: true });
  return collator.compare(a, b);
}

/**
 * The primary weights of printable ASCII characters: letters that differ only in case have the same. 0 for all others,
 * which may be ignorable, or form a unit with the character before them.
 */
const WEIGHTS = new Uint8Array(128);

function fillWeights(): void {
  const { compare } = new Intl.Collator("en", { sensitivity: "base" });
  const characters = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index)).sort(compare);
  let weight = 0;
  characters.forEach((character, index) => {
    if (index === 0 || compare(characters[index - 1]!, character) !== 0) weight += 1;
    WEIGHTS[character.charCodeAt(0)] = weight;
  });
}

/** The order by primary weights, numbers by value; then lower case before upper case. Null if it takes ICU to tell. */
function asciiOrder(a: string, b: string): number | null {
  if (a.length > MAX_LENGTH || b.length > MAX_LENGTH) return null;
  if (WEIGHTS[ZERO] === 0) fillWeights();
  let byCase = 0;
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(j);
    let order = 0;
    if (isDigit(x) && isDigit(y)) {
      const start = i = afterZeros(a, i);
      const other = j = afterZeros(b, j);
      i = afterDigits(a, i);
      j = afterDigits(b, j);
      order = (i - start) - (j - other) || digitsOrder(a, start, b, other, i - start);
    } else {
      i += 1;
      j += 1;
      const weight = WEIGHTS[x]!;
      order = weight - WEIGHTS[y]!;
      if (!(weight > 0 && order < weight)) return null;
      if (byCase === 0) byCase = y - x;
    }
    if (order !== 0) return isStart(a, i) && isStart(b, j) ? order : null;
  }
  if (!isStart(a, i) || !isStart(b, j)) return null;
  return (a.length - i) - (b.length - j) || byCase;
}

/** Whether a name ends at an index, or a printable ASCII character follows: not a mark that changes the one before. */
function isStart(text: string, at: number): boolean {
  return at >= text.length || WEIGHTS[text.charCodeAt(at)]! > 0;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9;
}

function afterZeros(text: string, at: number): number {
  while (text.charCodeAt(at) === ZERO) at += 1;
  return at;
}

function afterDigits(text: string, at: number): number {
  while (isDigit(text.charCodeAt(at))) at += 1;
  return at;
}

function digitsOrder(a: string, i: number, b: string, j: number, count: number): number {
  for (let k = 0; k < count; k++) {
    const order = a.charCodeAt(i + k) - b.charCodeAt(j + k);
    if (order !== 0) return order;
  }
  return 0;
}
