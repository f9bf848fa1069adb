/** The list of keyboard shortcuts. */

import { h } from "./dom.js";
import { openDialog } from "./dialogs.js";
import { characterKeys } from "./keyboard.js";
import { t } from "./language.js";

/** @returns {(readonly [keys: string, what: string])[]} */
function keys() {
  return [
    ["↑ ↓", t("move between rows")],
    ["Enter", t("open")],
    ["Backspace", t("go to the parent folder")],
    ["/", t("filter")],
    ["Esc", t("close, or clear the filter or selection")],
    ["Space", t("select")],
    ["Shift + ↑ ↓", t("extend the selection")],
    ["Ctrl + A", t("select all")],
    ["V", t("switch between list and tiles")],
    ["Home End", t("go to the first or last row")],
    ["← →", t("in a preview: previous or next file")],
    ["?", t("show this help")],
  ];
}

/** @param {(ability: string) => boolean} can */
export function openHelp(can) {
  const rows = keys();
  if (can("upload")) rows.push(["Ctrl + C", t("copy the selection")], ["Ctrl + V", t("paste it into this folder")]);
  if (can("delete")) {
    if (can("upload")) rows.push(["Ctrl + X", t("cut the selection, to move it")]);
    rows.push(["Ctrl + Z", t("undo the last move or new name")], ["F2", t("rename")], [
      "Delete",
      t("delete the selection"),
    ]);
  }
  const switchKeys = h("input", { type: "checkbox", checked: characterKeys.on });
  switchKeys.addEventListener("change", () => {
    characterKeys.on = switchKeys.checked;
  });
  openDialog(t("Keyboard"), [
    h(
      "dl",
      { class: "keys" },
      ...rows.map(([keys, what]) => h("div", {}, h("dt", {}, ...caps(keys)), h("dd", {}, what))),
    ),
    h("label", { class: "check" }, switchKeys, t("Single-character shortcuts: /, ?, V and Space")),
  ], { class: "help" });
}

/** @param {string} keys */
function caps(keys) {
  return keys.split(" ").map((key) => key === "+" ? "+" : h("kbd", {}, key));
}
