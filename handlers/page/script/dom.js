/** Creates elements. Text stays text: nothing here parses markup. */

/** @typedef {Node | string | null | false | undefined} Child */

/**
 * Creates an element. Attributes that are null, undefined or false are omitted, `true` sets an empty attribute, and a
 * function with a name that begins with `on` is a listener. Children may be nested arrays of any length.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Child | readonly Child[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  for (const child of /** @type {Child[]} */ (children.flat())) {
    if (child !== null && child !== undefined && child !== false) element.append(child);
  }
  return element;
}

/** Icons that are mirrored where the page is read from right to left. */
const DIRECTED = ["move", "before", "after", "open"];

/**
 * A decorative icon: icons.js defines it as `--i-NAME`.
 *
 * @param {string} name
 */
export function icon(name) {
  const element = h("span", { class: DIRECTED.includes(name) ? "icon directed" : "icon", "aria-hidden": "true" });
  element.style.setProperty("--icon", `var(--i-${name})`);
  return element;
}

/**
 * A button with an icon and its label, which is visible or the accessible name.
 *
 * @param {string} picture
 * @param {string} label
 * @param {(event: MouseEvent) => void} onclick
 * @param {{ words?: boolean, class?: string, keys?: string }} [options] `words` shows the label.
 */
export function button(picture, label, onclick, { words = false, class: more = "", keys } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `button ${words ? "" : "bare"} ${more}`.trim(),
      "aria-label": words ? null : label,
      title: keys ? `${label} (${keys})` : words ? null : label,
      onclick,
    },
    icon(picture),
    words && h("span", {}, label),
  );
}

/**
 * Announces a text to screen readers.
 *
 * @param {string} text
 */
export function announce(text) {
  placeMessages();
  live.textContent = text;
}

/**
 * A short message at the edge of the page that disappears after a while.
 *
 * @param {string} text
 * @param {"done" | "failed"} [mood]
 * @param {{ label: string, act: () => void }} [offer] A button.
 */
export function toast(text, mood = "done", offer) {
  const element = h("p", { class: `toast ${mood}` }, text);
  const remove = () => element.remove();
  if (offer) {
    const act = () => {
      remove();
      offer.act();
    };
    element.append(h("button", { type: "button", onclick: act }, offer.label));
  }
  placeMessages();
  for (const other of toasts.children) if (other.textContent === element.textContent) other.remove(); // said again
  toasts.append(element);
  setTimeout(remove, offer || mood === "failed" ? 10_000 : 4_000);
}

/**
 * Shows messages in the topmost dialog, since what is outside of it is neither seen nor heard, or else above whatever
 * is at the lower edge of the page.
 */
export function placeMessages() {
  const place = [...document.querySelectorAll("dialog:modal")].at(-1) ?? document.querySelector(".dock") ??
    document.body;
  if (live.parentElement !== place) place.prepend(live, toasts);
}

const live = h("div", { class: "unseen", role: "status" });
const toasts = h("div", { class: "toasts", role: "status" });
