/**
 * Progressive enhancement of a listing: the server's rows become entries that are sorted, filtered, selected and shown
 * here. If anything fails, the server's page is still there.
 */

import { confirmRemoval, downloadZip, menuOf, urlOf } from "./actions.js";
import { adoptStyle } from "./style.js";
import { makeFolder, remove, rename } from "./changes.js";
import { askName, openMenu } from "./dialogs.js";
import { announce, h, icon, kept, toast } from "./dom.js";
import { watchDownloads } from "./downloads.js";
import { fetchEntries, harvest } from "./entries.js";
import { count, formatSize } from "./format.js";
import { isShown } from "./kinds.js";
import { listenToKeys } from "./keyboard.js";
import { LoggedOut } from "./login.js";
import { Model } from "./model.js";
import { nextOrder, searchWith } from "./order.js";
import { Rows } from "./rows.js";
import { Selection } from "./selection.js";
import { fillToolbar, selectionBar } from "./toolbar.js";

/** @typedef {import("./entries.js").Entry} Entry */

const abilities = new Set((document.documentElement.dataset.can ?? "").split(" "));
/** @param {string} ability */
const can = (ability) => abilities.has(ability);

/**
 * Delays the announcement of the number of matches until typing pauses.
 *
 * @type {ReturnType<typeof setTimeout> | undefined}
 */
let said;
/** @type {Promise<import("./preview.js").Preview> | undefined} */
let previewLoaded;
/** Aborts the search in progress. @type {AbortController | undefined} */
let searching;
/** The directory's own entries while search results are shown. @type {Entry[]} */
let here = [];

adoptStyle();
const table = await serverTable();
const serverBody = /** @type {HTMLTableSectionElement} */ (table.tBodies[0]);
const body = h("tbody", { role: "rowgroup" });
const model = new Model();
const selection = new Selection();
const rows = new Rows(table, body, model, selection);
const header = /** @type {HTMLElement} */ (document.querySelector("body > header"));
const notice = h("p", { class: "notice", hidden: true });
const empty = h("div", { class: "empty", hidden: true });
const toolbar = fillToolbar(header, {
  can,
  filter,
  search: startSearch,
  view: () => setTiles(!rows.isTiles),
  help: openHelp,
  upload: (opener) => {
    uploads.then(({ pickFiles, pickFolder }) => {
      openMenu(opener, [["file", "Files …", pickFiles], ["folder", "A folder …", pickFolder]]);
    });
  },
  folder: newFolder,
  share: () => openShareLinks(null),
});
const uploads = can("upload")
  ? import("./upload.js").then(({ startUploads }) => startUploads({ can, refresh, names: () => model.entries }))
  : Promise.reject();
uploads.catch(() => {});

prepareHeading();
prepareTable();
watchDownloads();
listenToKeys({
  filter: () => toolbar.input.focus(),
  help: openHelp,
  up: () => document.querySelector("h1 a:last-of-type") && location.assign("../"),
  escape,
  view: () => setTiles(!rows.isTiles),
  move,
  edge: (end) => focusAt(end ? model.shown.length - 1 : 0),
  columns: () => rows.columns,
  toggle: () => rows.current && selection.toggle(rows.current),
  all: () => selection.add(model.shown),
  remove: () =>
    can("delete") && removeEntries(selection.size > 0 ? selection.entries : rows.current ? [rows.current] : []),
  rename: () => can("delete") && rows.current?.href && renameEntry(rows.current),
  open: () => rows.current && focusAt(model.shown.indexOf(rows.current)),
});
selectionBar(selection, {
  can,
  zip: () => downloadZip(selection.entries),
  copy: () => import("./share.js").then(({ copyText }) => copyText(selection.entries.map(urlOf).join("\n"))),
  remove: () => removeEntries(selection.entries),
  share: () => openShareLinks(selection.entries),
}, (entries) => {
  const { bytes } = model.totals(entries);
  return `${count(entries.length, "item")} selected${bytes > 0 ? ` · ${formatSize(bytes)}` : ""}`;
});
model.addEventListener("change", summarize);
setTiles(kept.get("view") === "tiles");
document.documentElement.classList.replace("soon", "on");

await harvest(serverBody, (entries) => model.append(entries));
serverBody.remove();
for (const leftover of document.querySelectorAll("main > .hint")) leftover.remove();
model.finish();
if (!document.querySelector("body > footer")) {
  toast("The connection was lost, so the list is incomplete. Reload the page.", "failed");
}
shortenFooter();
rows.render();
focusWhereWeCameFrom();
showReadme();
followAddress();
addEventListener("hashchange", followAddress);
if (can("watch")) followChanges();

