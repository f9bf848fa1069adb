/** The toolbar above the table. */

import { button, h, icon } from "./dom.js";
import { openShare } from "./share.js";
import { themeButton } from "./theme.js";

/**
 * @param {HTMLElement} header The page header with its heading.
 * @param {{ can: (ability: string) => boolean, filter: (text: string) => void, search: (text: string) => void, view: () => void, help: () => void, upload: (opener: HTMLElement) => void, folder: () => void, share: () => void }} deeds
 */
export function fillToolbar(header, { can, filter, search, view, help, upload, folder, share }) {
  const input = h("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter the names in this folder",
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: can("search") ? "search" : "done",
  });
  const below = button("search", "Search in subfolders", () => search(input.value), { words: true, class: "below" });
  below.hidden = true;
  const shows = () => {
    below.hidden = !can("search") || input.value.trim() === "";
  };
  input.addEventListener("input", () => {
    shows();
    filter(input.value);
  });
  const form = h(
    "form",
    { class: "filter", role: "search" },
    icon("search"),
    input,
    h("kbd", { "aria-hidden": "true" }, "/"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (can("search") && input.value.trim() !== "") search(input.value);
  });
  const summary = h("p", { class: "summary" });
  const viewButton = button("tiles", "Tiles", view, { keys: "V" });
  const bar = h(
    "div",
    { class: "toolbar" },
    form,
    below,
    summary,
    h(
      "div",
      { class: "deeds" },
      can("upload") && button("folder-add", "New folder", folder, { words: true, class: "optional" }),
      can("archive") &&
        h("a", {
          class: "button bare",
          href: "?archive=zip",
          download: true,
          title: "Download all as zip",
          "aria-label": "Download all as zip",
        }, icon("download")),
      viewButton,
      can("upload") &&
        button("upload", "Upload", ({ currentTarget }) => upload(/** @type {HTMLElement} */ (currentTarget)), {
          words: true,
          class: "primary",
        }),
    ),
  );
  const heading = /** @type {HTMLElement} */ (header.querySelector("h1"));
  const tools = h(
    "div",
    { class: "tools" },
    can("share") && button("share", "Share …", share),
    button(
      "qr",
      can("share") ? "Address and QR code" : "Share: link and QR code",
      () => openShare(document.title.replace("Directory listing for ", ""), location.href.replace(/#.*/, "")),
    ),
    themeButton(),
    button("help", "Keyboard help", help, { keys: "?", class: "keyboard" }),
    accountOf(header),
  );
  header.replaceChildren(h("div", { class: "top" }, heading, tools), bar);
  return {
    summary,
    input,
    /** @param {string} text */
    setFilter(text) {
      input.value = text;
      shows();
    },
    /** @param {boolean} isTiles */
    setView(isTiles) {
      const label = isTiles ? "List" : "Tiles";
      viewButton.setAttribute("aria-label", label);
      viewButton.title = `${label} (V)`;
      /** @type {HTMLElement} */ (viewButton.firstElementChild).style.setProperty(
        "--icon",
        `var(--i-${isTiles ? "list" : "tiles"})`,
      );
    },
  };
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
