/** Makes, lists and revokes share links: addresses that work without an account. */

import { t, tn } from "./language.js";
import { urlOf } from "./places.js";
import { openDialog } from "./dialogs.js";
import { announce, button, h, toast } from "./dom.js";
import { formatShort } from "./format.js";
import { request } from "./login.js";
import { drawing, localHint } from "./address_card.js";
import { copyText } from "./share.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** @typedef {{ id: string, link: string, paths: string[], rights: string[], expires: number | null }} Share */

/** The endpoint; the root of the site is above it. */
const SHARES = new URL("../shares", import.meta.url).href;
const ROOT = new URL("../../", import.meta.url).href;

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
    h("label", { class: "field" }, t("For"), h("select", { name: "for" }, times())),
    h("div", { class: "answers" }, h("button", { class: "button primary" }, t("Make a link"))),
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
  if (entries === null) return t("Share this folder");
  const [first] = entries;
  return paths.length === 1 && first
    ? t("Share “{name}”", { name: first.name })
    : tn(paths.length, "Share {n} item", "Share {n} items");
}

/** The path below the root of the site. @param {string} url */
function pathOf(url) {
  return `/${url.slice(ROOT.length)}`;
}

/** @param {boolean} mayUpload @param {boolean} isOne */
function rights(mayUpload, isOne) {
  /** @type {(false | readonly [value: string, label: string])[]} */
  const choices = [
    ["read", t("read")],
    mayUpload && ["read,upload", t("read and upload")],
    mayUpload && isOne && ["upload", t("upload only, and see nothing of what is there")],
  ];
  return h(
    "fieldset",
    {},
    h("legend", {}, t("Whoever has the link can, without an account,")),
    choices.filter((choice) => choice !== false).map(([value, label]) =>
      h("label", {}, h("input", { type: "radio", name: "rights", value, checked: value === "read" }), label)
    ),
  );
}

function times() {
  const all = [["1h", t("an hour")], ["1d", t("a day")], ["7d", t("a week")], ["0", t("until revoked")]];
  return all.map(([value, label]) => h("option", { value, selected: value === "1d" }, label));
}

/** @param {HTMLFormElement} form @param {readonly string[]} paths @param {HTMLElement} result */
async function make(form, paths, result) {
  const chosen = new FormData(form);
  const wish = { paths, rights: String(chosen.get("rights")).split(","), for: chosen.get("for") };
  const share = /** @type {Share} */ (await send("POST", SHARES, wish));
  const url = new URL(share.link, SHARES).href;
  const address = h("input", { value: url, readonly: true, "aria-label": t("Link") });
  address.addEventListener("focus", () => address.select());
  const parts = [
    h("p", { class: "good" }, t("The link is ready. It works {until}.", { until: until(share.expires) })),
    h(
      "div",
      { class: "address" },
      address,
      button("copy", t("Copy"), () => copyText(url), { words: true, class: "primary" }),
    ),
    drawing(url),
    localHint(url),
  ];
  result.replaceChildren(...parts.filter((part) => part !== false));
  announce(t("The link is ready"));
  address.focus();
}

/** @param {HTMLElement} section */
async function showOwn(section) {
  const { shares } = /** @type {{ shares: Share[] }} */ (await send("GET", SHARES));
  section.hidden = shares.length === 0;
  const list = h("ul", {}, shares.toReversed().map((share) => itemOf(share, section)));
  section.replaceChildren(h("h3", {}, t("Your links")), list);
}

/** @param {Share} share @param {HTMLElement} section */
function itemOf({ id, link, paths, rights, expires }, section) {
  const name = paths.map((path) => decodeURIComponent(path)).join(", ");
  const url = new URL(link, SHARES).href;
  return h(
    "li",
    {},
    h(
      "span",
      {},
      h("bdi", {}, name),
      h("span", { class: "faint" }, `${rights.map(rightText).join(", ")} ${until(expires)}`),
    ),
    button("copy", t("Copy the link to {name}", { name }), () => copyText(url)),
    button("trash", t("Revoke the link to {name}", { name }), () => {
      send("DELETE", `${SHARES}/${id}`).then(() => {
        toast(t("The link no longer works"));
        return showOwn(section);
      }, (error) => complain(error));
    }, { class: "danger" }),
  );
}

/** @param {string} right */
function rightText(right) {
  return right === "read" ? t("read") : right === "upload" ? t("upload") : right;
}

/** @param {number | null} expires */
function until(expires) {
  if (expires === null) return t("until it is revoked");
  return t("until {time}", { time: formatShort(expires) });
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
  if (!response.ok) throw new Error(answer.detail ?? t("The server answered {status}", { status: response.status }));
  return answer;
}

/** @param {unknown} error */
function complain(error) {
  toast(error instanceof Error ? error.message : String(error), "failed");
}
