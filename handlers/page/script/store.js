/** The one place that holds the state of the page. */

import { viewAt } from "./address.js";
import { kept } from "./kept.js";
import { initialState, reduce } from "./state.js";

/** @typedef {import("./state.js").State} State */

class Store {
  #state;
  /** @type {Set<() => void>} */
  #watchers = new Set();

  /** @param {State} state */
  constructor(state) {
    this.#state = state;
  }

  get state() {
    return this.#state;
  }

  /** @param {import("./state.js").Action} action */
  dispatch(action) {
    const next = reduce(this.#state, action);
    if (next === this.#state) return;
    this.#state = next;
    for (const watcher of [...this.#watchers]) watcher();
  }

  /**
   * Calls back with a value that follows from the state, now and whenever it has changed.
   *
   * @template T
   * @param {(state: State) => T} select
   * @param {(value: T, before: T | undefined) => void} show
   */
  watch(select, show) {
    /** @type {T | undefined} */
    let last;
    let isFirst = true;
    const look = () => {
      const value = select(this.#state);
      if (!isFirst && value === last) return;
      const before = last;
      isFirst = false;
      last = value;
      show(value, before);
    };
    this.#watchers.add(look);
    look();
  }
}

const rights = new Set((document.documentElement.dataset.can ?? "").split(" "));

export const store = new Store(initialState(rights, viewAt(location), kept.get("view") === "tiles"));

/** Whether the server lets the user do something here. @param {string} right */
export function can(right) {
  return store.state.rights.has(right);
}
