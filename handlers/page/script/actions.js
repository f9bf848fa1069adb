/** Actions on an entry or on the selection. */

import { removeEntries, renameEntry } from "./deeds.js";
import { h, toast } from "./dom.js";
import { pathOf } from "./entries.js";
import { isShown, kindOf } from "./kinds.js";
import { t } from "./language.js";
import { isLoggedIn } from "./downloads.js";
import { loaded } from "./lazy.js";
import { moveByDialog } from "./moving.js";
import { urlOf } from "./places.js";
import { openPreview } from "./previews.js";
import { copyText, openShare } from "./share.js";
import { can, store } from "./store.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** The longest URL that all common servers and proxies accept: more names are sent as a form. */
const MAX_URL = 8_000;

/**
 * The menu of an entry.
 *
 * @param {Entry} entry
 * @returns {Parameters<typeof import("./dialogs.js").openMenu>[1]}
 */
export function menuOf(entry) {
  const href = entry.href ?? "";
  const isDirectory = entry.kind === "directory";
  const showable = isShown(entry) || kindOf(entry.name) === "html";
  /** @type {(false | Parameters<typeof import("./dialogs.js").openMenu>[1][number])[]} */
  const items = [
    !isDirectory && showable && ["eye", t("Preview"), () => openPreview(entry)],
    ["open", t("Open"), href],
    !isDirectory && ["download", t("Download"), href, { download: true }],
    isDirectory && can("archive") && ["download", t("Download as zip"), folderUrl(href), { download: true }],
    can("share") && ["share", t("Share …"), () => openShareLinks([entry])],
    ["link", t("Copy link"), () => copyText(urlOf(entry))],
    ["info", t("Details"), () => openDetails(entry)],
    ["qr", t("QR code"), () => openShare(entry.name, urlOf(entry))],
    !isDirectory && can("checksum") && ["hash", t("Checksum"), () => openChecksum(entry)],
    can("upload") && ["move", can("delete") ? t("Move or copy …") : t("Copy …"), () => moveByDialog([entry])],
    can("delete") && ["rename", t("Rename"), () => renameEntry(entry)],
    can("delete") && ["trash", t("Delete"), () => removeEntries([entry]), { class: "danger" }],
  ];
  return items.filter((item) => item !== false);
}

/**
 * The URL of a zip of a folder, requested from its parent: a folder with an index page would respond with that page,
 * whatever the query.
 *
 * @param {string} href
 */
function folderUrl(href) {
  const start = href.lastIndexOf("/", href.length - 2) + 1;
  const name = decodeURIComponent(href.slice(start, -1));
  return `${href.slice(0, start)}?${new URLSearchParams([["archive", "zip"], ["name", name]])}`;
}

/** The names for a zip of entries; none for all of the folder. @param {readonly Entry[]} entries @param {number} available */
function archiveNames(entries, available) {
  const isAll = entries.length === available && entries.every(({ folder = "" }) => folder === "");
  return isAll ? [] : entries.map((entry) => ["name", pathOf(entry)]);
}

/** @param {readonly Entry[]} entries */
export function downloadZip(entries) {
  const names = archiveNames(entries, store.state.folder.entries.length);
  const url = `?${new URLSearchParams([["archive", "zip"], ...names])}`;
  if (url.length + location.pathname.length > MAX_URL) return sendNames(names);
  const link = document.body.appendChild(h("a", { href: url, download: true, hidden: true })); // listeners hear its click
  link.click();
  link.remove();
}

/**
 * Requests a zip by a form, whose length is not that of a URL. What comes instead of a download is shown in a frame that
 * nobody sees, and its sentence as a message.
 *
 * @param {readonly (readonly string[])[]} names
 */
async function sendNames(names) {
  if (!await isLoggedIn()) return;
  document.querySelector("iframe[name=download]")?.remove();
  const frame = h("iframe", { name: "download", hidden: true });
  const fields = names.map(([name, value]) => h("input", { type: "hidden", name, value }));
  const form = h("form", { method: "post", action: "?archive=zip", target: "download", hidden: true }, fields);
  document.body.append(frame, form);
  frame.addEventListener("load", () => {
    const problem = frame.contentDocument?.querySelector("strong")?.textContent;
    if (problem) toast(problem, "failed");
  });
  form.submit();
  form.remove();
}

/** @param {readonly Entry[] | null} entries Null for the directory. */
export async function openShareLinks(entries) {
  const links = await loaded(() => import("./share_links.js"));
  links?.openShareLinks(entries, can);
}

/** @param {Entry} entry */
async function openDetails(entry) {
  (await loaded(() => import("./facts.js")))?.openDetails(entry);
}

/** @param {Entry} entry */
async function openChecksum(entry) {
  (await loaded(() => import("./facts.js")))?.openChecksum(entry);
}