/** Waits for the table: the script may run before it is parsed. @returns {Promise<HTMLTableElement>} */
async function serverTable() {
  for (;;) {
    const found = document.querySelector("table");
    if (found?.tBodies[0]) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (document.readyState !== "loading" && !document.querySelector("table")) throw new Error("There is no table");
  }
}

/** Totals and the zip link have moved to the top, where they are kept up to date. */
function shortenFooter() {
  const buttons = document.querySelectorAll("body > footer button[name=format]");
  const form = h("form", {}, "This list as data: ", ...[...buttons].flatMap((button) => [button, " "]));
  document.querySelector("body > footer")?.replaceChildren(form);
}

/** The breadcrumbs start with a labelled home link: a bare slash means nothing to a screen reader. */
function prepareHeading() {
  const root = header.querySelector("h1 bdi");
  root?.replaceChildren(
    icon("home"),
    h("span", { class: "unseen" }, "Home"),
    root.parentElement?.matches("a") ? "/" : "",
  );
}

function prepareTable() {
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", "Files");
  table.setAttribute("aria-multiselectable", "true");
  const head = /** @type {HTMLTableSectionElement} */ (table.tHead);
  head.setAttribute("role", "rowgroup");
  const row = /** @type {HTMLTableRowElement} */ (head.rows[0]);
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  for (const cell of row.cells) {
    cell.setAttribute("role", "columnheader");
    const button = cell.querySelector("button");
    const key = cell.className === "date" ? "modified" : /** @type {"name" | "size"} */ (cell.className);
    if (button && key === "modified") button.textContent = "Modified";
    button?.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      sort(key);
    });
  }
  const box = h("input", { type: "checkbox", "aria-label": "Select all" });
  box.addEventListener("change", () => box.checked ? selection.add(model.shown) : selection.clear());
  selection.addEventListener("change", () => {
    box.checked = selection.size > 0 && selection.size >= model.shown.filter(({ href }) => href !== null).length;
    box.indeterminate = selection.size > 0 && !box.checked;
  });
  row.prepend(h("td", { role: "gridcell", class: "pick" }, h("label", {}, box)));
  row.append(h("td", { role: "gridcell", class: "more" }));
  serverBody.hidden = true;
  serverBody.before(body);
  table.before(notice);
  table.after(empty);
  body.addEventListener("click", clicked);
  body.addEventListener("contextmenu", (event) => {
    const entry = rows.entryAt(/** @type {Node} */ (event.target));
    if (entry) rows.current = entry;
  });
  showOrder();
}

/** @param {MouseEvent} event */
function clicked(event) {
  const target = /** @type {Element} */ (event.target);
  const entry = rows.entryAt(target);
  if (!entry) return;
  if (target.closest(".pick")) {
    // A click on the label also fires on its checkbox.
    if (!target.matches("input")) return;
    if (event.shiftKey) selection.extend(entry, model.shown);
    else selection.toggle(entry);
    return;
  }
  const opener = /** @type {HTMLElement | null} */ (target.closest(".more button"));
  if (opener) {
    return openMenu(
      opener,
      menuOf(entry, {
        can,
        preview: openPreview,
        rename: renameEntry,
        remove: removeEntries,
        share: openShareLinks,
      }),
    );
  }
  if (event.ctrlKey || event.metaKey || event.altKey || !target.closest("a")) return;
  if (event.shiftKey || selection.size > 0 && matchMedia("(pointer: coarse)").matches) {
    event.preventDefault();
    if (event.shiftKey) selection.extend(entry, model.shown);
    else selection.toggle(entry);
  } else if (isShown(entry)) {
    event.preventDefault();
    openPreview(entry);
  }
}

/** @param {import("./order.js").SortKey} key */
function sort(key) {
  model.sort(nextOrder(model.order, key));
  history.replaceState(
    history.state,
    "",
    (searchWith(location.search, model.order) || location.pathname) + location.hash,
  );
  showOrder();
  scrollTo({ top: 0 });
  announce(`Sorted by ${key}, ${model.order.order === "asc" ? "ascending" : "descending"}`);
}

function showOrder() {
  const { sort, order } = model.order;
  for (const cell of table.tHead?.rows[0]?.cells ?? []) {
    if (!cell.matches("[role=columnheader]")) continue;
    const isSorted = cell.className === (sort === "modified" ? "date" : sort);
    cell.querySelector("span")?.remove();
    if (isSorted) cell.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  }
}

