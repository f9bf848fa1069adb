/** Moves and copies files to other folders: by cutting, copying and pasting, or with a dialog; moves can be undone. */

import { copyTo, moveTo } from "./changes.js";
import { announce, toast } from "./dom.js";
import { refresh } from "./folder.js";
import { kept } from "./kept.js";
import { t, tn } from "./language.js";
import { loaded } from "./lazy.js";
import { herePath, keyOfPath, parentOf, pathOfHref, urlOf } from "./places.js";
import { chosenOf, currentOf } from "./selectors.js";
import { can, store } from "./store.js";
import { workOn } from "./work.js";

/** @typedef {import("./entries.js").Entry} Entry */
/** @typedef {{ kind: "move" | "copy", paths: readonly string[] }} Clipboard What was cut or copied, by its paths on the server. */
/** @typedef {{ from: string, to: string }} Moved Paths on the server. */

/** The moves that can be undone: the last ones. @type {readonly Moved[]} */
let last = [];

/** What would be cut or copied: the selection, or the row with the focus. @returns {readonly Entry[]} */
function subjects() {
  const chosen = chosenOf(store.state);
  const current = document.activeElement?.closest("tbody") ? currentOf(store.state) : null;
  return chosen.length > 0 ? chosen : current?.href ? [current] : [];
}

/** Listens to cutting, copying and pasting: by keys, or by the menu of the browser. */
export function listenToClipboard() {
  for (const [event, kind] of /** @type {const} */ ([["cut", "move"], ["copy", "copy"]])) {
    document.addEventListener(event, (/** @type {ClipboardEvent} */ given) => {
      if (!isAboutFiles(given.target) || !can("upload") || kind === "move" && !can("delete")) return;
      const entries = take(kind);
      if (entries.length === 0) return;
      given.preventDefault();
      given.clipboardData?.setData("text/plain", entries.map(urlOf).join("\n"));
    });
  }
  document.addEventListener("paste", (event) => {
    if (!isAboutFiles(event.target) || event.clipboardData?.files.length || !can("upload")) return;
    event.preventDefault();
    paste();
  });
}

/** Whether a key concerns files, rather than selected text or what is typed. @param {EventTarget | null} target */
function isAboutFiles(target) {
  const isText = target instanceof Element && target.closest("input:not([type=checkbox]), textarea, dialog") !== null;
  return !isText && store.state.layers === 0 && (getSelection()?.isCollapsed ?? true);
}

/** Cuts or copies; pasting, here or in another folder, moves or copies. @param {"move" | "copy"} kind */
function take(kind) {
  const entries = subjects();
  if (entries.length === 0) return [];
  const paths = entries.map(({ href }) => pathOfHref(/** @type {string} */ (href)));
  kept.set("clipboard", JSON.stringify(/** @type {Clipboard} */ ({ kind, paths })));
  const many = paths.length;
  toast(
    kind === "move"
      ? tn(many, "{n} item cut: open a folder and press Ctrl+V", "{n} items cut: open a folder and press Ctrl+V")
      : tn(many, "{n} item copied: open a folder and press Ctrl+V", "{n} items copied: open a folder and press Ctrl+V"),
  );
  return entries;
}

/** Moves or copies what was taken into this folder. */
async function paste() {
  const clipboard = clipboardOf(kept.get("clipboard"));
  if (!clipboard) return;
  if (clipboard.kind === "move") kept.set("clipboard", "");
  await bring(clipboard.kind, clipboard.paths, herePath);
}

/** @param {string | null} text @returns {Clipboard | null} */
function clipboardOf(text) {
  try {
    const { kind, paths } = JSON.parse(text ?? "");
    const isValid = (kind === "move" || kind === "copy") && Array.isArray(paths) &&
      paths.every((path) => typeof path === "string" && /^\/(?!\/)/.test(path));
    return isValid ? { kind, paths } : null;
  } catch {
    return null;
  }
}

/** Asks for a folder, and moves or copies entries into it. @param {readonly Entry[]} entries */
export async function moveByDialog(entries) {
  const paths = entries.flatMap(({ href }) => href === null ? [] : [pathOfHref(href)]);
  const picker = await loaded(() => import("./folder_picker.js"));
  const answer = paths.length > 0 && await picker?.askFolder(paths, can("delete"));
  if (answer) await bring(answer.kind, paths, answer.folder);
}

/**
 * @param {"move" | "copy"} kind
 * @param {readonly string[]} paths
 * @param {string} folder The path of the folder that they go to.
 */
export async function bring(kind, paths, folder) {
  const act = kind === "move" ? moveTo : copyTo;
  const { done, problems, isOut } = await workOn(
    (done, of) =>
      kind === "move" ? t("Moving {done} of {of}", { done, of }) : t("Copying {done} of {of}", { done, of }),
    paths.filter((path) => kind === "copy" || parentOf(path) !== folder),
    (path) => act(path, folder),
  );
  if (!isOut) await refresh();
  if (problems.length > 0) toast(summaryOf(problems), "failed");
  if (done.length === 0) return;
  const sentence = kind === "move"
    ? tn(done.length, "{n} item moved", "{n} items moved")
    : tn(done.length, "{n} item copied", "{n} items copied");
  announce(sentence);
  if (kind === "move") offerUndo(sentence, done);
  else toast(sentence);
  const key = keyOfPath(done[0]?.to ?? "");
  if (folder === herePath && key !== null) store.dispatch({ type: "focus", key });
}

/** Offers to move back. @param {string} sentence @param {readonly Moved[]} moves */
export function offerUndo(sentence, moves) {
  last = moves;
  toast(sentence, "done", { label: t("Undo"), act: undo });
}

/** Moves back what was moved last. */
export async function undo() {
  const moves = last;
  last = [];
  if (moves.length === 0) return;
  const { done, problems, isOut } = await workOn(
    (done, of) => t("Moving back {done} of {of}", { done, of }),
    moves,
    ({ from, to }) => moveTo(to, parentOf(from), nameIn(from)),
  );
  if (!isOut) await refresh();
  if (problems.length > 0) toast(summaryOf(problems), "failed");
  if (done.length > 0) toast(tn(done.length, "{n} item moved back", "{n} items moved back"));
  const key = keyOfPath(done[0]?.to ?? "");
  if (key !== null) store.dispatch({ type: "focus", key });
}

/** The last part of a path, encoded, with its slash. @param {string} path */
function nameIn(path) {
  return path.slice(parentOf(path).length);
}

/** @param {readonly string[]} problems */
export function summaryOf(problems) {
  const [first = ""] = problems;
  if (problems.length === 1) return first;
  return tn(problems.length - 1, "{first}, and {n} other problem", "{first}, and {n} other problems", { first });
}
