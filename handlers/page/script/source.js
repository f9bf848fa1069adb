/**
 * Text with line numbers, of which lines can be marked. The text stays a single text node, however many lines it has:
 * the numbers are a second one beside it.
 */

import { h } from "./dom.js";
import { highlight } from "./highlight.js";
import { t } from "./language.js";
import { linesIn, linesOf } from "./lines.js";
import { store } from "./store.js";

/** Up to this many lines, wrapped text has numbers: each line has to be measured. */
const MEASURED = 1_000;

export class Source {
  /** The number of lines. */
  count;
  #code;
  #numbers = h("pre", { class: "numbers", "aria-hidden": "true" });
  #band = h("div", { class: "band", hidden: true });
  /** Offsets at which lines begin. @type {number[]} */
  #starts = [];
  /** The first row of each line, if lines may take several rows. @type {number[] | null} */
  #tops = null;
  #rows = 0;
  /** @type {import("./lines.js").Lines | null} */
  #lines = null;
  #view;

  /** @param {string} text @param {import("./preview.js").View} view */
  constructor(text, view) {
    this.#view = view;
    this.#code = h("code", {}, text);
    for (let at = 0; at < text.length; at = text.indexOf("\n", at) + 1 || text.length) this.#starts.push(at);
    this.count = this.#rows = Math.max(1, this.#starts.length);
    highlight(this.#code, view.entry.name, view.signal);
    this.#numbers.addEventListener("click", (event) => this.#click(event));
    this.element = h(
      "div",
      { class: "source", dir: "ltr" },
      this.#band,
      this.#numbers,
      h("pre", { tabindex: "0", role: "region", "aria-label": t("Content") }, this.#code),
    );
    const sizes = new ResizeObserver(() => this.#measure());
    sizes.observe(this.#code.parentElement ?? this.#code);
    view.signal.addEventListener("abort", () => sizes.disconnect());
    this.#number();
  }

  /** @param {boolean} on */
  wrap(on) {
    this.element.classList.toggle("wrapped", on);
    this.#measure();
  }

  /** Marks lines and scrolls to them. @param {import("./lines.js").Lines | null} lines */
  mark(lines) {
    this.#lines = lines;
    this.#drawBand();
    if (!lines || this.#band.hidden) return;
    const { stage } = this.#view;
    const top = this.#band.offsetTop - stage.scrollTop;
    if (top < 0 || top > stage.clientHeight * 0.7) stage.scrollTop = this.#band.offsetTop - stage.clientHeight / 4;
  }

  /** Finds out how many rows each line takes. */
  #measure() {
    const isWrapped = this.element.classList.contains("wrapped");
    const isNumbered = !isWrapped || this.count <= MEASURED;
    this.element.classList.toggle("unnumbered", !isNumbered);
    const text = this.#code.firstChild;
    if (!isWrapped || !isNumbered || !text || !this.element.isConnected) this.#tops = null;
    else this.#tops = this.#topsIn(text);
    this.#number();
    this.#drawBand();
  }

  /** @param {ChildNode} text */
  #topsIn(text) {
    const range = document.createRange();
    const height = parseFloat(getComputedStyle(this.#code).lineHeight);
    let rows = 0;
    const tops = this.#starts.map((start, line) => {
      const top = rows;
      const end = (this.#starts[line + 1] ?? (text.textContent?.length ?? 0) + 1) - 1;
      range.setStart(text, start);
      range.setEnd(text, Math.max(start, end));
      rows += Math.max(1, Math.round(range.getBoundingClientRect().height / height));
      return top;
    });
    this.#rows = rows;
    return tops;
  }

  #number() {
    const tops = this.#tops;
    if (!tops) this.#rows = this.count;
    const numbers = Array.from({ length: this.count }, (_, line) => {
      const rows = tops ? (tops[line + 1] ?? this.#rows) - (tops[line] ?? 0) : 1;
      return `${line + 1}${"\n".repeat(rows)}`;
    });
    const text = numbers.join("").trimEnd();
    if (this.#numbers.textContent !== text) this.#numbers.textContent = text;
  }

  #drawBand() {
    const lines = this.#lines;
    this.#band.hidden = !lines || lines.from > this.count || this.element.classList.contains("unnumbered");
    if (this.#band.hidden || !lines) return;
    const top = this.#rowOf(lines.from);
    const rows = this.#rowOf(lines.to + 1) - top;
    this.#band.style.setProperty("--top", String(top));
    this.#band.style.setProperty("--rows", String(rows));
  }

  /** @param {number} line */
  #rowOf(line) {
    if (line > this.count) return this.#rows;
    return this.#tops ? this.#tops[line - 1] ?? 0 : line - 1;
  }

  /** A click on a number chooses the line; with the Shift key, all up to it. @param {MouseEvent} event */
  #click({ clientY, shiftKey }) {
    const style = getComputedStyle(this.#numbers);
    const y = clientY - this.#numbers.getBoundingClientRect().top - parseFloat(style.paddingTop);
    const row = Math.floor(y / parseFloat(style.lineHeight));
    const tops = this.#tops;
    const line = Math.min(this.count, Math.max(1, tops ? tops.filter((top) => top <= row).length : row + 1));
    const before = linesIn(store.state.lines);
    store.dispatch({ type: "lines", lines: shiftKey && before ? linesOf(before.from, line) : linesOf(line, line) });
  }
}
