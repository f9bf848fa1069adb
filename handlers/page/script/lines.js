/** Lines of a text, as they are in the address. Nothing here needs a browser. */

/** @typedef {{ from: number, to: number }} Lines Numbers of lines, counted from 1. */

/** @param {number} a @param {number} b */
export function linesOf(a, b) {
  const [from, to] = [Math.min(a, b), Math.max(a, b)];
  return from < 1 ? "" : from === to ? `#L${from}` : `#L${from}-L${to}`;
}

/** @param {string} text @returns {Lines | null} */
export function linesIn(text) {
  const [, from, to = from] = /^#L(\d+)(?:-L(\d+))?$/.exec(text) ?? [];
  if (from === undefined) return null;
  return { from: Math.min(Number(from), Number(to)), to: Math.max(Number(from), Number(to)) };
}
