/** A dialog that asks for a folder. */

import { openDialog } from "./dialogs.js";
import { button, h } from "./dom.js";
import { nameOf } from "./entries.js";
import { t, tn } from "./language.js";
import { request } from "./login.js";
import { herePath, parentOf, urlOfPath } from "./places.js";
import { store } from "./store.js";

/** @typedef {{ kind: "move" | "copy", folder: string }} Answer */

/**
 * @param {readonly string[]} paths What goes there: no folder can go into itself.
 * @param {boolean} canMove
 * @returns {Promise<Answer | null>}
 */
export function askFolder(paths, canMove) {
  return new Promise((resolve) => {
    /** @type {Answer | null} */
    let answer = null;
    let folder = herePath;
    const place = h("p", { class: "place", role: "status" });
    const list = h("ul", { class: "folders", "aria-label": t("Folders") });
    /** @param {"move" | "copy"} kind @param {string} label @param {string} look */
    const deed = (kind, label, look) =>
      h("button", {
        type: "button",
        class: `button ${look}`,
        onclick: () => {
          answer = { kind, folder };
          dialog.close();
        },
      }, label);
    const move = canMove && deed("move", t("Move here"), "primary");
    const copy = deed("copy", t("Copy here"), canMove ? "" : "primary");
    const dialog = openDialog(titleOf(paths), [place, list, h("div", { class: "answers" }, move, copy)], {
      class: "picker",
    });
    dialog.addEventListener("close", () => resolve(answer));
    /** @param {string} path */
    const go = async (path) => {
      folder = path;
      place.textContent = path === "/" ? "/" : path.split("/").map(nameOf).join("/");
      if (move) move.disabled = paths.every((each) => parentOf(each) === path);
      const had = list.contains(document.activeElement);
      const items = await itemsOf(path, paths, go);
      if (folder !== path) return; // another one was opened meanwhile
      list.replaceChildren(...items);
      if (had) (list.querySelector("button") ?? copy).focus();
    };
    go(herePath);
  });
}

/** @param {readonly string[]} paths */
function titleOf(paths) {
  const [first = ""] = paths;
  return paths.length === 1
    ? t("Move or copy “{name}”", { name: nameOf(first) })
    : tn(paths.length, "Move or copy {n} item", "Move or copy {n} items");
}

/**
 * The folders in a folder, and the way up.
 *
 * @param {string} path
 * @param {readonly string[]} moved
 * @param {(path: string) => void} go
 */
async function itemsOf(path, moved, go) {
  const up = path === "/" ? [] : [item("up", t("Up"), () => go(parentOf(path)))];
  try {
    const folders = (await foldersIn(path)).filter((folder) => !moved.includes(folder));
    const items = folders.map((folder) => item("folder", nameOf(folder), () => go(folder)));
    return up.length + items.length > 0
      ? [...up, ...items]
      : [h("li", { class: "faint" }, t("There are no folders here."))];
  } catch (error) {
    return [...up, h("li", { class: "bad" }, error instanceof Error ? error.message : String(error))];
  }
}

/** @param {string} path @returns {Promise<string[]>} */
async function foldersIn(path) {
  if (path === herePath) {
    return store.state.folder.entries.flatMap(({ kind, href }) => kind === "directory" && href ? [path + href] : []);
  }
  const response = await request(`${urlOfPath(path)}?format=json`, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Error(t("The server answered {status}", { status: response.status }));
  /** @type {{ entries: import("./entries.js").JsonEntry[] }} */
  const { entries } = await response.json();
  return entries.flatMap(({ kind, href }) => kind === "directory" && href ? [path + href] : []);
}

/** @param {string} picture @param {string} label @param {() => void} onclick */
function item(picture, label, onclick) {
  return h("li", {}, button(picture, label, onclick, { words: true }));
}
