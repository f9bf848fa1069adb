/** Shows text: with line numbers, and where there is one, in the form that is easier to read. */

import { askName } from "./dialogs.js";
import { button, h } from "./dom.js";
import { fetchText, SHOWN_BYTES } from "./file_text.js";
import { formatSize } from "./format.js";
import { kept } from "./kept.js";
import { isTable, kindOf } from "./kinds.js";
import { t } from "./language.js";
import { loaded } from "./lazy.js";
import { linesIn, linesOf } from "./lines.js";
import { urlOf } from "./places.js";
import { copyText } from "./share.js";
import { Source } from "./source.js";
import { can, store } from "./store.js";

/** @typedef {import("./preview.js").View} View */

/** Data is read further than other text: what is cut off cannot be shown as a tree, nor sorted. */
const DATA_BYTES = 4 * 1024 * 1024;

/** @typedef {(text: string, view: View) => Promise<HTMLElement | null>} Form Makes the other form; null if there is none. */

/** The other forms of text: their names, and what makes them. */
const FORMS = {
  markdown: {
    label: "Rendered",
    /** @type {Form} */
    make: async (text, { entry, signal }) => {
      const markdown = await loaded(() => import("./markdown.js"));
      return markdown && markdown.renderMarkdown(text, urlOf(entry), signal);
    },
  },
  json: {
    label: "Tree",
    /** @type {Form} */
    make: async (text) => (await loaded(() => import("./json_tree.js")))?.jsonTree(text) ?? null,
  },
  table: {
    label: "Table",
    /** @type {Form} */
    make: async (text, { entry }) =>
      (await loaded(() => import("./csv_table.js")))?.csvTable(text, /\.tsv$/i.test(entry.name)) ?? null,
  },
};

/** @param {View} view */
export async function showText(view) {
  view.put(h("p", { class: "faint" }, t("Loading …")));
  const form = formOf(view.entry.name);
  const limit = form === "json" || form === "table" ? DATA_BYTES : SHOWN_BYTES;
  const content = await fetchText(view.entry.href, view.signal, limit);
  if (view.signal.aborted) return;
  if (content === null) return view.fail(t("This is not a text file."));
  await showContent(view, { ...content, limit });
}

/**
 * Shows text that has been read.
 *
 * @param {View} view
 * @param {{ text: string, isCut: boolean, limit?: number, isPart?: boolean }} content Whether it is cut off after the
 * limit; whether it is part of another file, which cannot be edited here.
 */
export async function showContent(view, { text, isCut, limit = SHOWN_BYTES, isPart = false }) {
  const form = formOf(view.entry.name);
  const other = form && !(isCut && form === "json") ? await FORMS[form].make(text, view) : null;
  if (view.signal.aborted) return;
  const note = isCut && h("p", { class: "cut" }, t("Only the first {size} are shown.", { size: formatSize(limit) }));
  const isEditable = !isPart && !isCut && can("delete");
  const common = [
    !isCut && button("copy", t("Copy text"), () => copyText(text)),
    isEditable && button("rename", t("Edit"), () => edit(view.entry)),
  ];
  const showSource = () => {
    // What follows the limit of other text is only part of the data.
    const source = new Source(text.slice(0, SHOWN_BYTES), view);
    view.put(note, source.element);
    view.control(toggle, ...sourceControls(source, isPart), ...common);
    const mark = () => source.mark(linesIn(store.state.lines));
    if (!isPart) view.onlines = mark;
    mark();
  };
  const showOther = () => {
    view.onlines = null;
    view.put(note, other);
    view.control(toggle, ...common);
  };
  const toggle = other && sourceToggle(showSource, showOther);
  if (other && store.state.lines === "") showOther();
  else {
    toggle?.setAttribute("aria-pressed", "true");
    showSource();
  }
}

/** @param {string} name @returns {keyof typeof FORMS | null} */
function formOf(name) {
  if (kindOf(name) === "markdown") return "markdown";
  if (/\.(?:json|geojson|webmanifest|ipynb|map)$/i.test(name)) return "json";
  return isTable(name) ? "table" : null;
}

/** A button that is pressed while the text itself is shown. @param {() => void} showSource @param {() => void} showOther */
function sourceToggle(showSource, showOther) {
  const toggle = button("source", t("Source"), () => {
    const on = toggle.getAttribute("aria-pressed") === "false";
    toggle.setAttribute("aria-pressed", String(on));
    (on ? showSource : showOther)();
    toggle.focus();
  }, { words: true });
  toggle.setAttribute("aria-pressed", "false");
  return toggle;
}

/** @param {Source} source @param {boolean} isPart */
function sourceControls(source, isPart) {
  const wrap = button("wrap", t("Wrap lines"), () => {
    const on = wrap.getAttribute("aria-pressed") === "false";
    kept.set("wrap", on ? "on" : "off");
    show(on);
  });
  /** @param {boolean} on */
  const show = (on) => {
    wrap.setAttribute("aria-pressed", String(on));
    source.wrap(on);
  };
  show(kept.get("wrap") === "on");
  return [wrap, !isPart && button("line", t("Go to line"), () => goToLine(source.count))];
}

/** @param {import("./preview.js").Shown} entry */
async function edit(entry) {
  const editor = await loaded(() => import("./edit.js"));
  await editor?.editFile(entry);
}

/** @param {number} count */
async function goToLine(count) {
  const given = await askName(
    t("Go to line"),
    t("Line, or lines such as 10-20 (of {n})", { n: count }),
    "",
    t("Go"),
  );
  const [, from, to = from] = /^\s*L?(\d{1,7})(?:\s*[-–]\s*L?(\d{1,7}))?\s*$/i.exec(given ?? "") ?? [];
  if (from !== undefined) store.dispatch({ type: "lines", lines: linesOf(Number(from), Number(to)) });
}
