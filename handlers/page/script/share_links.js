/** Makes, lists and revokes share links: addresses that work without an account. */

import { urlOf } from "./places.js";
import { openDialog } from "./dialogs.js";
import { announce, button, h, toast } from "./dom.js";
import { count } from "./format.js";
import { request } from "./login.js";
import { drawing, localHint } from "./address_card.js";
import { copyText } from "./share.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** @typedef {{ id: string, link: string, paths: string[], rights: string[], expires: number | null }} Share */

/** The endpoint; the root of the site is above it. */
const SHARES = new URL("../shares", import.meta.url).href;
const ROOT = new URL("../../", import.meta.url).href;

/** @type {readonly (readonly [value: string, label: string])[]} */
const TIMES = [["1h", "an hour"], ["1d", "a day"], ["7d", "a week"], ["0", "until revoked"]];

/**
 * Opens the dialog for entries, or for the directory of the page.
 *
 * @param {readonly Entry[] | null} entries
 * @param {(ability: string) => boolean} can
 */
export function openShareLinks(entries, can) {
  const paths = entries === null ? [pathOf(urlOf({ href: "" }))] : entries.map((entry) => pathOf(urlOf(entry)));
  const isDirectory = paths.every((path) => path.endsWith("/"));
  const form = h(
    "form",
    { class: "share-form" },
    rights(can("upload") && isDirectory, paths.length === 1),
    h("label", { class: "field" }, "For", h("select", { name: "for" }, times())),
    h("div", { class: "answers" }, h("button", { class: "button primary" }, "Make a link")),
  );
  const result = h("div", { class: "made" });
  const own = h("section", { class: "own-links", hidden: true });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    make(form, paths, result).then(() => showOwn(own), (error) => complain(error));
  });
  openDialog(titleOf(entries, paths), [form, result, own], { class: "share-links" });
  showOwn(own).catch(() => {});
}

/** @param {readonly Entry[] | null} entries @param {readonly string[]} paths */
function titleOf(entries, paths) {
  if (entries === null) return "Share this folder";
  const [first] = entries;
  return paths.length === 1 && first ? `Share “${first.name}”` : `Share ${count(paths.length, "item")}`;
}

/** The path below the root of the site. @param {string} url */
function pathOf(url) {
  return `/${url.slice(ROOT.length)}`;
}

/** @param {boolean} mayUpload @param {boolean} isOne */
function rights(mayUpload, isOne) {
  /** @type {(false | readonly [value: string, label: string])[]} */
  const choices = [
    ["read", "read"],
    mayUpload && ["read,upload", "read and upload"],
    mayUpload && isOne && ["upload", "upload only, and see nothing of what is there"],
  ];
  return h(
    "fieldset",
    {},
    h("legend", {}, "Whoever has the link can, without an account,"),
    choices.filter((choice) => choice !== false).map(([value, label]) =>
      h("label", {}, h("input", { type: "radio", name: "rights", value, checked: value === "read" }), label)
    ),
  );
}

function times() {
  return TIMES.map(([value, label]) => h("option", { value, selected: value === "1d" }, label));
}

/** @param {HTMLFormElement} form @param {readonly string[]} paths @param {HTMLElement} result */
async function make(form, paths, result) {
  const chosen = new FormData(form);
  const wish = { paths, rights: String(chosen.get("rights")).split(","), for: chosen.get("for") };
  const share = /** @type {Share} */ (await send("POST", SHARES, wish));
  const url = new URL(share.link, SHARES).href;
  const address = h("input", { value: url, readonly: true, "aria-label": "Link" });
  address.addEventListener("focus", () => address.select());
  const parts = [
    h("p", { class: "good" }, `The link is ready. It works ${until(share.expires)}.`),
    h(
      "div",
      { class: "address" },
      address,
      button("copy", "Copy", () => copyText(url), { words: true, class: "primary" }),
    ),
    drawing(url),
    localHint(url),
  ];
  result.replaceChildren(...parts.filter((part) => part !== false));
  announce("The link is ready");
  address.focus();
}

/** @param {HTMLElement} section */
async function showOwn(section) {
  const { shares } = /** @type {{ shares: Share[] }} */ (await send("GET", SHARES));
  section.hidden = shares.length === 0;
  const list = h("ul", {}, shares.toReversed().map((share) => itemOf(share, section)));
  section.replaceChildren(h("h3", {}, "Your links"), list);
}

/** @param {Share} share @param {HTMLElement} section */
function itemOf({ id, link, paths, rights, expires }, section) {
  const name = paths.map((path) => decodeURIComponent(path)).join(", ");
  const url = new URL(link, SHARES).href;
  return h(
    "li",
    {},
    h("span", {}, h("bdi", {}, name), h("span", { class: "faint" }, `${rights.join(", ")} ${until(expires)}`)),
    button("copy", `Copy the link to ${name}`, () => copyText(url)),
    button("trash", `Revoke the link to ${name}`, () => {
      send("DELETE", `${SHARES}/${id}`).then(() => {
        toast("The link no longer works");
        return showOwn(section);
      }, (error) => complain(error));
    }, { class: "danger" }),
  );
}

/** @param {number | null} expires */
function until(expires) {
  if (expires === null) return "until it is revoked";
  return `until ${new Date(expires).toLocaleString("en", { dateStyle: "medium", timeStyle: "short" })}`;
}

/**
 * @param {string} method
 * @param {string} url
 * @param {unknown} [wish]
 */
async function send(method, url, wish) {
  const headers = { accept: "application/json", ...(wish ? { "content-type": "application/json" } : {}) };
  const response = await request(url, { method, headers, body: wish ? JSON.stringify(wish) : null });
  if (response.status === 204) return null;
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.detail ?? `The server answered ${response.status}`);
  return answer;
}

/** @param {unknown} error */
function complain(error) {
  toast(error instanceof Error ? error.message : String(error), "failed");
}
