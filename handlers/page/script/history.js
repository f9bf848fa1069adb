/**
 * Keeps the address and the state in agreement. A search or a preview that is opened is a new entry of the history, and
 * closing it goes back; one that the page began with is closed in place, because what is behind it is another page.
 */

import { addressOf, depthOf, showsSame, viewAt } from "./address.js";
import { store } from "./store.js";

/** @typedef {import("./state.js").View} View */

/** Whether the page itself goes back, which takes a while. */
let isLeaving = false;

export function followAddress() {
  store.watch((state) => addressOf(location, viewOf(state)), write);
  addEventListener("popstate", () => {
    const isOwn = isLeaving;
    isLeaving = false;
    // Since the page asked to go back, it may have changed again.
    if (isOwn) write();
    else store.dispatch({ type: "view", view: viewAt(location) });
  });
}

/** @param {import("./state.js").State} state @returns {View} */
function viewOf({ order, search, preview, lines }) {
  return { order, search: search?.text ?? null, preview, lines };
}

function write() {
  if (isLeaving) return;
  const view = viewOf(store.state);
  const last = viewAt(location);
  const address = addressOf(location, view);
  if (address === addressOf(location, last)) return;
  /** @type {View[]} */
  const below = history.state?.below ?? [];
  const under = below.at(-1);
  if (depthOf(view) > depthOf(last)) history.pushState({ below: [...below, last] }, "", address);
  else if (depthOf(view) < depthOf(last) && under && showsSame(under, view)) {
    isLeaving = true;
    history.back();
  } else history.replaceState(history.state, "", address);
}
