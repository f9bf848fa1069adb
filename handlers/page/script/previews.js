/** Opens and closes the preview as the state says; its module is loaded for the first one. */

import { toast } from "./dom.js";
import { keyOf, nameOf } from "./entries.js";
import { t } from "./language.js";
import { isShown } from "./kinds.js";
import { request } from "./login.js";
import { listOf, positionOf, previewedOf, shownOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** @type {import("./preview.js").Preview | undefined} */
let preview;

/** @param {Entry} entry */
export function openPreview(entry) {
  store.dispatch({ type: "preview", key: keyOf(entry) });
}

/**
 * The next or previous file that can be shown; null if there is none.
 *
 * @param {string} key
 * @param {number} step 1 or -1.
 */
export function neighbourOf(key, step) {
  const list = shownOf(store.state);
  for (let at = positionOf(store.state, key) + step; at >= 0 && at < list.length; at += step) {
    const entry = list[at];
    if (entry && isShown(entry)) return entry;
  }
  return null;
}

/** Goes to the next or previous file. @param {string} key @param {number} step */
export function stepFrom(key, step) {
  const entry = neighbourOf(key, step);
  if (entry) openPreview(entry);
}

/** Goes to the file on a side: the next one is on the right, or where texts run from right to left, on the left. @param {string} key @param {number} side */
export function stepToSide(key, side) {
  stepFrom(key, document.documentElement.dir === "rtl" ? -side : side);
}

export function followPreview() {
  store.watch(previewedOf, show);
  // A file that is not there, in one list or the other.
  store.watch((state) => state.preview !== null && listOf(state).isComplete && previewedOf(state), tellMissing);
}

/** @param {Entry | null | undefined} entry */
async function show(entry) {
  if (!entry) return preview?.close();
  try {
    preview ??= new (await import("./preview.js")).Preview();
  } catch {
    return openWithout(entry);
  }
  // Another one may have been chosen while the module was loaded.
  const now = previewedOf(store.state);
  if (now) preview.show(/** @type {import("./preview.js").Shown} */ (now));
}

/** A server that was updated in the meantime has other modules: the browser opens the file. @param {Entry} entry */
async function openWithout(entry) {
  store.dispatch({ type: "preview", key: null });
  try {
    const response = await request(entry.href ?? "", { method: "HEAD" });
    if (response.ok) return location.assign(entry.href ?? "");
    toast(t("The server answered {status}", { status: response.status }), "failed");
  } catch (error) {
    toast(error instanceof Error ? error.message : String(error), "failed");
  }
}

/** @param {Entry | null | undefined | false} entry Null if it is not there. */
function tellMissing(entry) {
  const { preview: key } = store.state;
  if (entry !== null || key === null) return;
  toast(t("“{name}” is not there", { name: nameOf(key) }), "failed");
  store.dispatch({ type: "preview", key: null });
}
