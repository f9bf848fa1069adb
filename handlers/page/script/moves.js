/** Moving through the rows by keyboard, and what Escape undoes. */

import { keyOf } from "./entries.js";
import { chosenOf, currentOf, positionOf, shownOf } from "./selectors.js";
import { store } from "./store.js";

/**
 * Moves the focus; the first key press only shows where it is.
 *
 * @param {number} step
 * @param {boolean} extends_ Whether the selection follows.
 * @param {boolean} hasFocus Whether a row has the focus.
 */
export function move(step, extends_, hasFocus) {
  const shown = shownOf(store.state);
  const current = currentOf(store.state);
  if (!current) return store.dispatch({ type: "focus", key: null });
  const at = positionOf(store.state, keyOf(current));
  const to = hasFocus ? Math.min(Math.max(0, at + step), shown.length - 1) : at;
  const key = keyOf(/** @type {import("./entries.js").Entry} */ (shown[to]));
  if (extends_ && chosenOf(store.state).length === 0) store.dispatch({ type: "toggle", key: keyOf(current) });
  store.dispatch({ type: "focus", key });
  if (extends_ && key !== keyOf(current)) store.dispatch({ type: "extend", key });
}

/** Goes to the first or the last row. @param {boolean} isEnd */
export function moveToEdge(isEnd) {
  const entry = shownOf(store.state).at(isEnd ? -1 : 0);
  store.dispatch({ type: "focus", key: entry ? keyOf(entry) : null });
}

/** Selects or deselects the current row. */
export function toggleCurrent() {
  const current = currentOf(store.state);
  if (current) store.dispatch({ type: "toggle", key: keyOf(current) });
}

/** Leaves the search, or else empties the filter, or else the selection; the focus is in the list then. */
export function escape() {
  const { search, filter, ticked } = store.state;
  if (search) store.dispatch({ type: "leave search" });
  else if (filter !== "") store.dispatch({ type: "filter", text: "" });
  else if (ticked.size > 0) store.dispatch({ type: "clear" });
  store.dispatch({ type: "focus", key: null });
}
