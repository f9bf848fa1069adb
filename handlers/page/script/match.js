/** Filtering by name: a part of it, or a pattern with `*` and `?` for the whole; case and accents make no difference. */

/**
 * @param {string} text
 */
export function fold(text) {
  return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
}

/**
 * Makes a test of names; null where all match.
 *
 * @param {string} asked
 * @returns {((entry: import("./entries.js").Entry) => boolean) | null}
 */
export function matcher(asked) {
  const text = fold(asked.trim());
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
 * Piece by piece, each as early as it fits: no pattern takes longer than the name times its pieces.
 *
 * @param {string} name
 * @param {string[]} pieces What stands between the asterisks.
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
 * Where in a name a filter matches, for those who want to mark it; nothing for patterns.
 *
 * @param {string} name
 * @param {string} asked
 * @returns {[start: number, end: number][]}
 */
export function marksOf(name, asked) {
  const text = asked.trim().toLowerCase();
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
