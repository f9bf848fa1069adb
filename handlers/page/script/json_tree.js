/** JSON as a tree. Parts are made when they are opened, so that large data costs only what is seen of it. */

import { h } from "./dom.js";
import { formatNumber, t } from "./language.js";

/** Maximum number of members shown at once; a button shows the next ones. */
const SHOWN = 500;

/** If an object has at most this many members, the small ones among them are open, too. */
const OPEN = 200;

/** Maximum length of a text whose numbers are kept as they are: looking at each takes long. */
const EXACT = 1024 * 1024;

/** Maximum number of characters of a string. */
const STRING = 10_000;

/** A number with more digits than JavaScript keeps, as it is in the text. */
class Exact {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
  }
}

/** The text as a tree; null if it is not JSON. @param {string} text @returns {HTMLElement | null} */
export function jsonTree(text) {
  const parsed = parse(text.replace(/^\ufeff/, ""));
  if (parsed === undefined) return null;
  const { value } = parsed;
  const tree = h("div", { class: "json", dir: "ltr" });
  if (!isBranch(value)) tree.append(leaf(value));
  else {
    const root = branch(null, value);
    root.open = true;
    fill(root, value);
    tree.append(root);
  }
  return tree;
}

/** @param {string} text @returns {{ value: unknown } | undefined} */
function parse(text) {
  try {
    if (text.length > EXACT || !/\d{16}/.test(text)) return { value: JSON.parse(text) };
    return { value: JSON.parse(text, /** @type {(key: string, value: unknown) => unknown} */ (exact)) };
  } catch (error) {
    if (!(error instanceof RangeError)) return undefined;
  }
  try {
    return { value: JSON.parse(text) }; // nested too deeply for a reviver
  } catch {
    return undefined;
  }
}

/** @param {string} _key @param {unknown} value @param {{ source?: string }} [context] Missing in older browsers. */
function exact(_key, value, context) {
  return typeof value === "number" && context?.source !== undefined && String(value) !== context.source
    ? new Exact(context.source)
    : value;
}

/** @param {unknown} value @returns {value is object} */
function isBranch(value) {
  return typeof value === "object" && value !== null && !(value instanceof Exact);
}

/** @param {string | null} key @param {object} value */
function branch(key, value) {
  const count = Array.isArray(value) ? value.length : Object.keys(value).length;
  const brackets = Array.isArray(value) ? ["[", "]"] : ["{", "}"];
  const shown = count === 0 ? brackets.join("") : `${brackets.join("…")} `;
  const size = count > 0 && h("span", { class: "faint" }, formatNumber(count));
  const element = h("details", {}, h("summary", {}, key !== null && label(key), shown, size));
  element.addEventListener("toggle", () => element.open && fill(element, value), { once: true });
  return element;
}

/** Adds the members, once. @param {HTMLDetailsElement} element @param {object} value */
function fill(element, value) {
  if (element.querySelector(":scope > ul")) return;
  const list = h("ul");
  element.append(list);
  const keys = Object.keys(value); // of an array, too
  const isSmall = keys.length <= OPEN;
  /** @param {number} from */
  const add = (from) => {
    list.append(...keys.slice(from, from + SHOWN).map((key) => h("li", {}, member(key, value, isSmall))));
    const next = from + SHOWN;
    if (next >= keys.length) return;
    const more = h("button", { type: "button", class: "button" }, t("Show more of {n}", { n: keys.length }));
    more.addEventListener("click", () => {
      more.parentElement?.remove();
      add(next);
      /** @type {HTMLElement | null} */ (list.children[next]?.querySelector("summary"))?.focus();
    });
    list.append(h("li", {}, more));
  };
  add(0);
}

/** @param {string} key @param {object} of @param {boolean} isOpen Whether it is opened if it is small. */
function member(key, of, isOpen) {
  const value = /** @type {Record<string, unknown>} */ (of)[key];
  if (!isBranch(value)) return [label(key), leaf(value)];
  const element = branch(key, value);
  const isSmall = Object.keys(value).length <= 20;
  if (isOpen && isSmall && !Object.values(value).some(isBranch)) element.open = true;
  return [element];
}

/** @param {string} key */
function label(key) {
  return h("span", { class: "key" }, h("bdi", {}, shortened(key)), ": ");
}

/** @param {unknown} value */
function leaf(value) {
  if (typeof value === "string") return h("span", { class: "string" }, h("bdi", {}, JSON.stringify(shortened(value))));
  if (value instanceof Exact) return h("span", { class: "number" }, value.source);
  return h("span", { class: typeof value === "number" ? "number" : "word" }, String(value));
}

/** @param {string} text */
function shortened(text) {
  return text.length > STRING ? `${text.slice(0, STRING)}…` : text;
}
