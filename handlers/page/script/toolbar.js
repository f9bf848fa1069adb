/** The toolbar above the table. */

import { openShareLinks } from "./actions.js";
import { newFolder } from "./deeds.js";
import { openMenu } from "./dialogs.js";
import { button, h, icon } from "./dom.js";
import { kept } from "./kept.js";
import { changeLanguage, language, LANGUAGES, t } from "./language.js";
import { loaded } from "./lazy.js";
import { fieldTextOf } from "./selectors.js";
import { openShare } from "./share.js";
import { can, store } from "./store.js";
import { themeButton } from "./theme.js";
import { chooseUploads } from "./uploads.js";

/**
 * @param {HTMLElement} header The page header with its heading.
 */
export function fillToolbar(header) {
  const { form, input, below } = filterField();
  const summary = h("p", { class: "summary" });
  const bar = h("div", { class: "toolbar" }, form, below, summary, actions());
  header.prepend(top(header));
  header.append(bar);
  return { summary, input };
}

/** The field that filters names, and the button that searches subfolders for the same text. */
function filterField() {
  const input = h("input", {
    type: "search",
    placeholder: t("Filter"),
    "aria-label": t("Filter the names in this folder"),
    autocomplete: "off",
    spellcheck: "false",
    enterkeyhint: can("search") ? "search" : "done",
  });
  const search = () => {
    if (can("search") && input.value.trim() !== "") store.dispatch({ type: "search", text: input.value });
  };
  const below = button("search", t("Search in subfolders"), search, { words: true, class: "below" });
  const hint = h("kbd", { "aria-hidden": "true" }, "/");
  const form = h("form", { class: "filter", role: "search" }, icon("search"), input, hint);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
  input.addEventListener("input", () => store.dispatch({ type: "filter", text: input.value }));
  store.watch(fieldTextOf, (text) => {
    if (input.value !== text) input.value = text;
    below.hidden = !can("search") || text.trim() === "";
  });
  return { form, input, below };
}

/** Switches between the list and the tiles. */
export function switchView() {
  const on = !store.state.isTiles;
  kept.set("view", on ? "tiles" : "list");
  store.dispatch({ type: "tiles", on });
}

function viewButton() {
  const element = button("tiles", t("Tiles"), switchView, { keys: "V" });
  const image = /** @type {HTMLElement} */ (element.firstElementChild);
  store.watch((state) => state.isTiles, (isTiles) => {
    const label = isTiles ? t("List") : t("Tiles");
    element.setAttribute("aria-label", label);
    element.title = `${label} (V)`;
    image.style.setProperty("--icon", `var(--i-${isTiles ? "list" : "tiles"})`);
  });
  return element;
}

/** Switches between high and low rows, where a mouse hits both. */
function densityButton() {
  const root = document.documentElement;
  const element = button("density", t("Compact rows"), () => {
    root.dataset.density = root.dataset.density === "compact" ? "" : "compact";
    kept.set("density", root.dataset.density);
    show();
    dispatchEvent(new Event("resize")); // the table measures its rows again
  }, { class: "density" });
  const show = () => element.setAttribute("aria-pressed", String(root.dataset.density === "compact"));
  show();
  return element;
}

/** The buttons for the whole folder. */
function actions() {
  const label = t("Download all as zip");
  const zip = can("archive") &&
    h(
      "a",
      { class: "button bare", href: "?archive=zip", download: true, title: label, "aria-label": label },
      icon("download"),
    );
  store.watch((state) => state.folder.isComplete && state.folder.entries.length === 0, (isEmpty) => {
    if (zip) zip.hidden = isEmpty;
  });
  return h(
    "div",
    { class: "deeds" },
    can("upload") && button("folder-add", t("New folder"), newFolder, { words: true, class: "optional" }),
    can("upload") && button("file-add", t("New text file"), newTextFile),
    zip,
    densityButton(),
    viewButton(),
    can("upload") &&
      button("upload", t("Upload"), ({ currentTarget }) => chooseUploads(/** @type {HTMLElement} */ (currentTarget)), {
        words: true,
        class: "primary",
      }),
  );
}

async function newTextFile() {
  const editor = await loaded(() => import("./edit.js"));
  await editor?.newTextFile();
}

/** The heading with the buttons beside it. @param {HTMLElement} header */
function top(header) {
  const heading = /** @type {HTMLElement} */ (header.querySelector("h1"));
  const address = () => openShare(document.title, location.href.replace(/#.*/, ""));
  const tools = h(
    "div",
    { class: "tools" },
    can("share") && button("share", t("Share …"), () => openShareLinks(null)),
    button("qr", can("share") ? t("Address and QR code") : t("Share: link and QR code"), address),
    themeButton(),
    languageButton(),
    button("help", t("Keyboard help"), openHelp, { keys: "?", class: "keyboard" }),
    accountOf(header),
  );
  return h("div", { class: "top" }, heading, tools);
}

function languageButton() {
  const languages = Object.entries(LANGUAGES);
  return button("language", t("Language: {name}", { name: LANGUAGES[language] ?? "" }), ({ currentTarget }) =>
    openMenu(
      /** @type {HTMLElement} */ (currentTarget),
      languages.map(([code, name]) => [
        code === language ? "done" : "none",
        name,
        () => changeLanguage(code),
        { lang: code, role: "menuitemradio", "aria-checked": String(code === language) },
      ]),
    ));
}

/** The part of the header about the account, whose link for sharing is a button here. @param {HTMLElement} header */
function accountOf(header) {
  const account = header.querySelector(".account");
  account?.querySelector(":scope > a[href*='/shares?']")?.remove();
  account?.querySelector("a")?.replaceChildren(t("Log in"));
  account?.querySelector("button")?.replaceChildren(t("Log out"));
  return account;
}

export async function openHelp() {
  const help = await loaded(() => import("./help.js"));
  help?.openHelp(can);
}
