/** What the page says about the list: its totals, the search, and why there is nothing. */

import { announce, h } from "./dom.js";
import { refresh } from "./folder.js";
import { count, formatSize } from "./format.js";
import { filterOf, listOf, shownOf, totalsOf } from "./selectors.js";
import { can, store } from "./store.js";

/** @typedef {import("./state.js").State} State */

/** The announcement of the number of matches waits until typing pauses, in milliseconds. */
const PAUSE_MS = 600;

/**
 * @param {HTMLTableElement} table
 * @param {HTMLElement} summary
 */
export function showSummary(table, summary) {
  const notice = h("p", { class: "notice", hidden: true });
  const empty = h("div", { class: "empty", tabindex: "-1", hidden: true });
  table.before(notice);
  table.after(empty);
  const show = () => {
    summary.textContent = summaryOf(store.state);
    const hadFocus = empty === document.activeElement;
    table.hidden = listOf(store.state).isComplete && shownOf(store.state).length === 0;
    empty.hidden = !table.hidden;
    if (hadFocus && empty.hidden) store.dispatch({ type: "focus", key: null });
    if (!empty.hidden) empty.replaceChildren(...emptyText(store.state));
  };
  store.watch(shownOf, show);
  store.watch(listOf, show);
  store.watch(filterOf, show);
  store.watch((state) => state.search, (search) => {
    notice.hidden = search === null;
    if (search) showNotice(notice, search);
  });
  store.watch((state) => state.search?.isComplete, (isComplete) => isComplete && announce(notice.textContent ?? ""));
  announceMatches();
  showConnection(table);
}

/** Tells that the server does not answer, until it does. @param {HTMLElement} table */
function showConnection(table) {
  const again = h("button", { type: "button", class: "button", onclick: refresh }, "Try again");
  const offline = h(
    "p",
    { class: "offline", hidden: true },
    "The server cannot be reached: the list may be out of date.",
    again,
  );
  table.before(offline);
  store.watch((state) => state.isLost, (isLost) => {
    offline.hidden = !isLost;
  });
  addEventListener("online", () => store.state.isLost && refresh());
}

/** @param {State} state */
function summaryOf(state) {
  const list = listOf(state);
  if (filterOf(state).trim() !== "") {
    return `${shownOf(state).length.toLocaleString("en")} of ${list.entries.length.toLocaleString("en")}`;
  }
  const { directories, files, bytes } = totalsOf(list.entries);
  const all = [
    directories > 0 && count(directories, "folder"),
    files > 0 && count(files, "file"),
    bytes > 0 && formatSize(bytes),
  ];
  return all.filter(Boolean).join(" · ") + (list.isComplete ? "" : " …");
}

/** @param {HTMLElement} notice @param {import("./state.js").Search} search */
function showNotice(notice, { text, isComplete, entries, note, problem }) {
  const where = `“${text}” here and below`;
  const sentence = problem !== ""
    ? `The search failed: ${problem}.`
    : isComplete
    ? `${count(entries.length, "match", "matches")} for ${where}. ${note}`
    : `Searching for ${where} …`;
  const back = notice.querySelector("button") ??
    h("button", { type: "button", class: "button", onclick: leave }, "Back to the folder");
  const words = notice.querySelector("span") ?? h("span");
  words.textContent = sentence;
  if (!words.isConnected) notice.replaceChildren(words, back);
}

function leave() {
  store.dispatch({ type: "leave search" });
  store.dispatch({ type: "focus", key: null });
}

function announceMatches() {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let due;
  store.watch(filterOf, (text, before) => {
    clearTimeout(due);
    if (before === undefined) return;
    due = setTimeout(() => {
      announce(text === "" ? "" : count(shownOf(store.state).length, "match", "matches"));
    }, PAUSE_MS);
  });
}

/** @param {State} state @returns {Node[]} */
function emptyText(state) {
  const text = filterOf(state).trim();
  if (state.search) {
    if (state.search.problem !== "") return [h("h2", {}, "Nothing to show")];
    return [h("h2", {}, "Nothing found"), h("p", {}, "Try part of the name, or a pattern such as *.pdf.")];
  }
  if (text !== "") {
    const hint = can("search") ? "Press Enter to search the folders below." : "Press Esc to see all.";
    return [h("h2", {}, `Nothing here matches “${text}”`), h("p", {}, hint)];
  }
  const hint = can("upload")
    ? "Drop files here, or press Upload."
    : can("watch")
    ? "New files appear by themselves."
    : "New files appear when you reload.";
  return [h("h2", {}, "This folder is empty"), h("p", {}, hint)];
}
