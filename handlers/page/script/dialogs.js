/** Dialogs and menus. */

import { button, h, icon, placeMessages } from "./dom.js";
import { t } from "./language.js";
import { store } from "./store.js";

/** Counts what is open, after each change. */
export function countLayers() {
  placeMessages();
  store.dispatch({ type: "layers", open: document.querySelectorAll("dialog:modal, [role=menu]").length });
}

/** A dialog gives the focus back; if nothing had it, or if that is gone, the list gets it. */
function focusSomething() {
  if (store.state.layers === 0 && document.activeElement === document.body) {
    store.dispatch({ type: "focus", key: null });
  }
}

/**
 * Closes a dialog by a click outside of it: one that begins there, too, rather than with selecting text inside.
 *
 * @param {HTMLDialogElement} dialog
 * @param {(target: EventTarget | null) => boolean} [isOutside]
 */
export function closeByClick(dialog, isOutside = (target) => target === dialog) {
  let began = false;
  dialog.addEventListener("pointerdown", ({ target }) => {
    began = isOutside(target);
  });
  dialog.addEventListener("click", ({ target }) => began && isOutside(target) && dialog.close());
}

/**
 * Opens a dialog. Escape and a click outside close it; closing removes it from the page.
 *
 * @param {string} title
 * @param {(Node | string)[]} content
 * @param {{ class?: string }} [options]
 */
export function openDialog(title, content, { class: more = "" } = {}) {
  const id = `dialog-${++number}`;
  const dialog = h(
    "dialog",
    { class: `dialog ${more}`, "aria-labelledby": id },
    h("header", {}, h("h2", { id }, title), button("close", t("Close"), () => dialog.close())),
    h("div", { class: "content" }, ...content),
  );
  closeByClick(dialog);
  dialog.addEventListener("close", () => {
    countLayers();
    dialog.remove();
    focusSomething();
  });
  document.body.append(dialog);
  dialog.showModal();
  countLayers();
  return dialog;
}

let number = 0;

/**
 * Asks a question with a few answers; the first is the one that changes something.
 *
 * @template {string} T
 * @param {string} title
 * @param {(Node | string)[]} content
 * @param {readonly (readonly [answer: T, label: string])[]} answers
 * @param {{ danger?: boolean }} [options]
 * @returns {Promise<T | null>} null if it was closed without an answer.
 */
export function ask(title, content, answers, { danger = false } = {}) {
  return new Promise((resolve) => {
    /** @type {T | null} */
    let given = null;
    const buttons = answers.map(([, label], index) =>
      h("button", {
        type: "submit",
        class: `button ${index === 0 ? (danger ? "danger" : "primary") : ""}`,
        autofocus: index === (danger ? answers.length - 1 : 0),
      }, label)
    );
    const form = h("form", { method: "dialog" }, ...content, h("div", { class: "answers" }, ...buttons));
    // Not the click: the fields may be refused after it.
    form.addEventListener("submit", ({ submitter }) => {
      given = answers[buttons.indexOf(/** @type {HTMLButtonElement} */ (submitter))]?.[0] ?? null;
    });
    openDialog(title, [form], { class: "question" }).addEventListener("close", () => resolve(given));
  });
}

/**
 * Asks for a name.
 *
 * @param {string} title
 * @param {string} label
 * @param {string} value
 * @param {string} doIt Label of the button.
 * @returns {Promise<string | null>}
 */
export async function askName(title, label, value, doIt) {
  const input = h("input", { value, required: true, maxlength: 255, autocomplete: "off", spellcheck: "false" });
  const field = h("label", { class: "field" }, label, input);
  input.addEventListener("input", () => input.setCustomValidity(problemOf(input.value)));
  const answer = ask(title, [field], [["do", doIt]]);
  const dot = value.lastIndexOf(".");
  input.setSelectionRange(0, dot > 0 ? dot : value.length);
  input.focus();
  return await answer === "do" ? input.value : null;
}

/** @param {string} name */
function problemOf(name) {
  if (/[/\\]/.test(name)) return t("A name cannot contain a slash");
  if (name.trim() === "") return t("A name needs more than spaces");
  return name === "." || name === ".." ? t("This name is not allowed") : "";
}

/**
 * Opens a menu below an element and moves the focus into it.
 *
 * @param {HTMLElement} opener
 * @param {readonly (readonly [picture: string, label: string, deed: string | (() => void), more?: Record<string,
 * unknown>])[]} items An action is a function or the URL of a link.
 */
export function openMenu(opener, items) {
  const elements = items.map(([picture, label, deed, more = {}]) => {
    const attributes = { role: "menuitem", tabindex: "-1", ...more };
    const item = typeof deed === "string"
      ? h("a", { href: deed, ...attributes })
      : h("button", { type: "button", ...attributes, onclick: deed });
    item.append(icon(picture), label);
    // First, so that a dialog that is opened returns the focus to the opener.
    item.addEventListener("click", () => close(), { capture: true });
    return item;
  });
  const menu = h("div", { role: "menu", class: "menu", "aria-label": opener.getAttribute("aria-label") }, ...elements);
  const close = (back = true) => {
    menu.remove();
    countLayers();
    opener.setAttribute("aria-expanded", "false");
    removeEventListener("pointerdown", outside, true);
    removeEventListener("scroll", away);
    if (back) opener.focus();
  };
  const top = scrollY;
  // Momentum scrolling must not close what was just opened.
  const away = () => Math.abs(scrollY - top) > 80 && close(false);
  /** @param {Event} event */
  const outside = (event) => menu.contains(/** @type {Node} */ (event.target)) || close(false);
  menu.addEventListener("keydown", (event) => {
    const at = elements.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (to !== undefined) elements.at(to % elements.length)?.focus();
    else if (event.key === "Escape" || event.key === "Tab") close();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  opener.setAttribute("aria-expanded", "true");
  (document.querySelector("main") ?? document.body).append(menu);
  countLayers();
  place(menu, opener.getBoundingClientRect());
  addEventListener("pointerdown", outside, true);
  addEventListener("scroll", away, { passive: true });
  elements[0]?.focus({ preventScroll: true });
}

/**
 * Places a menu below its opener, or above if there is no space, within the viewport.
 *
 * @param {HTMLElement} menu
 * @param {DOMRect} box
 */
function place(menu, box) {
  const { offsetWidth, offsetHeight } = menu;
  const below = box.bottom + offsetHeight + 8 <= innerHeight;
  menu.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - offsetHeight - 4)}px`;
  menu.style.left = `${Math.min(Math.max(8, box.right - offsetWidth), innerWidth - offsetWidth - 8)}px`;
}
