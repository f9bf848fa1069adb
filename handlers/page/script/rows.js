/** The table rows: all of them if there are few, otherwise only the visible ones. */

import { h } from "./dom.js";
import { keyOf, pathOf } from "./entries.js";
import { formatAgo, formatExact, formatSize } from "./format.js";
import { kindOf } from "./kinds.js";
import { t, tn } from "./language.js";
import { marksOf } from "./match.js";
import { searchWith } from "./order.js";
import { currentOf, filterOf, listOf, positionOf, shownOf } from "./selectors.js";
import { store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

/**
 * @typedef {object} Shown A row that is in the table.
 * @property {HTMLTableRowElement} row
 * @property {Entry} entry
 * @property {unknown} look What else it was made for.
 */

/** Up to this number, all rows are rendered, so that the browser's find-in-page works. */
const WHOLE = 500;

/** Rows that are printed at most. */
const PRINTED = 20_000;

/** Rows rendered above and below the viewport. */
const SPARE = 16;

/** Images up to this size are their own thumbnails; those up to that size get one. */
const THUMBNAIL_BYTES = 64 * 1024;
const PICTURE_BYTES = 32 * 1024 * 1024;

/** Invisible and bidirectional control characters; the server shows them in the same way. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** By touch, a long press opens the menu of a link. */
export const CAN_DRAG = matchMedia("(pointer: fine)").matches;

/** The parts of a row that can have the focus. */
const PARTS = ["a", "input", ".more button"];

export class Rows {
  #table;
  #body;
  /** By key. @type {Map<string, Shown>} */
  #rows = new Map();
  #isPrinting = false;
  #isDue = false;

  /**
   * @param {HTMLTableElement} table
   * @param {HTMLTableSectionElement} body
   */
  constructor(table, body) {
    this.#table = table;
    this.#body = body;
    store.watch((state) => state.isTiles, (on) => table.classList.toggle("tiles", on));
    // Before the browser takes the focus away from a row that is gone.
    store.watch(shownOf, () => this.hasFocus ? this.render() : this.#later());
    store.watch(lookOf, () => this.#later());
    store.watch(filterOf, () => this.render());
    store.watch((state) => listOf(state).isComplete, () => this.#later());
    store.watch((state) => state.ticked, () => this.#mark());
    store.watch(currentOf, () => this.#mark());
    store.watch((state) => state.focusing, (count) => count > 0 && this.#focusCurrent());
    addEventListener("scroll", () => this.#isWindowed() && this.#later(), { passive: true });
    addEventListener("resize", () => this.#later());
    for (const [event, on] of /** @type {const} */ ([["beforeprint", true], ["afterprint", false]])) {
      addEventListener(event, () => {
        this.#isPrinting = on;
        this.render();
      });
    }
    body.addEventListener("focusin", ({ target }) => {
      const entry = this.entryAt(/** @type {Node} */ (target));
      if (entry && entry !== currentOf(store.state)) store.dispatch({ type: "current", key: keyOf(entry) });
    });
    // Relative dates need updating.
    setInterval(() => document.hidden || this.#redate(), 60_000);
  }

  /** Number of columns in the tile view. */
  get columns() {
    if (!store.state.isTiles) return 1;
    return Math.max(1, getComputedStyle(this.#body).gridTemplateColumns.split(" ").length);
  }

  /** Whether a row has the keyboard focus. */
  get hasFocus() {
    return this.#body.contains(document.activeElement);
  }

  /** @param {Node} node @returns {Entry | null} */
  entryAt(node) {
    const row = (node instanceof Element ? node : node.parentElement)?.closest("tr");
    return row ? entryOf.get(row) ?? null : null;
  }

  /** Scrolls to the current row and focuses it. */
  #focusCurrent() {
    const entry = currentOf(store.state);
    this.render();
    if (!entry) return /** @type {HTMLElement | null} */ (document.querySelector(".empty"))?.focus();
    const key = keyOf(entry);
    if (!this.#rows.has(key)) {
      const { top, height, columns } = this.#measure();
      const at = Math.floor(positionOf(store.state, key) / columns) * height;
      scrollTo({ top: top + at - innerHeight / 2 });
      this.render();
    }
    const row = this.#rows.get(key)?.row;
    const target = /** @type {HTMLElement | null} */ (row?.querySelector("a") ?? row?.querySelector("span"));
    target?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  #isWindowed() {
    return !this.#isPrinting && shownOf(store.state).length > WHOLE;
  }

  #later() {
    if (this.#isDue) return;
    this.#isDue = true;
    const render = () => this.#isDue && this.render();
    // A background tab gets no animation frames.
    if (document.hidden) setTimeout(render);
    else requestAnimationFrame(render);
  }

  #measure() {
    const name = store.state.isTiles ? "--tile-height" : "--row-height";
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    const height = parseFloat(getComputedStyle(this.#table).getPropertyValue(name)) * rem;
    const top = this.#body.getBoundingClientRect().top + scrollY;
    return { height, top, columns: this.columns };
  }

  /** Brings the table up to date now. */
  render() {
    this.#isDue = false;
    const { state } = store;
    const shown = shownOf(state);
    const isWindowed = this.#isWindowed();
    this.#table.classList.toggle("windowed", isWindowed);
    this.#table.setAttribute("aria-rowcount", listOf(state).isComplete ? String(shown.length + 1) : "-1");
    const { start, end, above, below } = isWindowed ? this.#window(shown.length) : EVERYTHING;
    this.#table.dataset.more = shown.length > PRINTED ? tn(shown.length - PRINTED, "and {n} more", "and {n} more") : "";
    const focused = this.#focusedPart();
    this.#show(shown.slice(start, end), start);
    this.#body.style.paddingTop = `${above}px`;
    this.#body.style.paddingBottom = `${below}px`;
    if (focused) this.#keepFocus(focused);
  }

  /** The range of rows at the place that is scrolled to. @param {number} count */
  #window(count) {
    const { height, columns, top } = this.#measure();
    const lines = Math.ceil(count / columns);
    const firstLine = Math.floor((scrollY - top) / height) - SPARE;
    const visible = Math.ceil(innerHeight / height) + 2 * SPARE;
    const from = Math.min(Math.max(0, firstLine), Math.max(0, lines - visible));
    const end = Math.min(count, (from + visible) * columns);
    return {
      start: from * columns,
      end,
      above: from * height,
      below: Math.max(0, lines - Math.ceil(end / columns)) * height,
    };
  }

  /** The row and the part of it that has the focus. */
  #focusedPart() {
    const element = document.activeElement;
    const entry = element && this.#body.contains(element) ? this.entryAt(element) : null;
    return entry && { key: keyOf(entry), part: PARTS.find((part) => element?.matches(part)) ?? "a" };
  }

  /** The focus stays in the row, or goes to the one that took its place. @param {{ key: string, part: string }} focused */
  #keepFocus({ key, part }) {
    if (this.hasFocus) return;
    const row = this.#rows.get(key)?.row;
    const target = /** @type {HTMLElement | null | undefined} */ (row?.querySelector(part));
    if (target) target.focus({ preventScroll: true });
    else if (positionOf(store.state, key) < 0) this.#focusCurrent();
  }

  /**
   * Renders entries, reusing rows; the focused row is never moved, which would blur it.
   *
   * @param {readonly Entry[]} entries
   * @param {number} start
   */
  #show(entries, start) {
    const look = lookOf(store.state);
    const wanted = new Map(entries.map((entry) => [keyOf(entry), entry]));
    for (const [key, shown] of this.#rows) {
      if (wanted.get(key) === shown.entry && shown.look === look) continue;
      shown.row.remove();
      this.#rows.delete(key);
    }
    let next = /** @type {ChildNode | null} */ (this.#body.firstChild);
    for (const [index, entry] of entries.entries()) {
      const key = keyOf(entry);
      const known = this.#rows.get(key);
      const row = known?.row ?? this.#row(entry);
      if (!known) this.#rows.set(key, { row, entry, look });
      row.setAttribute("aria-rowindex", String(start + index + 2));
      if (row === next) next = next.nextSibling;
      else this.#body.insertBefore(row, next);
    }
    this.#mark();
  }

  /** Shows what is selected, and which row the Tab key reaches: arrow keys reach the others. */
  #mark() {
    const { ticked } = store.state;
    const current = currentOf(store.state);
    for (const [key, { entry, row }] of this.#rows) {
      const isTicked = ticked.has(key);
      row.setAttribute("aria-selected", String(isTicked));
      const box = /** @type {HTMLInputElement | null} */ (row.querySelector("input"));
      if (box) box.checked = isTicked;
      const index = entry === current ? "0" : "-1";
      for (const element of row.querySelectorAll("a, input, button, [tabindex]")) {
        if (element.getAttribute("tabindex") !== index) element.setAttribute("tabindex", index);
      }
    }
  }

  #redate() {
    for (const { entry: { modified }, row } of this.#rows.values()) {
      const time = row.querySelector("time");
      if (time && modified !== null) time.textContent = formatAgo(modified);
    }
  }

  /** @param {Entry} entry */
  #row(entry) {
    const { name, kind, size, modified, problem, folder = "" } = entry;
    const { isTiles, order } = store.state;
    const path = pathOf(entry);
    // A folder that is entered keeps the order.
    const href = entry.href !== null && kind === "directory" ? entry.href + searchWith("", order) : entry.href;
    const kindName = kind === "directory" ? "folder" : kind === "file" ? kindOf(name) : "file";
    const label = h("bdi", {}, ...marked(path, folder ? "" : filterOf(store.state)));
    const thumbnail = isTiles && this.#thumbnail(entry);
    const picture = h("span", { class: "picture", "aria-hidden": "true" }, thumbnail);
    const main = href === null ? h("span", { tabindex: "-1" }, picture, label) : h(
      "a",
      { href, draggable: String(CAN_DRAG) },
      picture,
      label,
      kind === "directory" && h("span", { class: "unseen" }, t(", folder")),
    );
    const row = h(
      "tr",
      { role: "row", "data-kind": kindName, "data-link": entry.link },
      h(
        "td",
        { role: "gridcell", class: "pick" },
        href !== null &&
          h("label", {}, h("input", { type: "checkbox", "aria-label": t("Select {name}", { name: path }) })),
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
          h("span", { title: tn(size, "{n} byte", "{n} bytes") }, formatSize(size)),
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
        href !== null && menuButton(path),
      ),
    );
    entryOf.set(row, entry);
    return row;
  }

  /** @param {Entry} entry */
  #thumbnail({ name, href, size, modified }) {
    if (href === null || kindOf(name) !== "image" || size === null || size > PICTURE_BYTES) return null;
    const isSmall = size <= THUMBNAIL_BYTES || /\.svg$/i.test(name);
    const image = h("img", { src: isSmall ? href : null, loading: "lazy", decoding: "async", alt: "" });
    if (!isSmall) {
      import("./thumbnails.js").then(
        ({ showThumbnail }) => showThumbnail(image, { href, name, size, modified }),
        () => image.setAttribute("src", href),
      );
    }
    // A broken image falls back to the icon of its kind.
    image.addEventListener("error", () => image.remove());
    return image;
  }
}

/** At most what is printed: elsewhere, more rows than that are never all in the table. */
const EVERYTHING = { start: 0, end: PRINTED, above: 0, below: 0 };

/** What rows depend on besides their entries. @param {import("./state.js").State} state */
function lookOf(state) {
  const { sort, order } = state.order;
  return JSON.stringify([filterOf(state), state.isTiles, sort, order]);
}

/** @type {WeakMap<HTMLTableRowElement, Entry>} */
const entryOf = new WeakMap();

/** @param {string} name */
function menuButton(name) {
  const label = t("Actions for {name}", { name });
  return h("button", { type: "button", class: "button bare", "aria-haspopup": "menu", "aria-label": label }, dots());
}

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
