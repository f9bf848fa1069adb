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
  if (!await isLoggedIn(link.href)) return;
  ready.add(link);
  link.click();
}

/** Whether what is at an address can be downloaded, as far as logging in goes. @param {string} [address] */
export async function isLoggedIn(address = location.href) {
  if (document.querySelector(".account") === null) return true;
  // Not the query: the server would plan the archive twice.
  const url = new URL(address);
  url.search = "";
  try {
    const response = await request(url.href, { method: "HEAD" });
    await response.body?.cancel();
  } catch (error) {
    if (error instanceof LoggedOut) {
      toast(error.message, "failed");
      return false;
    }
    // Without a connection, the browser reports it.
  }
  return true;
}