/** @param {string} text */
function filter(text) {
  if (model.found) leaveSearch();
  model.filter(text);
  rows.refresh();
  clearTimeout(said);
  said = setTimeout(() => announce(text === "" ? "" : `${count(model.shown.length, "match", "matches")}`), 600);
}

function escape() {
  if (model.found) return leaveSearch();
  if (toolbar.input.value !== "") {
    toolbar.setFilter("");
    filter("");
  } else if (selection.size > 0) return selection.clear();
  if (toolbar.input === document.activeElement) toolbar.input.blur();
}

/** @param {number} step @param {boolean} extend */
function move(step, extend) {
  const at = rows.current ? model.shown.indexOf(rows.current) : -1;
  const isThere = body.contains(document.activeElement);
  // The first key press focuses the current row, the next ones move.
  const to = isThere ? Math.min(Math.max(0, at + step), model.shown.length - 1) : Math.max(0, at);
  if (extend && rows.current && selection.size === 0) selection.toggle(rows.current);
  focusAt(to);
  const entry = model.shown[to];
  if (extend && entry) selection.extend(entry, model.shown);
}

/** @param {number} index */
function focusAt(index) {
  const entry = model.shown[index];
  if (entry) rows.focus(entry);
}

/** @param {boolean} on */
function setTiles(on) {
  rows.isTiles = on;
  toolbar.setView(on);
  kept.set("view", on ? "tiles" : "list");
}

function summarize() {
  const { directories, files, bytes } = model.totals();
  const all = [
    directories > 0 && count(directories, "folder"),
    files > 0 && count(files, "file"),
    bytes > 0 && formatSize(bytes),
  ];
  const isFiltered = model.text !== "" && !model.found;
  toolbar.summary.textContent = isFiltered
    ? `${model.shown.length.toLocaleString("en")} of ${model.entries.length.toLocaleString("en")}`
    : all.filter(Boolean).join(" · ") + (model.complete ? "" : " …");
  table.hidden = model.complete && model.shown.length === 0;
  empty.hidden = !table.hidden;
  const readme = document.querySelector(".readme");
  if (readme instanceof HTMLElement) readme.hidden = isFiltered || model.found;
  if (!empty.hidden) empty.replaceChildren(...emptyText(isFiltered));
}

/** @param {boolean} isFiltered @returns {Node[]} */
function emptyText(isFiltered) {
  if (model.found) {
    return searching
      ? [h("p", {}, "Searching …")]
      : [h("h2", {}, "Nothing found"), h("p", {}, "Try part of the name, or a pattern such as *.pdf.")];
  }
  if (isFiltered) {
    const hint = can("search") ? "Press Enter to search the folders below." : "Press Esc to see all.";
    return [h("h2", {}, `Nothing here matches “${model.text.trim()}”`), h("p", {}, hint)];
  }
  const hint = can("upload")
    ? "Drop files here, or press Upload."
    : can("watch")
    ? "New files appear by themselves."
    : "New files appear when you reload.";
  return [h("h2", {}, "This folder is empty"), h("p", {}, hint)];
}

async function refresh() {
  try {
    const entries = await fetchEntries();
    if (model.found) return;
    model.replace(entries);
    selection.keep(entries);
    rows.refresh();
  } catch (error) {
    toast(
      error instanceof LoggedOut
        ? "You are not logged in, so the list may be out of date"
        : "Could not refresh the list. Reload the page.",
      "failed",
    );
  }
}

async function followChanges() {
  const { followDirectory, merged } = await import("./live_rows.js");
  followDirectory(async () => {
    const entries = await fetchEntries().catch(() => null);
    if (entries === null) return; // the next change tries again
    if (model.found) return void (here = merged(here, entries));
    const next = merged(model.entries, entries);
    model.replace(next);
    selection.keep(next);
  });
}

/** @param {string} name */
function focusName(name) {
  const entry = model.shown.find((each) => each.name === name);
  if (entry) rows.focus(entry);
}

async function newFolder() {
  const name = await askName("New folder", "Name", "", "Create folder");
  if (name === null) return;
  await changed(makeFolder(name));
  focusName(name);
}

/** @param {Entry} entry */
async function renameEntry(entry) {
  const name = await askName("Rename", "New name", entry.name, "Rename");
  if (name === null || name === entry.name) return;
  await changed(rename(/** @type {string} */ (entry.href), name));
  focusName(name);
}

