/** The head of the table: sorts by a column, and selects all. */

import { announce, h, icon } from "./dom.js";
import { t } from "./language.js";
import { nextOrder, searchWith } from "./order.js";
import { chosenOf, selectableOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {import("./order.js").SortKey} SortKey */

/** Turns the server's table into a grid. @param {HTMLTableElement} table */
export function prepareHead(table) {
  table.setAttribute("role", "grid");
  table.setAttribute("aria-label", t("Files"));
  table.setAttribute("aria-multiselectable", "true");
  const head = /** @type {HTMLTableSectionElement} */ (table.tHead);
  head.setAttribute("role", "rowgroup");
  const row = /** @type {HTMLTableRowElement} */ (head.rows[0]);
  row.setAttribute("role", "row");
  row.setAttribute("aria-rowindex", "1");
  const columns = [...row.cells];
  for (const cell of columns) prepareColumn(cell);
  row.prepend(h("td", { role: "gridcell", class: "pick" }, h("label", {}, selectAll())));
  row.append(h("td", { role: "gridcell", class: "more" }));
  showUp(table, head);
  store.watch((state) => state.order, (order) => {
    for (const cell of columns) showOrder(cell, order);
  });
}

/** The row that leads to the folder above, if there is one. @param {HTMLTableElement} table @param {HTMLElement} head */
function showUp(table, head) {
  if (!table.querySelector("tr.parent a")) return;
  const link = h("a", { href: "../" }, icon("up"), h("span", {}, t("Parent folder")));
  const row = h("tr", { role: "row", class: "up" }, h("th", { role: "rowheader", scope: "row" }, link));
  head.append(row);
  store.watch((state) => state.order, (order) => link.setAttribute("href", `../${searchWith("", order)}`));
  store.watch((state) => state.search !== null, (isSearch) => row.hidden = isSearch);
}

/** @param {HTMLTableCellElement} cell @returns {SortKey} */
function keyOfColumn({ className }) {
  return className === "date" ? "modified" : /** @type {SortKey} */ (className);
}

/** @param {HTMLTableCellElement} cell */
function prepareColumn(cell) {
  cell.setAttribute("role", "columnheader");
  const button = cell.querySelector("button");
  const key = keyOfColumn(cell);
  if (button) button.textContent = labelOf(key);
  button?.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    sortBy(key);
  });
}

/** @param {SortKey} key */
function labelOf(key) {
  return { name: t("Name"), size: t("Size"), modified: t("Modified") }[key];
}

/** @param {SortKey} key */
function sortBy(key) {
  const order = nextOrder(store.state.order, key);
  store.dispatch({ type: "sort", order });
  scrollTo({ top: 0 });
  const column = labelOf(key);
  announce(
    order.order === "asc"
      ? t("Sorted by {column}, ascending", { column })
      : t("Sorted by {column}, descending", { column }),
  );
}

/** @param {HTMLTableCellElement} cell @param {import("./order.js").Order} order */
function showOrder(cell, { sort, order }) {
  cell.querySelector("span")?.remove(); // the server's mark
  if (keyOfColumn(cell) === sort) cell.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending");
  else cell.removeAttribute("aria-sort");
}

function selectAll() {
  const box = h("input", { type: "checkbox", "aria-label": t("Select all") });
  box.addEventListener("change", () => store.dispatch({ type: box.checked ? "select all" : "clear" }));
  const show = () => {
    const chosen = chosenOf(store.state).length;
    box.checked = chosen > 0 && chosen === selectableOf(store.state);
    box.indeterminate = chosen > 0 && !box.checked;
  };
  store.watch(chosenOf, show);
  store.watch(selectableOf, show);
  return box;
}
