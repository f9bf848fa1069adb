/** A table of values as a table that can be sorted. */

import { rowsOf, separatorOf, sortedBy } from "./csv.js";
import { h } from "./dom.js";
import { t } from "./language.js";

/** Maximum number of cells shown at once; a button shows the next ones. More keeps a browser busy for seconds. */
const CELLS = 10_000;
const ROWS = 500;

/** Maximum number of rows. */
const MOST = 100_000;

/** Maximum number of columns. */
const COLUMNS = 200;

/** Maximum number of characters of a value. */
const VALUE = 2_000;

/** @param {string} text @param {boolean} isTabs @returns {HTMLElement | null} null if it has no rows. */
export function csvTable(text, isTabs) {
  const content = text.replace(/^\ufeff/, "");
  const [head, ...rows] = rowsOf(content, isTabs ? "\t" : separatorOf(content), MOST + 1);
  return head ? new Table(head, rows).element : null;
}

class Table {
  #rows;
  #columns;
  #body = h("tbody");
  #more = h("p", { class: "more-rows" });
  /** @type {{ column: number, isDescending: boolean } | null} */
  #order = null;
  /** @type {HTMLTableCellElement[]} */
  #heads;

  /** @param {string[]} head @param {string[][]} rows */
  constructor(head, rows) {
    this.#rows = rows;
    this.#columns = Math.min(COLUMNS, rows.reduce((most, row) => Math.max(most, row.length), head.length));
    this.#heads = Array.from({ length: this.#columns }, (_, column) => this.#head(head[column] ?? "", column));
    const table = h("table", {}, h("thead", {}, h("tr", {}, this.#heads)), this.#body);
    this.element = h(
      "div",
      { class: "csv", tabindex: "0", role: "region", "aria-label": t("Table") },
      head.length > COLUMNS && h("p", { class: "cut" }, t("Only the first {n} columns are shown.", { n: COLUMNS })),
      rows.length === MOST && h("p", { class: "cut" }, t("Only the first {n} rows are shown.", { n: MOST })),
      table,
      this.#more,
    );
    this.#show(rows, 0);
  }

  /** @param {string} name @param {number} column */
  #head(name, column) {
    const label = shortened(name);
    const button = h("button", { type: "button", dir: "auto" }, label.trim() === "" ? `(${column + 1})` : label);
    button.addEventListener("click", () => this.#sort(column));
    return h("th", { scope: "col" }, button);
  }

  /** The first click sorts, the second reverses, the third is the order of the file again. @param {number} column */
  #sort(column) {
    const before = this.#order?.column === column ? this.#order : null;
    this.#order = before?.isDescending ? null : { column, isDescending: before !== null };
    for (const [index, head] of this.#heads.entries()) {
      if (this.#order?.column !== index) head.removeAttribute("aria-sort");
      else head.setAttribute("aria-sort", this.#order.isDescending ? "descending" : "ascending");
    }
    const rows = this.#order ? sortedBy(this.#rows, column, this.#order.isDescending) : this.#rows;
    this.#body.replaceChildren();
    this.#show(rows, 0);
  }

  /** @param {readonly string[][]} rows @param {number} from */
  #show(rows, from) {
    const to = Math.min(rows.length, from + Math.max(1, Math.min(ROWS, Math.floor(CELLS / this.#columns))));
    this.#body.append(...rows.slice(from, to).map((row) => this.#row(row)));
    const count = t("{shown} of {all} rows", { shown: to, all: rows.length });
    const more = to < rows.length && h("button", { type: "button", class: "button" }, t("Show more rows"));
    if (more) more.addEventListener("click", () => this.#show(rows, to));
    this.#more.replaceChildren(h("span", {}, count), more || "");
  }

  /** @param {string[]} row */
  #row(row) {
    const cells = Array.from({ length: this.#columns }, (_, column) => {
      const value = shortened(row[column] ?? "");
      return h("td", { dir: "auto", class: /^\s*[+-]?\d[\d.,]*%?\s*$/.test(value) ? "to-end" : null }, value);
    });
    return h("tr", {}, cells);
  }
}

/** @param {string} text */
function shortened(text) {
  return text.length > VALUE ? `${text.slice(0, VALUE)}…` : text;
}
