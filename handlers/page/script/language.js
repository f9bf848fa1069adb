/**
 * The texts of the page in the language of its reader. The English ones are in the code; words.json has the others, and
 * the server makes a file of each language of it, which is loaded only by those who read it.
 */

import { kept } from "./kept.js";

/** What each language calls itself. @type {Readonly<Record<string, string>>} */
export const LANGUAGES = {
  en: "English",
  de: "Deutsch",
  fr: "Français",
  es: "Español",
  ja: "日本語",
  "zh-Hans": "简体中文",
  ar: "العربية",
};

const root = globalThis.document?.documentElement;

/** The language of the page, chosen by its inline script before the first paint. */
export const language = root?.lang || "en";

/** The same with a region, if the browser names one: for numbers and dates. */
export const locale = navigator.languages.find((each) => each.split("-")[0] === language.split("-")[0]) ?? language;

/** @type {Readonly<Record<string, string | Record<string, string>>>} */
let words = {};

const PLURALS = new Intl.PluralRules(language);
const NUMBERS = new Intl.NumberFormat(locale);

/** Loads the texts. Without them, the page is in English. */
export async function loadWords() {
  if (language === "en") return;
  try {
    ({ words } = await import(`./words_${language}.js`));
  } catch {
    Object.assign(root, { lang: "en", dir: "ltr" });
  }
}

/** Changes the language, which takes a new page. @param {string} code */
export function changeLanguage(code) {
  kept.set("language", code);
  // If the browser keeps nothing: the name of a tab lasts as long as the tab.
  if (kept.get("language") !== code) Object.assign(globalThis, { name: code });
  location.reload();
}

/**
 * A text with its placeholders filled: `{name}`. Both arguments of this function and its sisters are found by a test,
 * so the texts must be literals.
 *
 * @param {string} text In English.
 * @param {Record<string, string | number>} [values]
 */
export function t(text, values = {}) {
  return filled(/** @type {string} */ (words[text] ?? text), values);
}

/**
 * A text about a number, `{n}`.
 *
 * @param {number} n
 * @param {string} one The English text about one.
 * @param {string} many The English text about any other number.
 * @param {Record<string, string | number>} [values]
 */
export function tn(n, one, many, values = {}) {
  const forms = words[many];
  const english = n === 1 ? one : many;
  const text = typeof forms === "object" ? forms[PLURALS.select(n)] ?? forms.other ?? english : english;
  return filled(text, { ...values, n });
}

/**
 * A text with elements as its placeholders.
 *
 * @param {string} text
 * @param {Record<string, Node>} nodes
 */
export function tNodes(text, nodes) {
  const parts = /** @type {string} */ (words[text] ?? text).split(/\{(\w+)\}/);
  return parts.map((part, index) => index % 2 === 0 ? part : /** @type {Node} */ (nodes[part]));
}

/** @param {number} number */
export function formatNumber(number) {
  return NUMBERS.format(number);
}

/** @param {string} text @param {Record<string, string | number>} values */
function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name] ?? "";
    return typeof value === "number" ? formatNumber(value) : isolated(value);
  });
}

/** A name keeps its own direction in a sentence from right to left. @param {string} value */
function isolated(value) {
  return root?.dir === "rtl" ? `\u2068${value}\u2069` : value;
}
