/** Rows of a directory come and go as its entries do. */

import { listen, pathOf } from "./stream.js";

/** A listing of the server may be that much older than the directory, as far as sizes and dates go. In milliseconds. */
const LISTING_AGE_MS = 400;

/** Of the time, at most this part is spent on reading the directory. */
const MAX_SHARE = 1 / 2;

/**
 * Calls back after changes in the directory that is shown, one call at a time.
 *
 * @param {() => Promise<void>} refresh
 */
export function followDirectory(refresh) {
  const here = pathOf(location.href) ?? "/";
  let isDue = false;
  let isRunning = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let again;
  const run = async () => {
    if (isRunning) return;
    isRunning = true;
    while (isDue) {
      isDue = false;
      const start = performance.now();
      await refresh();
      const took = performance.now() - start;
      await new Promise((resolve) => setTimeout(resolve, took / MAX_SHARE));
    }
    isRunning = false;
  };
  listen(({ type, path }) => {
    if (type === "watching" || type !== "missed" && !isHere(path, here)) return;
    isDue = true;
    run();
    clearTimeout(again);
    again = setTimeout(() => {
      isDue = true;
      run();
    }, LISTING_AGE_MS);
  });
}

/** Whether a path is the directory, one above it, or an entry of it. @param {string} path @param {string} here */
function isHere(path, here) {
  return here.startsWith(path === "/" ? path : `${path}/`) || path.slice(0, path.lastIndexOf("/") + 1) === here;
}
