/**
 * Progressive enhancement of a listing: the server's rows become entries, which are sorted, filtered, selected and
 * shown here. If anything fails, the server's page is still there. This module starts the others:
 *
 * - the state of the page and what can happen to it: state.js; what follows from it: selectors.js; the one that there
 *   is:
 *   store.js; its part in the address: address.js, history.js;
 * - what shows it: rows.js, head_row.js, summary.js, toolbar.js, selection_bar.js, previews.js, work.js;
 * - what changes it: keyboard.js, moves.js, row_clicks.js, folder.js (the list and the search);
 * - what is done to files: deeds.js, moving.js, dragging.js, uploads.js, actions.js; the requests: changes.js, login.js.
 */

import { h, toast } from "./dom.js";
import { watchDownloads } from "./downloads.js";
import { followChanges, followSearch, refreshWhenSeen } from "./folder.js";
import { harvest } from "./harvest.js";
import { prepareHead } from "./head_row.js";
import { prepareHeading, shortenFooter, showEnd } from "./heading.js";
import { followAddress } from "./history.js";
import { listenToKeys } from "./keyboard.js";
import { loadWords, t } from "./language.js";
import { listenToClipboard } from "./moving.js";
import { focusWhereWeCameFrom, keepPlace } from "./place.js";
import { followPreview } from "./previews.js";
import { listenToClicks } from "./row_clicks.js";
import { Rows } from "./rows.js";
import { selectionBar } from "./selection_bar.js";
import { can, store } from "./store.js";
import { adoptStyle } from "./style.js";
import { showSummary } from "./summary.js";
import { fillToolbar } from "./toolbar.js";
import { prepareUploads } from "./uploads.js";
import { workPanel } from "./work.js";

/** Waits for the table: the script may run before it is parsed. @returns {Promise<HTMLTableElement | null>} */
async function serverTable() {
  for (;;) {
    const found = document.querySelector("table");
    if (found?.tBodies[0]) return found;
    if (document.readyState !== "loading") return null;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** @param {HTMLTableElement} table */
async function start(table) {
  const serverBody = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
  const body = h("tbody", { role: "rowgroup" });
  const header = /** @type {HTMLElement} */ (document.querySelector("body > header"));
  const dock = h("div", { class: "dock" });
  document.body.append(dock);
  const { summary, input } = fillToolbar(header);
  prepareHeading(header);
  prepareHead(table);
  serverBody.hidden = true;
  serverBody.before(body);
  showSummary(table, summary);
  const rows = new Rows(table, body);
  listenToClicks(body, rows);
  listenToKeys({ field: input, rows });
  prepareUploads(dock);
  dock.append(workPanel(), selectionBar());
  watchDownloads();
  listenToClipboard();
  document.documentElement.classList.remove("soon");
  document.documentElement.classList.add("on", "ending");

  await harvest(serverBody, (entries) => store.dispatch({ type: "append", entries }));
  serverBody.remove();
  for (const leftover of document.querySelectorAll("main > .hint")) leftover.remove();
  store.dispatch({ type: "complete" });
  if (!document.querySelector("body > footer")) {
    toast(t("The connection was lost, so the list is incomplete. Reload the page."), "failed");
  }
  shortenFooter();
  followAddress();
  followSearch();
  followPreview();
  focusWhereWeCameFrom();
  rows.render();
  keepPlace();
  showEnd();
  refreshWhenSeen();
  if (can("watch")) followChanges();
}

adoptStyle();
const [table] = await Promise.all([serverTable(), loadWords()]);
if (table) await start(table);
