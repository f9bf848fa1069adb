/** Work on many files, one after the other: it shows how far it is, and can be stopped. */

import { button, h } from "./dom.js";
import { t } from "./language.js";
import { LoggedOut, Unreachable } from "./login.js";
import { store } from "./store.js";

/** Up to this number of files, nothing is shown: it is done at once. */
const AT_ONCE = 3;

/** Stops what is going on. */
let stop = new AbortController();

/**
 * Does something to each of several files, and goes on after a problem with one of them.
 *
 * @template T
 * @template R
 * @param {(done: number, of: number) => string} titleOf What is being done.
 * @param {readonly T[]} files
 * @param {(file: T) => Promise<R>} act
 * @returns {Promise<{ done: R[], problems: string[], isOut: boolean }>} isOut: the session has ended, and the user has
 * not logged in.
 */
export async function workOn(titleOf, files, act) {
  stop = new AbortController();
  const { signal } = stop;
  /** @type {R[]} */
  const done = [];
  /** @type {string[]} */
  const problems = [];
  let isOut = false;
  for (const [index, file] of files.entries()) {
    if (files.length > AT_ONCE) {
      const of = files.length;
      store.dispatch({ type: "work", work: { title: titleOf(index + 1, of), done: index, of } });
    }
    try {
      done.push(await act(file));
    } catch (error) {
      problems.push(error instanceof Error ? error.message : String(error));
      isOut = error instanceof LoggedOut;
      if (isOut || error instanceof Unreachable) break;
    }
    if (signal.aborted) break;
  }
  store.dispatch({ type: "work", work: null });
  return { done, problems, isOut };
}

/** Shows the work that is going on. */
export function workPanel() {
  const words = h("p", { role: "status" });
  const bar = h("progress", { "aria-label": t("Progress") });
  const cancel = button("close", t("Stop"), () => stop.abort(), { words: true });
  const panel = h("section", { class: "work", "aria-label": t("Work in progress"), hidden: true }, words, bar, cancel);
  store.watch((state) => state.work, (work) => {
    const hadFocus = panel.contains(document.activeElement);
    panel.hidden = work === null;
    if (work) {
      words.textContent = work.title;
      bar.max = work.of;
      bar.value = work.done;
    } else if (hadFocus) store.dispatch({ type: "focus", key: null });
  });
  return panel;
}
