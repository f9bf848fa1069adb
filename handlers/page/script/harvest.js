/** Takes the rows of the server's table. */

import { entryOfRow } from "./entries.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** Time after which the browser gets its turn, in milliseconds: it takes as long again to show what has been read. */
const SLICE_MS = 20;

/** Time for the parser, in milliseconds. */
const PARSING_MS = 30;

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
  for (;;) {
    const isLast = document.readyState !== "loading";
    const entries = [];
    const until = performance.now() + SLICE_MS;
    let row = /** @type {HTMLTableRowElement | null} */ (body.firstElementChild);
    // While the parser is running, the last row may be incomplete.
    while (row && (isLast || row.nextElementSibling) && (entries.length % 50 > 0 || performance.now() < until)) {
      const entry = entryOfRow(row, rank);
      if (entry) {
        entries.push(entry);
        rank += 1;
      }
      row = /** @type {HTMLTableRowElement | null} */ (row.nextElementSibling);
    }
    const range = document.createRange();
    range.selectNodeContents(body);
    if (row) range.setEndBefore(row);
    range.deleteContents();
    if (entries.length > 0) take(entries);
    if (isLast && row === null) return;
    await nextTurn(row?.nextElementSibling ? 0 : PARSING_MS);
  }
}

/** Lets the browser do other things; works in a background tab too, which gets no animation frames. @param {number} ms */
function nextTurn(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