/** @param {readonly Entry[]} entries */
async function removeEntries(entries) {
  const removable = entries.filter(({ href }) => href !== null);
  if (removable.length === 0 || !await confirmRemoval(removable)) return;
  selection.clear();
  const next = model.shown[model.shown.indexOf(/** @type {Entry} */ (removable[0]))];
  let removed = 0;
  for (const { href } of removable) {
    try {
      await remove(/** @type {string} */ (href));
      removed += 1;
    } catch (error) {
      complain(error);
      if (error instanceof LoggedOut) return;
    }
  }
  await refresh();
  if (next && model.shown.includes(next)) rows.focus(next);
  const of = removed === removable.length ? "" : ` of ${removable.length}`;
  announce(
    removed === 0 ? "Nothing was deleted" : `${removed}${of} ${removable.length === 1 ? "item" : "items"} deleted`,
  );
}

/** @param {Promise<void>} change */
async function changed(change) {
  try {
    await change;
  } catch (error) {
    complain(error);
    if (error instanceof LoggedOut) return;
  }
  await refresh();
}

/** @param {unknown} error */
function complain(error) {
  toast(error instanceof Error ? error.message : String(error), "failed");
}

/** @param {Entry} entry */
async function openPreview(entry) {
  // A server updated in the meantime has other modules: let the browser open the file.
  const loaded = await preview().catch(() => null);
  if (loaded) loaded.open(entry);
  else location.assign(entry.href ?? "");
}

/** @returns {Promise<import("./preview.js").Preview>} */
function preview() {
  previewLoaded ??= import("./preview.js").then(({ Preview }) =>
    new Preview(() => model.shown, (entry) => rows.focus(entry))
  );
  return previewLoaded;
}

/** @param {Entry[] | null} entries Null for the directory. */
async function openShareLinks(entries) {
  (await import("./share_links.js")).openShareLinks(entries, can);
}

async function openHelp() {
  (await import("./help.js")).openHelp(can);
}

/** @param {string} text */
async function startSearch(text) {
  const { search } = await import("./search.js");
  searching?.abort();
  const stop = searching = new AbortController();
  if (!model.found) here = model.entries;
  toolbar.setFilter(text);
  history.replaceState(history.state, "", `#q=${encodeURIComponent(text)}`);
  selection.clear();
  model.replace([], { found: true });
  showNotice(`Searching for “${text}” here and below …`);
  try {
    const note = await search(text, (entries) => model.append(entries), stop.signal);
    if (stop.signal.aborted) return;
    searching = undefined;
    showNotice(`${count(model.entries.length, "match", "matches")} for “${text}” here and below. ${note}`);
  } catch (error) {
    if (stop.signal.aborted) return;
    searching = undefined;
    showNotice(`The search failed: ${error instanceof Error ? error.message : error}.`);
  }
  summarize();
  announce(notice.textContent ?? "");
}

/** @param {string} text */
function showNotice(text) {
  notice.hidden = false;
  notice.replaceChildren(
    text,
    " ",
    h("button", { type: "button", class: "button", onclick: leaveSearch }, "Back to the folder"),
  );
}

function leaveSearch() {
  searching?.abort();
  searching = undefined;
  notice.hidden = true;
  history.replaceState(history.state, "", location.pathname + location.search);
  toolbar.setFilter("");
  model.text = "";
  model.replace(here);
  rows.refresh();
}

/** Applies the search or preview in the URL fragment. */
function followAddress() {
  const query = /^#q=(.+)/.exec(location.hash)?.[1];
  if (query && can("search") && !model.found) startSearch(decodeURIComponent(query));
  if (location.hash.startsWith("#preview=")) preview().then((loaded) => loaded.follow());
}

/** After navigating up, focuses the folder the user came from. */
function focusWhereWeCameFrom() {
  if (document.activeElement !== document.body || location.hash !== "") return;
  const base = urlOf({ href: "" });
  const folder = document.referrer.startsWith(base) ? document.referrer.slice(base.length).split(/[/?#]/)[0] : "";
  const entry = folder ? model.entries.find(({ href }) => href === `${folder}/`) : undefined;
  if (entry) rows.current = entry;
  rows.render();
}

async function showReadme() {
  const { readmeOf, readmeCard } = await import("./readme.js");
  const entry = readmeOf(model.entries);
  const card = entry && await readmeCard(entry);
  if (card) document.querySelector("main")?.append(card);
}
