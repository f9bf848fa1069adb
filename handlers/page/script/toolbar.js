/** The toolbar above the table. */

import { button, h, icon } from "./dom.js";
import { openShare } from "./share.js";
import { themeButton } from "./theme.js";

/**
 * @typedef {object} Deeds What the toolbar does.
 * @property {(ability: string) => boolean} can
 * @property {(text: string) => void} filter
 * @property {(text: string) => void} search
 * @property {() => void} view
 * @property {() => void} help
 * @property {(opener: HTMLElement) => void} upload
 * @property {() => void} folder
 * @property {() => void} share
 */

/**
 * @param {HTMLElement} header The page header with its heading.
 * @param {Deeds} deeds
 */
export function fillToolbar(header, deeds) {
  const filter = filterField(deeds);
  const summary = h("p", { class: "summary" });
  const viewButton = button("tiles", "Tiles", deeds.view, { keys: "V" });
  const bar = h("div", { class: "toolbar" }, filter.form, filter.below, summary, actions(deeds, viewButton));
  header.prepend(top(header, deeds));
  header.append(bar);
  return {
    summary,
    input: filter.input,
    setFilter: filter.set,
    /** @param {boolean} isTiles */
    setView(isTiles) {
      const label = isTiles ? "List" : "Tiles";
      viewButton.setAttribute("aria-label", label);
      viewButton.title = `${label} (V)`;
      const image = /** @type {HTMLElement} */ (viewButton.firstElementChild);
      image.style.setProperty("--icon", `var(--i-${isTiles ? "list" : "tiles"})`);
    },
  };
}

/**
 * The field that filters names, and the button that searches subfolders for the same text.
 *
 * @param {Deeds} deeds
 */
function filterField({ can, filter, search }) {
  const input = h("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter the names in this folder",
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: can("search") ? "search" : "done",
  });
  const below = button("search", "Search in subfolders", () => search(input.value), { words: true, class: "below" });
  const isEmpty = () => input.value.trim() === "";
  const show = () => {
    below.hidden = !can("search") || isEmpty();
  };
  show();
  input.addEventListener("input", () => {
    show();
    filter(input.value);
  });
  const hint = h("kbd", { "aria-hidden": "true" }, "/");
  const form = h("form", { class: "filter", role: "search" }, icon("search"), input, hint);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (can("search") && !isEmpty()) search(input.value);
  });
  /** @param {string} text */
  const set = (text) => {
    input.value = text;
    show();
  };
  return { form, input, below, set };
}

/**
 * The buttons for the whole folder.
 *
 * @param {Deeds} deeds
 * @param {HTMLElement} viewButton
 */
function actions({ can, upload, folder }, viewButton) {
  const label = "Download all as zip";
  return h(
    "div",
    { class: "deeds" },
    can("upload") && button("folder-add", "New folder", folder, { words: true, class: "optional" }),
    can("archive") &&
      h(
        "a",
        { class: "button bare", href: "?archive=zip", download: true, title: label, "aria-label": label },
        icon("download"),
      ),
    viewButton,
    can("upload") &&
      button("upload", "Upload", ({ currentTarget }) => upload(/** @type {HTMLElement} */ (currentTarget)), {
        words: true,
        class: "primary",
      }),
  );
}

/**
 * The heading with the buttons beside it.
 *
 * @param {HTMLElement} header
 * @param {Deeds} deeds
 */
function top(header, { can, help, share }) {
  const heading = /** @type {HTMLElement} */ (header.querySelector("h1"));
  const address = () =>
    openShare(document.title.replace("Directory listing for ", ""), location.href.replace(/#.*/, ""));
  const tools = h(
    "div",
    { class: "tools" },
    can("share") && button("share", "Share …", share),
    button("qr", can("share") ? "Address and QR code" : "Share: link and QR code", address),
    themeButton(),
    button("help", "Keyboard help", help, { keys: "?", class: "keyboard" }),
    accountOf(header),
  );
  return h("div", { class: "top" }, heading, tools);
}

/** The part of the header about the account, whose link for sharing is a button here. @param {HTMLElement} header */
function accountOf(header) {
  const account = header.querySelector(".account");
  account?.querySelector(":scope > a[href*='/shares?']")?.remove();
  return account;
}

/**
 * The toolbar shown while entries are selected.
 *
 * @param {import("./selection.js").Selection} selection
 * @param {{ can: (ability: string) => boolean, zip: () => void, copy: () => void, remove: () => void, share: () => void }} deeds
 * @param {(entries: import("./entries.js").Entry[]) => string} describe
 */
export function selectionBar(selection, { can, zip, copy, remove, share }, describe) {
  const text = h("p", { role: "status" });
  const bar = h(
    "section",
    { class: "selected", "aria-label": "Selection", hidden: true },
    text,
    can("archive") && button("download", "Download", zip, { words: true }),
    can("share") && button("share", "Share …", share, { words: true }),
    button("link", "Copy links", copy, { words: true }),
    can("delete") && button("trash", "Delete", remove, { words: true, class: "danger" }),
    button("close", "Clear the selection", () => selection.clear(), { keys: "Esc" }),
  );
  selection.addEventListener("change", () => {
    bar.hidden = selection.size === 0;
    document.documentElement.classList.toggle("selecting", !bar.hidden);
    text.textContent = bar.hidden ? "" : describe(selection.entries);
  });
  document.body.append(bar);
}
