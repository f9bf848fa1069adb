/**
 * The state of the page and everything that can happen to it. What is shown follows from the state alone: store.js
 * keeps it, selectors.js derives from it, and the other modules render it. Nothing here needs a browser.
 */

import { ranked } from "./order.js";
import { keyOf, keysOf, merged } from "./entries.js";
import { listOf, positionOf, shownOf } from "./selectors.js";

/** @typedef {import("./entries.js").Entry} Entry */
/** @typedef {import("./order.js").Order} Order */

/**
 * @typedef {object} List Entries in the order of their arrival.
 * @property {readonly Entry[]} entries
 * @property {Order | null} arrived The order of the arrival, if it is one.
 * @property {boolean} isRanked Whether the ranks of the entries are their positions by name.
 * @property {boolean} isComplete
 */

/**
 * @typedef {List & { text: string, id: number, note: string, problem: string }} Search Search results; the id tells one
 * search from the next.
 */

/**
 * @typedef {object} State
 * @property {ReadonlySet<string>} rights What the server lets the user do here.
 * @property {List} folder The entries of the directory.
 * @property {Search | null} search Search results, which are shown instead of the directory.
 * @property {number} searches How many searches there have been.
 * @property {string} filter
 * @property {Order} order
 * @property {boolean} isTiles
 * @property {ReadonlySet<string>} ticked The keys of what has been selected, whether the filter shows it or not.
 * @property {string | null} anchor Where a range of the selection starts.
 * @property {string | null} current The key of the row that has or gets the keyboard focus.
 * @property {number} focusing How often that row was to get the focus: a change moves the focus there.
 * @property {string | null} preview The key of the file in the preview.
 * @property {string} lines The lines of it that are marked, as in the address: `#L10-L20`, or nothing.
 * @property {Work | null} work Work on several files that is going on.
 * @property {number} layers How many dialogs and menus are open.
 * @property {boolean} isLost Whether the server did not answer the last time.
 */

/** @typedef {{ title: string, done: number, of: number }} Work */

/** @typedef {{ order: Order, search: string | null, preview: string | null, lines: string }} View The part of the state that is in the address. */

/**
 * @typedef {{ type: "append", entries: readonly Entry[] }
 *   | { type: "complete" }
 *   | { type: "replace", entries: readonly Entry[] }
 *   | { type: "view", view: View }
 *   | { type: "search", text: string }
 *   | { type: "search again" }
 *   | { type: "found", id: number, entries: readonly Entry[] }
 *   | { type: "found all", id: number, note?: string, problem?: string, entries?: readonly Entry[] }
 *   | { type: "leave search" }
 *   | { type: "filter", text: string }
 *   | { type: "sort", order: Order }
 *   | { type: "tiles", on: boolean }
 *   | { type: "toggle", key: string }
 *   | { type: "extend", key: string }
 *   | { type: "select all" }
 *   | { type: "clear" }
 *   | { type: "current", key: string | null }
 *   | { type: "focus", key: string | null }
 *   | { type: "renamed", from: string, to: string }
 *   | { type: "preview", key: string | null }
 *   | { type: "lines", lines: string }
 *   | { type: "work", work: Work | null }
 *   | { type: "layers", open: number }
 *   | { type: "connection", isLost: boolean }} Action
 */

/**
 * @param {ReadonlySet<string>} rights
 * @param {View} view
 * @param {boolean} isTiles
 * @returns {State}
 */
export function initialState(rights, view, isTiles) {
  const arrived = view.order;
  const isRanked = arrived.sort === "name" && arrived.order === "asc";
  /** @type {State} */
  const state = {
    rights,
    folder: { entries: [], arrived, isRanked, isComplete: false },
    search: null,
    searches: 0,
    filter: "",
    order: view.order,
    isTiles,
    ticked: NONE,
    anchor: null,
    current: null,
    focusing: 0,
    preview: view.preview,
    lines: view.lines,
    work: null,
    layers: 0,
    isLost: false,
  };
  return view.search === null ? state : reduce(state, { type: "search", text: view.search });
}

/** @type {ReadonlySet<string>} */
const NONE = new Set();

/**
 * The next state.
 *
 * @param {State} state
 * @param {Action} action
 * @returns {State}
 */
export function reduce(state, action) {
  switch (action.type) {
    case "append":
      return { ...state, folder: appended(state.folder, action.entries) };
    case "complete":
      return { ...state, folder: { ...state.folder, isComplete: true } };
    case "replace":
      return replaced(state, action.entries);
    case "view":
      return viewed(state, action.view);
    case "search":
    case "search again":
    case "found":
    case "found all":
    case "leave search":
      return searched(state, action);
    case "filter":
      return { ...left(state), filter: action.text };
    case "sort":
      return sorted(state, action.order);
    case "tiles":
      return { ...state, isTiles: action.on };
    case "current":
      return { ...state, current: action.key };
    case "focus":
      return positionOf(state, action.key) < 0 && action.key !== null
        ? state
        : { ...state, current: action.key ?? state.current, focusing: state.focusing + 1 };
    case "renamed":
      return renamed(state, action);
    case "preview":
      return previewed(state, action.key);
    case "lines":
      return { ...state, lines: action.lines };
    case "work":
      return { ...state, work: action.work };
    case "layers":
      return { ...state, layers: action.open };
    case "connection":
      return action.isLost === state.isLost ? state : { ...state, isLost: action.isLost };
    default:
      return selected(state, action);
  }
}

/**
 * @template {List} T
 * @param {T} list
 * @param {readonly Entry[]} entries
 * @returns {T}
 */
