/** The list of keyboard shortcuts. */

import { h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { characterKeys } from "./keyboard.js";

/** @type {readonly (readonly [keys: string, what: string, isCharacter?: boolean])[]} */
const KEYS = [
  ["↑ ↓", "move between rows"],
  ["Enter", "open"],
  ["Backspace", "go to the parent folder"],
  ["/", "filter", true],
  ["Esc", "close, or clear the filter or selection"],
  ["Space", "select", true],
  ["Shift + ↑ ↓", "extend the selection"],
  ["Ctrl + A", "select all"],
  ["V", "switch between list and tiles", true],
  ["Home End", "go to the first or last row"],
  ["← →", "in a preview: previous or next file"],
  ["?", "show this help", true],
];

/** @param {(ability: string) => boolean} can */
export function openHelp(can) {
  const rows = [...KEYS];
  if (can("upload")) rows.push(["Ctrl + C", "copy the selection"], ["Ctrl + V", "paste it into this folder"]);
  if (can("delete")) {
    if (can("upload")) rows.push(["Ctrl + X", "cut the selection, to move it"]);
    rows.push(["Ctrl + Z", "undo the last move or new name"], ["F2", "rename"], ["Delete", "delete the selection"]);
  }
  const switchKeys = h("input", { type: "checkbox", checked: characterKeys.on });
  switchKeys.addEventListener("change", () => {
    characterKeys.on = switchKeys.checked;
  });
  openDialog("Keyboard", [
    h(
      "dl",
      { class: "keys" },
      ...rows.map(([keys, what]) => h("div", {}, h("dt", {}, ...caps(keys)), h("dd", {}, what))),
    ),
    h("label", { class: "check" }, switchKeys, " Single-character shortcuts: /, ?, V and Space"),
  ], { class: "help" });
}

/** @param {string} keys */
function caps(keys) {
  return keys.split(" ").map((key) => key === "+" ? "+" : h("kbd", {}, key));
}
