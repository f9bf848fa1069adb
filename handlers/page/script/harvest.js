/** Takes the rows of the server's table. */

import { entryOfRow } from "./entries.js";

/** @typedef {import("./entries.js").Entry} Entry */

/**
 * Takes the rows of the server, while they still arrive, and drops their elements: laying out a hundred thousand of
 * them would take seconds.
 *
 * @param {HTMLTableSectionElement} body
 * @param {(entries: Entry[]) => void} take Called with each batch.
 * @returns {Promise<void>} Resolves after the last batch.
 */
export async function harvest(body, take) {
  let rank = 0;
  const rows = body.rows;
  for (;;) {
    const isLast = document.readyState !== "loading";
    const entries = [];
    const range = document.createRange();
    // While the parser is running, the last row may be incomplete.
    const end = isLast ? rows.length : rows.length - 1;
    for (const row of [...rows].slice(0, end)) {
      const entry = entryOfRow(row, rank);
      if (entry) {
        entries.push(entry);
        rank += 1;
      }
    }
    if (end > 0) {
      range.setStartBefore(/** @type {Node} */ (rows[0]));
      range.setEndAfter(/** @type {Node} */ (rows[end - 1]));
      range.deleteContents();
      take(entries);
    }
    if (isLast) return;
    await nextTurn();
  }
}

/** Lets the parser run; works in a background tab too, which gets no animation frames. */
function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 30));
}
