/** Keyboard shortcuts. */

import { removeEntries, renameEntry } from "./deeds.js";
import { goUp } from "./heading.js";
import { kept } from "./kept.js";
import { undo } from "./moving.js";
import { escape, move, moveToEdge, toggleCurrent } from "./moves.js";
import { chosenOf, currentOf } from "./selectors.js";
import { can, store } from "./store.js";
import { openHelp, switchView } from "./toolbar.js";

/** @typedef {{ field: HTMLInputElement, rows: import("./rows.js").Rows }} Page The field of the filter, and the table. */

/** Whether single-character shortcuts are active: users of speech input can turn them off (WCAG 2.1.4). */
export const characterKeys = {
  get on() {
    return kept.get("keys") !== "off";
  },
  set on(on) {
    kept.set("keys", on ? "on" : "off");
  },
};

/** @param {Page} page */
export function listenToKeys(page) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.defaultPrevented || event.isComposing || store.state.layers > 0) return;
    if (event.key === "Escape") return escape();
    const deed = isTyping(target) ? inField(event, page) : deedOf(event, page, target);
    if (!deed) return;
    event.preventDefault();
    deed();
  });
}

/** @param {Element} target */
function isTyping(target) {
  return target.matches("input:not([type=checkbox]), textarea, select, audio, video");
}

/** @param {KeyboardEvent} event @param {Page} page */
function inField({ key, target }, { field, rows }) {
  return key === "ArrowDown" && target === field ? () => move(0, false, rows.hasFocus) : null;
}

/** @param {KeyboardEvent} event @param {Page} page @param {Element} target */
function deedOf(event, page, target) {
  const { key, altKey, shiftKey } = event;
  if (altKey) return null;
  if (event.ctrlKey || event.metaKey) {
    if (shiftKey) return null;
    if (key === "z" && can("delete")) return undo;
    return key === "a" ? () => store.dispatch({ type: "select all" }) : null;
  }
  const isInRows = target.matches("tbody *, body, html");
  const deed = characterKeys.on ? characterDeed(key, page, isInRows && !target.matches("input, button")) : null;
  if (deed || !isInRows) return deed;
  if (key === "Enter" && target.matches("body, html")) return () => store.dispatch({ type: "focus", key: null });
  return motion(key, shiftKey, page.rows) ?? ROW_DEEDS[key] ?? null;
}

/** @param {string} key @param {Page} page @param {boolean} isInRow */
function characterDeed(key, { field }, isInRow) {
  if (key === "/") return () => field.focus();
  if (key === "?") return openHelp;
  if (key === "v") return switchView;
  return key === " " && isInRow ? toggleCurrent : null;
}

/** @type {Readonly<Record<string, () => void>>} */
const ROW_DEEDS = {
  Backspace: goUp,
  Delete: () => {
    const chosen = chosenOf(store.state);
    if (can("delete")) {
      removeEntries(chosen.length > 0 ? chosen : [currentOf(store.state)].filter((entry) => entry !== null));
    }
  },
  F2: () => {
    const current = currentOf(store.state);
    if (can("delete") && current?.href) renameEntry(current);
  },
};

/** @param {string} key @param {boolean} extend @param {import("./rows.js").Rows} rows */
function motion(key, extend, rows) {
  if (key === "Home" || key === "End") return () => moveToEdge(key === "End");
  const { columns } = rows;
  const aside = columns > 1 ? 1 : 0;
  const step = { ArrowDown: columns, ArrowUp: -columns, ArrowRight: aside, ArrowLeft: -aside }[key];
  return step ? () => move(step, extend, rows.hasFocus) : null;
}