function appended(list, entries) {
  const all = list.entries.concat(entries);
  const needsRanks = list.arrived === null && list.isRanked;
  return { ...list, entries: needsRanks ? ranked(all) : all };
}

/** The directory has been read again: what is no longer there is not selected either. @param {State} state @param {readonly Entry[]} entries @returns {State} */
function replaced(state, entries) {
  const folder = {
    entries: merged(state.folder.entries, entries),
    arrived: /** @type {Order} */ ({ sort: "name", order: "asc" }),
    isRanked: true,
    isComplete: true,
  };
  return state.search ? { ...state, folder } : pruned(state, { ...state, folder });
}

/** @param {State} before @param {State} after @returns {State} */
function pruned(before, after) {
  const keys = keysOf(listOf(after).entries);
  const ticked = [...after.ticked].filter((key) => keys.has(key));
  return {
    ...after,
    ticked: ticked.length === after.ticked.size ? after.ticked : new Set(ticked),
    current: after.current === null ? null : successor(before, after.current, keys),
  };
}

/**
 * The row that takes the place of the current one: itself if it is still there, or the next one that is, or the last.
 *
 * @param {State} before
 * @param {string} current
 * @param {{ has(key: string): boolean }} keys What is there now.
 */
function successor(before, current, keys) {
  if (keys.has(current)) return current;
  const shown = shownOf(before);
  const at = positionOf(before, current);
  if (at < 0) return null;
  const next = shown.slice(at).find((entry) => keys.has(keyOf(entry))) ??
    shown.slice(0, at).findLast((entry) => keys.has(keyOf(entry)));
  return next ? keyOf(next) : null;
}

/** @param {State} state @param {Extract<Action, { type: "search" | "search again" | "found" | "found all" | "leave search" }>} action @returns {State} */
function searched(state, action) {
  const { search } = state;
  if (action.type === "search") return started(state, action.text);
  if (action.type === "leave search") return left(state);
  if (search === null) return state;
  const searches = state.searches + 1;
  if (action.type === "search again") return { ...state, searches, search: { ...search, id: searches } };
  if (action.id !== search.id) return state; // of an earlier search
  if (action.type === "found") return { ...state, search: appended(search, action.entries) };
  const { note = "", problem = "", entries } = action;
  const results = entries ? merged(search.entries, search.isRanked ? ranked(entries) : entries) : search.entries;
  return pruned(state, { ...state, search: { ...search, entries: results, isComplete: true, note, problem } });
}

/** @param {State} state @param {string} text @returns {State} */
function started(state, text) {
  const isRanked = state.order.sort !== "name" || state.order.order !== "asc";
  const searches = state.searches + 1;
  const search = { text, id: searches, entries: [], arrived: null, isRanked, isComplete: false, note: "", problem: "" };
  return { ...state, searches, search, filter: "", ...NOTHING_CHOSEN };
}

const NOTHING_CHOSEN = { ticked: NONE, anchor: null, current: null };

/** Back in the directory. @param {State} state @returns {State} */
function left(state) {
  return state.search ? { ...state, search: null, filter: "", ...NOTHING_CHOSEN } : state;
}

/** @param {State} state @param {string | null} key @returns {State} */
function previewed(state, key) {
  return { ...state, preview: key, lines: "", current: key ?? state.preview ?? state.current };
}

/** The address has changed. @param {State} state @param {View} view @returns {State} */
function viewed(state, { order, search, preview, lines }) {
  const text = state.search?.text ?? null;
  const found = search === text ? state : search === null ? left(state) : started(state, search);
  const next = sorted(found, order);
  return { ...next.preview === preview ? next : previewed(next, preview), lines };
}

/** @param {State} state @param {Order} order @returns {State} */
function sorted(state, order) {
  if (order.sort === state.order.sort && order.order === state.order.order) return state;
  const { folder, search } = state;
  return { ...state, order, folder: withRanks(folder), search: search && withRanks(search) };
}

/**
 * @template {List} T
 * @param {T} list
 * @returns {T}
 */
function withRanks(list) {
  return list.isRanked ? list : { ...list, entries: ranked(list.entries), isRanked: true };
}

/** @param {State} state @param {{ from: string, to: string }} names @returns {State} */
function renamed(state, { from, to }) {
  const ticked = state.ticked.has(from)
    ? new Set([...state.ticked].map((key) => key === from ? to : key))
    : state.ticked;
  return { ...state, ticked, current: to };
}

/** @param {State} state @param {Extract<Action, { type: "toggle" | "extend" | "select all" | "clear" }>} action @returns {State} */
function selected(state, action) {
  if (action.type === "clear") return { ...state, ticked: NONE, anchor: null };
  if (action.type === "select all") return { ...state, ticked: withKeys(state.ticked, shownOf(state)) };
  const { key } = action;
  const from = action.type === "extend" && state.anchor !== null ? positionOf(state, state.anchor) : -1;
  const to = positionOf(state, key);
  if (from >= 0 && to >= 0) {
    const range = shownOf(state).slice(Math.min(from, to), Math.max(from, to) + 1);
    return { ...state, ticked: withKeys(state.ticked, range) };
  }
  if (to < 0 || shownOf(state)[to]?.href === null) return state;
  const ticked = new Set(state.ticked);
  if (!ticked.delete(key)) ticked.add(key);
  return { ...state, ticked, anchor: key };
}

/** @param {ReadonlySet<string>} keys @param {readonly Entry[]} entries */
function withKeys(keys, entries) {
  return new Set([...keys, ...entries.filter(({ href }) => href !== null).map(keyOf)]);
}
