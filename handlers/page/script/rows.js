/** The table rows: all of them if there are few, otherwise only the visible ones. */

import { h } from "./dom.js";
import { formatAgo, formatExact, formatSize } from "./format.js";
import { kindOf } from "./kinds.js";
import { marksOf } from "./match.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** Up to this number, all rows are rendered, so that the browser's find-in-page works. */
const WHOLE = 500;

/** Rows rendered above and below the viewport. */
const SPARE = 16;

/** Images up to this size are their own thumbnails. */
const THUMBNAIL_BYTES = 8 * 1024 * 1024;

/** Invisible and bidirectional control characters; the server shows them in the same way. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

export class Rows extends EventTarget {
  /** The entry with keyboard focus. @type {Entry | null} */
  current = null;
  #model;
  #selection;
  #table;
  #body;
  /** @type {Map<Entry, HTMLTableRowElement>} */
  #rows = new Map();
  #first = 0;
  #isTiles = false;
  #whole = false;
  #due = false;

  /**
   * @param {HTMLTableElement} table
   * @param {HTMLTableSectionElement} body
   * @param {import("./model.js").Model} model
   * @param {import("./selection.js").Selection} selection
   */
  constructor(table, body, model, selection) {
    super();
    this.#table = table;
    this.#body = body;
    this.#model = model;
    this.#selection = selection;
    model.addEventListener("change", () => this.#later());
    selection.addEventListener("change", () => this.#mark());
    addEventListener("scroll", () => this.#isWindowed() && this.#later(), { passive: true });
    addEventListener("resize", () => this.#later());
    addEventListener("beforeprint", () => {
      this.#whole = this.#model.shown.length < 20_000;
      this.render();
    });
    addEventListener("afterprint", () => {
      this.#whole = false;
      this.render();
    });
    body.addEventListener("focusin", ({ target }) => {
      const entry = this.entryAt(/** @type {Node} */ (target));
      if (entry && entry !== this.current) this.#setCurrent(entry);
    });
    // Relative dates need updating.
    setInterval(() => document.hidden || this.#redate(), 60_000);
  }

  get isTiles() {
    return this.#isTiles;
  }

  set isTiles(on) {
    this.#isTiles = on;
    this.#table.classList.toggle("tiles", on);
    this.#clear();
    this.render();
  }

  /** Number of columns in the tile view. */
  get columns() {
    return this.#isTiles ? Math.max(1, getComputedStyle(this.#body).gridTemplateColumns.split(" ").length) : 1;
  }

  /** @param {Node} node @returns {Entry | null} */
  entryAt(node) {
    const row = (node instanceof Element ? node : node.parentElement)?.closest("tr");
    return row ? entryOf.get(row) ?? null : null;
  }

  /** Scrolls to an entry and focuses it. @param {Entry} entry */
  focus(entry) {
    this.#setCurrent(entry);
    if (!this.#rows.has(entry)) {
      const { top, height, columns } = this.#measure();
      const at = Math.floor(this.#model.shown.indexOf(entry) / columns) * height;
      scrollTo({ top: top + at - innerHeight / 2 });
      this.render();
    }
    const row = this.#rows.get(entry);
    const target = /** @type {HTMLElement | null} */ (row?.querySelector("a") ?? row?.querySelector("input"));
    target?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  /** Renders all rows anew. */
  refresh() {
    this.#clear();
    this.render();
  }

  #clear() {
    for (const row of this.#rows.values()) row.remove();
    this.#rows.clear();
  }

  #isWindowed() {
    return !this.#whole && this.#model.shown.length > WHOLE;
  }

  #later() {
    if (this.#due) return;
    this.#due = true;
    const render = () => {
      if (!this.#due) return;
      this.#due = false;
      this.render();
    };
    // A background tab gets no animation frames.
    if (document.hidden) setTimeout(render);
    else requestAnimationFrame(render);
  }

  #measure() {
    const name = this.#isTiles ? "--tile-height" : "--row-height";
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const height = parseFloat(getComputedStyle(this.#table).getPropertyValue(name)) * rem;
    const top = this.#body.getBoundingClientRect().top + scrollY;
    return { height, top, columns: this.columns };
  }

  render() {
    const { shown } = this.#model;
    const windowed = this.#isWindowed();
    this.#table.classList.toggle("windowed", windowed);
    this.#table.setAttribute("aria-rowcount", this.#model.complete ? String(shown.length + 1) : "-1");
    if (this.current && !shown.includes(this.current)) this.current = null;
    this.current ??= shown[0] ?? null;
    let [start, end] = [0, shown.length];
    let lines = 0;
    let height = 0;
    let columns = 1;
    if (windowed) {
      const box = this.#measure();
      ({ height, columns } = box);
      lines = Math.ceil(shown.length / columns);
      const firstLine = Math.floor((scrollY - box.top) / height) - SPARE;
      const visible = Math.ceil(innerHeight / height) + 2 * SPARE;
      const from = Math.min(Math.max(0, firstLine), Math.max(0, lines - visible));
      start = from * columns;
      end = Math.min(shown.length, (from + visible) * columns);
    }
    this.#show(shown.slice(start, end), start);
    const above = (start / columns) * height;
    const below = windowed ? Math.max(0, lines - Math.ceil(end / columns)) * height : 0;
    this.#body.style.paddingTop = `${above}px`;
    this.#body.style.paddingBottom = `${below}px`;
    this.dispatchEvent(new Event("rendered"));
  }

  /**
   * Renders entries, reusing existing rows; the focused row is never moved, which would blur it.
   *
   * @param {Entry[]} entries
   * @param {number} start
   */
  #show(entries, start) {
    const wanted = new Set(entries);
    for (const [entry, row] of this.#rows) {
      if (wanted.has(entry)) continue;
      row.remove();
      this.#rows.delete(entry);
    }
    this.#first = start;
    let next = /** @type {ChildNode | null} */ (this.#body.firstChild);
    for (const [index, entry] of entries.entries()) {
      let row = this.#rows.get(entry);
      if (!row) {
        row = this.#row(entry);
        this.#rows.set(entry, row);
      }
      row.setAttribute("aria-rowindex", String(start + index + 2));
      if (row === next) next = next.nextSibling;
      else this.#body.insertBefore(row, next);
    }
    this.#mark();
  }

  #mark() {
    for (const [entry, row] of this.#rows) {
      const selected = this.#selection.has(entry);
      row.setAttribute("aria-selected", String(selected));
      const box = /** @type {HTMLInputElement | null} */ (row.querySelector("input"));
      if (box) box.checked = selected;
      this.#reach(entry, row);
    }
  }

  /**
   * Roving tabindex: Tab reaches one row, arrow keys the others.
   *
   * @param {Entry} entry
   * @param {HTMLTableRowElement} row
   */
  #reach(entry, row) {
    const index = entry === this.current ? "0" : "-1";
    for (const element of row.querySelectorAll("a, input, button")) {
      if (element.getAttribute("tabindex") !== index) element.setAttribute("tabindex", index);
    }
  }

  /** @param {Entry} entry */
  #setCurrent(entry) {
    const last = this.current;
    this.current = entry;
    for (const each of [last, entry]) {
      const row = each && this.#rows.get(each);
      if (row) this.#reach(/** @type {Entry} */ (each), row);
    }
  }

  #redate() {
    for (const [{ modified }, row] of this.#rows) {
      const time = row.querySelector("time");
      if (time && modified !== null) time.textContent = formatAgo(modified);
    }
  }

  /** @param {Entry} entry */
  #row(entry) {
    const { name, href, kind, size, modified, problem, folder = "" } = entry;
    const kindName = kind === "directory" ? "folder" : kind === "file" ? kindOf(name) : "file";
    const label = h("bdi", {}, ...marked(folder + name, folder ? "" : this.#model.text));
    const thumbnail = this.#isTiles && this.#thumbnail(entry);
    const picture = h("span", { class: "picture", "aria-hidden": "true" }, thumbnail);
    const main = href === null ? h("span", {}, picture, label) : h("a", { href, draggable: "false" }, picture, label);
    const row = h(
      "tr",
      { role: "row", "data-kind": kindName, "data-link": entry.link },
      h(
        "td",
        { role: "gridcell", class: "pick" },
        href !== null && h("label", {}, h("input", { type: "checkbox", "aria-label": `Select ${name}` })),
      ),
      h(
        "th",
        { role: "rowheader", scope: "row", class: "name", title: name.length > 24 ? name : null },
        main,
        problem !== null && h("span", { class: "problem" }, problem),
      ),
      h(
        "td",
        { role: "gridcell", class: "size" },
        size !== null &&
          h("span", { title: `${size.toLocaleString("en")} ${size === 1 ? "byte" : "bytes"}` }, formatSize(size)),
      ),
      h(
        "td",
        { role: "gridcell", class: "date" },
        modified !== null &&
          h("time", { datetime: new Date(modified).toISOString(), title: formatExact(modified) }, formatAgo(modified)),
      ),
      h(
        "td",
        { role: "gridcell", class: "more" },
        href !== null && h(
          "button",
          { type: "button", class: "button bare", "aria-haspopup": "menu", "aria-label": `Actions for ${name}` },
          dots(),
        ),
      ),
    );
    entryOf.set(row, entry);
    return row;
  }

  /** @param {Entry} entry */
  #thumbnail({ name, href, size }) {
    if (href === null || kindOf(name) !== "image" || size === null || size > THUMBNAIL_BYTES) return null;
    const image = h("img", { src: href, loading: "lazy", decoding: "async", alt: "" });
    // A broken image falls back to the icon of its kind.
    image.addEventListener("error", () => image.remove());
    return image;
  }
}

/** @type {WeakMap<HTMLTableRowElement, Entry>} */
const entryOf = new WeakMap();

function dots() {
  const element = h("span", { class: "icon", "aria-hidden": "true" });
  element.style.setProperty("--icon", "var(--i-more)");
  return element;
}

/**
 * A name with filter matches highlighted and invisible characters as code points.
 *
 * @param {string} name
 * @param {string} text
 */
function* marked(name, text) {
  let at = 0;
  for (const [start, end] of marksOf(name, text)) {
    yield* visible(name.slice(at, start));
    yield h("mark", {}, ...visible(name.slice(start, end)));
    at = end;
  }
  yield* visible(name.slice(at));
}

/** @param {string} name */
export function* visible(name) {
  let at = 0;
  for (const { 0: character, index } of name.matchAll(UNSEEN)) {
    if (index > at) yield document.createTextNode(name.slice(at, index));
    const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
    yield h("span", { class: "odd" }, `U+${code}`);
    at = index + 1;
  }
  if (at < name.length) yield document.createTextNode(name.slice(at));
}
