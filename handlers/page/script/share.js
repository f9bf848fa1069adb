/** Shares a URL: to copy, or as a QR code for a phone. */

import { h, toast } from "./dom.js";
import { t } from "./language.js";
import { loaded } from "./lazy.js";

/** @param {string} title @param {string} url */
export async function openShare(title, url) {
  const card = await loaded(() => import("./address_card.js"));
  card?.openAddress(title, url);
}

/** @param {string} text */
export async function copyText(text) {
  if (await written(text)) toast(t("Copied"));
  else toast(t("The browser does not allow copying on this page"), "failed");
}

/** The Clipboard API needs a secure context: over plain HTTP, fall back to execCommand. @param {string} text */
async function written(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen" });
    area.value = text;
    const dialog = document.querySelector("dialog[open]") ?? document.body;
    const last = /** @type {HTMLElement | null} */ (document.activeElement);
    dialog.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    last?.focus();
    return done;
  }
}
