/** Filters by name: a substring, or a glob with `*` and `?` for the whole name; case and diacritics are ignored. */

/**
 * @param {string} text
 */
export function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Compiles a filter; null if it matches everything.
 *
 * @param {string} query
 * @returns {((entry: import("./entries.js").Entry) => boolean) | null}
 */
export function matcher(query) {
  const text = fold(query.trim());
  if (text === "") return null;
  if (/[*?]/.test(text)) {
    const pieces = piecesOf(text);
    return (entry) => matchesPattern(foldedName(entry), pieces);
  }
  const words = text.split(/\s+/);
  return (entry) => {
    const name = foldedName(entry);
    return words.every((word) => name.includes(word));
  };
}

/** @param {import("./entries.js").Entry} entry */
function foldedName(entry) {
  return entry.folded ??= fold(entry.name);
}

/** @param {string} pattern */
function piecesOf(pattern) {
  return pattern.split(/\*+/);
}

/**
 * Matches piece by piece, each as early as possible: the time is at most the name's length times the number of pieces.
 *
 * @param {string} name
 * @param {string[]} pieces The parts between the asterisks.
 */
function matchesPattern(name, pieces) {
  const [first = "", ...rest] = pieces;
  if (!fitsAt(name, first, 0)) return false;
  if (rest.length === 0) return name.length === first.length;
  const last = /** @type {string} */ (rest.pop());
  let at = first.length;
  for (const piece of rest) {
    while (at <= name.length - piece.length && !fitsAt(name, piece, at)) at += 1;
    at += piece.length;
    if (at > name.length) return false;
  }
  return name.length - last.length >= at && fitsAt(name, last, name.length - last.length);
}

/**
 * @param {string} name
 * @param {string} piece
 * @param {number} at
 */
function fitsAt(name, piece, at) {
  if (at + piece.length > name.length) return false;
  for (let i = 0; i < piece.length; i++) {
    if (piece[i] !== "?" && piece[i] !== name[at + i]) return false;
  }
  return true;
}

/**
 * Ranges of a name that match a filter, for highlighting; none for globs.
 *
 * @param {string} name
 * @param {string} query
 * @returns {[start: number, end: number][]}
 */
export function marksOf(name, query) {
  const text = query.trim().toLowerCase();
  const lower = name.toLowerCase();
  if (text === "" || /[*?]/.test(text) || lower.length !== name.length) return [];
  /** @type {[number, number][]} */
  const found = [];
  for (const word of text.split(/\s+/)) {
    const at = lower.indexOf(word);
    if (at >= 0 && found.every(([start, end]) => at >= end || at + word.length <= start)) {
      found.push([at, at + word.length]);
    }
  }
  return found.sort((a, b) => a[0] - b[0]);
}
