/** Where the user was: kept over a reload and over leaving and coming back. */

import { urlOf } from "./places.js";
import { shownOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {{ address: string, scroll: number, filter: string, current: string | null }} Place */

const NAME = "pyserve.places";

/** How many places are kept in a tab. */
const KEPT = 30;

/** Restores the place of this address after a reload or a step in the history, and keeps it when the page is left. */
export function keepPlace() {
  const [navigation] = performance.getEntriesByType("navigation");
  const isBack = /** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.type !== "navigate";
  const place = isBack ? places().find(({ address }) => address === location.href) : undefined;
  if (place) restore(place);
  addEventListener("pagehide", remember);
}

/** @param {Place} place */
function restore({ scroll, filter, current }) {
  if (filter !== "" && !store.state.search) store.dispatch({ type: "filter", text: filter });
  if (current !== null) store.dispatch({ type: "current", key: current });
  history.scrollRestoration = "manual"; // the browser would scroll before the rows are there
  requestAnimationFrame(() => scrollTo({ top: scroll }));
}

function remember() {
  const { filter, current } = store.state;
  const place = { address: location.href, scroll: scrollY, filter, current };
  const others = places().filter(({ address }) => address !== place.address);
  try {
    sessionStorage.setItem(NAME, JSON.stringify([place, ...others].slice(0, KEPT)));
  } catch {
    // Then the next visit starts at the top.
  }
}

/** @returns {Place[]} */
function places() {
  try {
    return JSON.parse(sessionStorage.getItem(NAME) ?? "[]");
  } catch {
    return [];
  }
}

/** After going up, the current row is the folder that the user came from. */
export function focusWhereWeCameFrom() {
  const base = urlOf({ href: "" });
  const folder = document.referrer.startsWith(base) ? document.referrer.slice(base.length).split(/[/?#]/)[0] : "";
  const key = `${folder}/`;
  if (folder && shownOf(store.state).some(({ href }) => href === key)) store.dispatch({ type: "current", key });
}
