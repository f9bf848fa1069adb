/** Downloads after the end of a session: a browser would only report that they failed. */

import { LoggedOut, request } from "./login.js";
import { toast } from "./dom.js";

/** Links that have been looked at: they are clicked once more. @type {WeakSet<HTMLAnchorElement>} */
const ready = new WeakSet();

/** Asks to log in, if the session has ended, before a download begins. For pages of users only. */
export function watchDownloads() {
  if (document.querySelector(".account") === null) return;
  addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[download]") : null;
    if (!(link instanceof HTMLAnchorElement) || ready.delete(link)) return;
    if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    start(link);
  }, { capture: true });
}

/** @param {HTMLAnchorElement} link */
async function start(link) {
  // Not the query: the server would plan the archive twice.
  const url = new URL(link.href);
  url.search = "";
  try {
    const response = await request(url.href, { method: "HEAD" });
    await response.body?.cancel();
  } catch (error) {
    if (error instanceof LoggedOut) return toast(error.message, "failed");
    // Without a connection, the browser reports it.
  }
  ready.add(link);
  link.click();
}
