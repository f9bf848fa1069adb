/** Keyboard shortcuts. */

/**
 * @typedef {object} Deeds
 * @property {() => void} filter
 * @property {() => void} help
 * @property {() => void} up
 * @property {() => void} escape
 * @property {() => void} view
 * @property {(step: number, extend: boolean) => void} move
 * @property {(end: boolean) => void} edge
 * @property {() => number} columns
 * @property {() => void} toggle
 * @property {() => void} all
 * @property {() => void} remove
 * @property {() => void} rename
 * @property {() => void} open
 */

import { kept } from "./dom.js";

/** Whether single-character shortcuts are active: users of speech input can turn them off (WCAG 2.1.4). */
export const characterKeys = {
  get on() {
    return kept.get("keys") !== "off";
  },
  set on(on) {
    kept.set("keys", on ? "on" : "off");
  },
};

/** @param {Deeds} deeds */
export function listenToKeys(deeds) {
  document.addEventListener("keydown", (event) => {
    const target = /** @type {Element} */ (event.target);
    if (event.defaultPrevented || event.isComposing || document.querySelector("dialog[open], [role=menu]")) return;
    if (event.key === "Escape") return deeds.escape();
    if (isTyping(target)) {
      if (event.key === "ArrowDown" && target.matches(".filter input")) perform(event, () => deeds.move(0, false));
      return;
    }
    const deed = event.ctrlKey || event.metaKey ? withControl(event, deeds) : plain(event, deeds, target);
    if (deed) perform(event, deed);
  });
}

/** @param {KeyboardEvent} event @param {() => void} deed */
function perform(event, deed) {
  event.preventDefault();
  deed();
}

/** @param {Element} target */
function isTyping(target) {
  return target.matches("input:not([type=checkbox]), textarea, select, audio, video");
}

/** @param {KeyboardEvent} event @param {Deeds} deeds */
function withControl(event, deeds) {
  if (event.altKey || event.shiftKey) return null;
  return event.key === "a" ? deeds.all : null;
}

/** @param {KeyboardEvent} event @param {Deeds} deeds @param {Element} target */
function plain(event, deeds, target) {
  if (event.altKey) return null;
  const { key, shiftKey } = event;
  const inRows = target.matches("tbody *, body, html");
  if (characterKeys.on) {
    if (key === "/") return deeds.filter;
    if (key === "?") return deeds.help;
    if (key === "v") return deeds.view;
    if (key === " " && inRows && !target.matches("input, button")) return deeds.toggle;
  }
  if (key === "Backspace" && inRows) return deeds.up;
  if (key === "Delete" && inRows) return deeds.remove;
  if (key === "F2" && inRows) return deeds.rename;
  if (!inRows) return null;
  if (key === "ArrowDown") return () => deeds.move(deeds.columns(), shiftKey);
  if (key === "ArrowUp") return () => deeds.move(-deeds.columns(), shiftKey);
  if (deeds.columns() > 1 && key === "ArrowRight") return () => deeds.move(1, shiftKey);
  if (deeds.columns() > 1 && key === "ArrowLeft") return () => deeds.move(-1, shiftKey);
  if (key === "Home") return () => deeds.edge(false);
  if (key === "End") return () => deeds.edge(true);
  if (key === "Enter" && target.matches("body, html")) return deeds.open;
  return null;
}
