/** What follows from the state of the page. Each is computed again only when the part that it depends on has changed. */

import { keyOf } from "./entries.js";
import { matcher } from "./match.js";
import { entryOrder } from "./order.js";

/** @typedef {import("./entries.js").Entry} Entry */
/** @typedef {import("./state.js").State} State */

/**
 * Remembers the last result.
 *
 * @template {unknown[] | []} A
 * @template R
 * @param {(state: State) => A} partsOf
 * @param {(...parts: A) => R} compute
 * @returns {(state: State) => R}
 */
function remembering(partsOf, compute) {
  /** @type {A | undefined} */
  let last;
  /** @type {R} */
  let result;
  return (state) => {
    const parts = partsOf(state);
    if (!last?.every((part, index) => part === parts[index])) {
      result = compute(...parts);
      last = parts;
    }
    return result;
  };
}

/** The list that is shown: search results, or the directory. @param {State} state */
export function listOf(state) {
  return state.search ?? state.folder;
}

/** The entries that are shown, in order. */
export const shownOf = remembering(
  (state) => [listOf(state).entries, listOf(state).arrived, filterOf(state), state.order],
  (all, arrived, text, order) => {
    const test = matcher(text);
    const entries = test ? all.filter(test) : all;
    const isSorted = arrived?.sort === order.sort && arrived.order === order.order;
    return isSorted ? entries : entries.toSorted(entryOrder(order));
  },
);

/** The filter that is in effect: search results are not filtered. @param {State} state */
export function filterOf({ search, filter }) {
  return search ? "" : filter;
}

/** The text of the field: of the filter, or of the search. @param {State} state */
export function fieldTextOf({ search, filter }) {
  return search ? search.text : filter;
}

const positionsOf = remembering(
  (state) => [shownOf(state)],
  (shown) => new Map(shown.map((entry, index) => [keyOf(entry), index])),
);

/** The index of an entry among those that are shown, or -1. @param {State} state @param {string | null} key */
export function positionOf(state, key) {
  return key === null ? -1 : positionsOf(state).get(key) ?? -1;
}

/** The entry of the row with the keyboard focus: the first one if there is no other. @param {State} state */
export function currentOf(state) {
  const shown = shownOf(state);
  return shown[positionOf(state, state.current)] ?? shown[0] ?? null;
}

/** What is selected: only what is also shown, because nothing may happen to what the user does not see. */
export const chosenOf = remembering(
  (state) => [shownOf(state), state.ticked],
  (shown, ticked) => ticked.size === 0 ? [] : shown.filter((entry) => ticked.has(keyOf(entry))),
);

/** How many of the entries shown can be selected. */
export const selectableOf = remembering(
  (state) => [shownOf(state)],
  (shown) => shown.filter(({ href }) => href !== null).length,
);

/** The file of the preview; undefined while it may still arrive, null if it is not there. @param {State} state */
export function previewedOf(state) {
  if (state.preview === null) return null;
  return entryAt(state, state.preview) ?? (listOf(state).isComplete ? null : undefined);
}

/** @param {State} state @param {string} key */
export function entryAt(state, key) {
  return listOf(state).entries[allPositionsOf(state).get(key) ?? -1];
}

const allPositionsOf = remembering(
  (state) => [listOf(state).entries],
  (entries) => new Map(entries.map((entry, index) => [keyOf(entry), index])),
);

/** Number of directories and files, and their total size. @param {readonly Entry[]} entries */
export function totalsOf(entries) {
  const totals = { directories: 0, files: 0, bytes: 0 };
  for (const { kind, size } of entries) {
    if (kind === "directory") totals.directories += 1;
    if (kind === "file") totals.files += 1;
    totals.bytes += size ?? 0;
  }
  return totals;
}
