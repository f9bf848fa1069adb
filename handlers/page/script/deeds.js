/** What the user can do to files: asks, does it, and shows what came of it. */

import { makeFolder, remove, rename } from "./changes.js";
import { ask, askName } from "./dialogs.js";
import { announce, h, toast } from "./dom.js";
import { refresh } from "./folder.js";
import { formatSize } from "./format.js";
import { t, tn } from "./language.js";
import { LoggedOut } from "./login.js";
import { offerUndo, summaryOf } from "./moving.js";
import { pathOfHref } from "./places.js";
import { workOn } from "./work.js";
import { store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

export async function newFolder() {
  const name = await askName(t("New folder"), t("Name"), "", t("Create folder"));
  if (name !== null) await changed(() => makeFolder(name));
}

/** @param {Entry} entry */
export async function renameEntry(entry) {
  const name = await askName(t("Rename"), t("New name"), entry.name, t("Rename"));
  if (name === null || name === entry.name) return;
  const from = /** @type {string} */ (entry.href);
  await changed(async () => {
    const to = await rename(from, name);
    store.dispatch({ type: "renamed", from, to });
    offerUndo(t("Renamed to “{name}”", { name }), [{ from: pathOfHref(from), to: pathOfHref(to) }]);
    return to;
  });
}

/** Makes a change and focuses its result. @param {() => Promise<string>} change Resolves to the key of the result. */
async function changed(change) {
  let key = null;
  try {
    key = await change();
  } catch (error) {
    complain(error);
    if (error instanceof LoggedOut) return;
  }
  await refresh();
  if (key !== null) store.dispatch({ type: "focus", key });
}

/** @param {readonly Entry[]} entries */
export async function removeEntries(entries) {
  const hrefs = entries.flatMap(({ href }) => href ?? []);
  if (hrefs.length === 0 || !await confirmRemoval(entries)) return;
  const { done, problems, isOut } = await workOn(
    (done, of) => t("Deleting {done} of {of}", { done, of }),
    hrefs,
    remove,
  );
  const removed = done.length;
  if (problems.length > 0) toast(summaryOf(problems), "failed");
  if (!isOut) await refresh(); // it would ask to log in again
  announce(deletionText(removed, hrefs.length));
}

/** @param {number} removed @param {number} of */
function deletionText(removed, of) {
  if (removed === 0) return t("Nothing was deleted");
  return removed === of
    ? tn(of, "{n} item deleted", "{n} items deleted")
    : tn(of, "{removed} of {n} item deleted", "{removed} of {n} items deleted", { removed });
}

/** Asks for confirmation of a deletion. @param {readonly Entry[]} entries */
async function confirmRemoval(entries) {
  const [first] = entries;
  const title = entries.length === 1 && first
    ? t("Delete “{name}”?", { name: first.name })
    : tn(entries.length, "Delete {n} item?", "Delete {n} items?");
  const hasFolders = entries.some(({ kind }) => kind === "directory");
  const bytes = entries.reduce((sum, { size }) => sum + (size ?? 0), 0);
  const text = hasFolders
    ? t("This includes everything in it and cannot be undone.")
    : t("{size}. This cannot be undone.", { size: formatSize(bytes) });
  return await ask(title, [h("p", {}, text)], [["delete", t("Delete")], ["keep", t("Keep")]], {
    danger: true,
  }) === "delete";
}

/** @param {unknown} error */
function complain(error) {
  toast(error instanceof Error ? error.message : String(error), "failed");
}
