/** What the page says about the list: its totals, the search, and why there is nothing. */

import { announce, h } from "./dom.js";
import { refresh } from "./folder.js";
import { formatSize } from "./format.js";
import { t, tn } from "./language.js";
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
  const again = h("button", { type: "button", class: "button", onclick: refresh }, t("Try again"));
  const offline = h(
    "p",
    { class: "offline", hidden: true },
    t("The server cannot be reached: the list may be out of date."),
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
    return t("{shown} of {all}", { shown: shownOf(state).length, all: list.entries.length });
  }
  const { directories, files, bytes } = totalsOf(list.entries);
  const all = [
    directories > 0 && tn(directories, "{n} folder", "{n} folders"),
    files > 0 && tn(files, "{n} file", "{n} files"),
    bytes > 0 && formatSize(bytes),
  ];
  return all.filter(Boolean).join(" · ") + (list.isComplete ? "" : " …");
}

/** @param {HTMLElement} notice @param {import("./state.js").Search} search */
function showNotice(notice, { text, isComplete, entries, note, problem }) {
  const sentence = problem !== ""
    ? t("The search failed: {problem}.", { problem })
    : isComplete
    ? `${
      tn(entries.length, "{n} match for “{text}” here and below.", "{n} matches for “{text}” here and below.", { text })
    } ${note}`
    : t("Searching for “{text}” here and below …", { text });
  const back = notice.querySelector("button") ??
    h("button", { type: "button", class: "button", onclick: leave }, t("Back to the folder"));
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
      announce(text === "" ? "" : tn(shownOf(store.state).length, "{n} match", "{n} matches"));
    }, PAUSE_MS);
  });
}

/** @param {State} state @returns {Node[]} */
function emptyText(state) {
  const text = filterOf(state).trim();
  if (state.search) {
    if (state.search.problem !== "") return [h("h2", {}, t("Nothing to show"))];
    return [h("h2", {}, t("Nothing found")), h("p", {}, t("Try part of the name, or a pattern such as *.pdf."))];
  }
  if (text !== "") {
    const hint = can("search") ? t("Press Enter to search the folders below.") : t("Press Esc to see all.");
    return [h("h2", {}, t("Nothing here matches “{text}”", { text })), h("p", {}, hint)];
  }
  const hint = can("upload")
    ? t("Drop files here, or press Upload.")
    : can("watch")
    ? t("New files appear by themselves.")
    : t("New files appear when you reload.");
  return [h("h2", {}, t("This folder is empty")), h("p", {}, hint)];
}
