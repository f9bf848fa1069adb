/** Reads the directory and runs the search; both again after each change, so that the list is what is there. */

import { toast } from "./dom.js";
import { entryOfJson } from "./entries.js";
import { t } from "./language.js";
import { loaded } from "./lazy.js";
import { LoggedOut, request, Unreachable } from "./login.js";
import { store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** The directory is not there. */
class Gone extends Error {}

/** Reads the directory again, and repeats the search if one is shown. @returns {Promise<boolean>} Whether it worked. */
export async function refresh() {
  try {
    await readAgain();
    return true;
  } catch (error) {
    const reason = error instanceof LoggedOut || error instanceof Unreachable ? error.message : "";
    toast(
      reason === ""
        ? t("Sorry, the list may be out of date")
        : t("{reason}, so the list may be out of date", { reason }),
      "failed",
    );
    return false;
  }
}

async function readAgain() {
  const entries = await fetchEntries();
  store.dispatch({ type: "replace", entries });
  store.dispatch({ type: "search again" });
}

/** @returns {Promise<Entry[]>} */
async function fetchEntries() {
  const response = await request("?format=json", { headers: { accept: "application/json" }, cache: "no-cache" });
  if (response.status === 404) throw new Gone(t("This folder is no longer there"));
  if (!response.ok) throw new Error(t("The server answered {status}", { status: response.status }));
  /** @type {{ entries: import("./entries.js").JsonEntry[] }} */
  const { entries } = await response.json();
  return entries.map(entryOfJson);
}

/** Reads the directory again when the page is seen again, which may be an old copy of the browser's. */
export function refreshWhenSeen() {
  const again = () =>
    readAgain().catch((error) => {
      // Otherwise, the page says that the server does not answer.
      if (error instanceof Gone) location.reload();
    });
  const [navigation] = performance.getEntriesByType("navigation");
  if (/** @type {PerformanceNavigationTiming | undefined} */ (navigation)?.type === "back_forward") again();
  addEventListener("pageshow", ({ persisted }) => persisted && again());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && again());
}

/** Follows changes of the directory, on a server that reports them. */
export async function followChanges() {
  const live = await loaded(() => import("./live_rows.js"));
  live?.followDirectory(async () => {
    const entries = await fetchEntries().catch(() => null);
    if (entries !== null) store.dispatch({ type: "replace", entries }); // else the next change tries again
  });
}

/** Runs each search that the state asks for. */
export function followSearch() {
  let stop = new AbortController();
  store.watch((state) => state.search?.id, (id) => {
    stop.abort();
    stop = new AbortController();
    if (id !== undefined) run(id, stop.signal);
  });
}

/** @param {number} id @param {AbortSignal} signal */
async function run(id, signal) {
  const { text, isComplete: isKnown } = /** @type {import("./state.js").Search} */ (store.state.search);
  /** What replaces the results that are shown, when all has arrived. @type {Entry[] | undefined} */
  const again = isKnown ? [] : undefined;
  /** @param {Entry[]} entries */
  const take = (entries) => {
    if (signal.aborted) return;
    if (again) again.push(...entries);
    else store.dispatch({ type: "found", id, entries });
  };
  try {
    const { search } = await import("./search.js");
    const note = await search(text, take, signal);
    store.dispatch({ type: "found all", id, note, ...(again && { entries: again }) });
  } catch (error) {
    if (!signal.aborted) store.dispatch({ type: "found all", id, problem: problemOf(error) });
  }
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof TypeError || error instanceof Unreachable) return t("The server cannot be reached");
  return error instanceof Error ? error.message : String(error);
}
