/** Actions on an entry or on the selection. */

import { removeEntries, renameEntry } from "./deeds.js";
import { openDialog } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { pathOf } from "./entries.js";
import { isShown, kindOf } from "./kinds.js";
import { formatExact, formatSize } from "./format.js";
import { t, tn } from "./language.js";
import { isLoggedIn } from "./downloads.js";
import { loaded } from "./lazy.js";
import { request } from "./login.js";
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

/** What a row has no room for, such as the exact date. @param {Entry} entry */
function openDetails(entry) {
  const { size, modified } = entry;
  /** @type {[string, string | false][]} */
  const facts = [
    [t("Size"), size !== null && `${formatSize(size)} (${tn(size, "{n} byte", "{n} bytes")})`],
    [t("Modified"), modified !== null && formatExact(modified)],
    [t("Address"), urlOf(entry)],
  ];
  openDialog(t("Details"), [
    h("p", { class: "faint" }, h("bdi", {}, pathOf(entry))),
    h(
      "dl",
      { class: "details" },
      facts.flatMap(([name, value]) => value === false ? [] : [h("dt", {}, name), h("dd", {}, h("bdi", {}, value))]),
    ),
  ]);
}

/** @param {Entry} entry */
async function openChecksum(entry) {
  const value = h("output", {}, t("Computing …"));
  const dialog = openDialog("SHA-256", [
    h("p", { class: "faint" }, h("bdi", {}, entry.name)),
    h("p", { class: "sum" }, value),
  ]);
  const left = new AbortController();
  dialog.addEventListener("close", () => left.abort());
  try {
    const response = await request(`${entry.href}?sha256`, { headers: { accept: "text/plain" }, signal: left.signal });
    const sum = /\b[0-9a-f]{64}\b/.exec(await response.text())?.[0];
    if (!response.ok || !sum) throw new Error(t("The server answered {status}", { status: response.status }));
    value.textContent = sum;
    value.after(h("button", { type: "button", class: "button", onclick: () => copyText(sum) }, t("Copy")));
    value.after(compareField(sum));
  } catch (error) {
    if (!left.signal.aborted) {
      const reason = error instanceof Error ? error.message : String(error);
      value.textContent = t("Could not compute the checksum: {reason}", { reason });
    }
  }
}

/** A field to paste the published checksum into. @param {string} sum */
function compareField(sum) {
  const verdict = h("span", { role: "status" });
  const input = h("input", {
    placeholder: t("Paste a checksum to compare"),
    "aria-label": t("Checksum to compare with"),
    spellcheck: "false",
  });
  input.addEventListener("input", () => {
    const given = input.value.trim().toLowerCase();
    const same = given === sum;
    verdict.textContent = given === "" ? "" : same ? t("Match") : t("No match");
    verdict.className = same ? "good" : "bad";
  });
  return h("div", { class: "compare" }, input, verdict);
}
