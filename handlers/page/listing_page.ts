/**
 * Renders the page of a directory. It works without JavaScript and prints well.
 *
 * @module
 */

import { encodeSegment, escapeHtml } from "../http/escape.ts";
import type { Visitor } from "../core/internals.ts";
import { isoDate, shownDate } from "../serving/iso_date.ts";
import type { ListingHead, ListingTotals, SortKey } from "../serving/listing_data.ts";
import type { FileEntry } from "../sources/types.ts";
import { FORM_HEADERS, PAGE_END, pageStart, type Scripted, scriptedHeaders } from "./frame.ts";
import { nameHtml } from "./names.ts";
import { scriptAt } from "./script.ts";

/** Where a page of a directory is, and for whom. */
export interface PagePlace {
  /** Number of directories above this one, up to the root of the site. */
  readonly depth: number;
  /** Number of directories above this one that the client can read, and that are therefore linked. */
  readonly above: number;
  /** What the page shows about the client. */
  readonly visitor: Visitor | null;
}

/** The headers of the page of a directory. */
export function listingPageHeaders(head: ListingHead, { depth }: PagePlace): Readonly<Record<string, string>> {
  const scripted = scriptedOf(head, depth);
  return scripted ? scriptedHeaders(scripted.script) : FORM_HEADERS;
}

function scriptedOf({ can, path }: ListingHead, depth: number): Scripted | null {
  const script = can ? scriptAt(depth) : null;
  return script && { script, can: can!, path: path.split("/").map(encodeSegment).join("/") };
}

/** The page up to the first row: everything that does not depend on the entries. */
export function listingPageStart(head: ListingHead, { depth, above, visitor }: PagePlace): string {
  const path = pathWithoutToken(head.path, visitor);
  const title = `Directory listing for ${path}`;
  return `${pageStart(title, scriptedOf(head, depth))}<header>
<h1>${breadcrumbs(path, above)}</h1>
${visitor?.hasLogin ? account(visitor.name, head, depth) : ""}</header>
<main>
<table>
<thead><tr>${column(head, "name", "Name")}${column(head, "size", "Size")}${
    column(head, "modified", "Modified (UTC)")
  }</tr></thead>
<tbody>
${above > 0 ? parentRow : ""}`;
}

/** The page after the last row. */
export function listingPageEnd(count: number, totals: ListingTotals, can: readonly string[] = []): string {
  const empty = count === 0 ? '<p class="hint">This directory is empty.</p>\n' : "";
  const archive = can.includes("archive") && count > 0 ? [button("archive", "zip", "Zip")] : [];
  const manage = can.includes("delete") && count > 0 ? [button("manage", "", "Rename or delete")] : [];
  const forms = [...manage, ...archive, button("format", "json", "JSON"), button("format", "text", "Text")].join(" · ");
  return `</tbody>
</table>
${empty}${can.includes("search") ? searchForm() : ""}${can.includes("upload") ? uploadForm(can) : ""}</main>
<footer>${totalsText(totals)}<form> · ${forms}</form></footer>${PAGE_END}`;
}

/**
 * Links to the same listing in another order, or to an archive of it, are buttons: crawlers follow links but do not
 * submit forms, so a mirror of the site contains each file once.
 */
function button(name: string, value: string, label: string): string {
  return `<button name="${name}" value="${value}">${label}</button>`;
}

/** The search field, which works without JavaScript. */
export function searchForm(query = ""): string {
  return `<form class="hint"><label>Search here and below <input type="search" name="q" value="${
    escapeHtml(query)
  }" required></label>
<button>Search</button></form>
`;
}

/** Uploads without JavaScript. The choice applies to the files after it. */
function uploadForm(can: readonly string[]): string {
  const overwrite = can.includes("delete") ? '<option value="overwrite">Replace the old file' : "";
  return `<form class="hint" method="post" enctype="multipart/form-data">
<label>If a name is taken <select name="on-conflict"><option value="">(default)<option value="rename">Keep both${overwrite}
<option value="fail">Keep the old file</select></label><br>
<label>Upload files <input type="file" name="file" multiple required></label> <button>Upload</button></form>
`;
}

const parentRow = '<tr class="parent"><th scope="row"><a href="../">../</a></th><td></td><td></td></tr>\n';

/** The path without the token of a share, which is as good as a password. */
function pathWithoutToken(path: string, visitor: Visitor | null): string {
  return visitor === null ? path : "/" + path.split("/").slice(1 + visitor.hidden).join("/");
}

/** Who has logged in, what they can share, and the way out; or the way in. */
function account(name: string | null, { path, can }: ListingHead, depth: number): string {
  const own = `${"../".repeat(depth)}.pyserve/`;
  const here = encodeURIComponent("/" + path.split("/").slice(-1 - depth).map(encodeSegment).join("/"));
  if (name === null) {
    return `<p class="account"><a href="${own}login?to=${here}">Log in</a></p>\n`;
  }
  const upload = can?.includes("upload") ? "&amp;upload" : "";
  const share = can?.includes("share") ? `<a href="${own}shares?path=${here}${upload}">Share …</a> ` : "";
  return `<form class="account" method="post" action="${own}logout">${share}<bdi>${nameHtml(name)}</bdi> ` +
    `<button>Log out</button></form>\n`;
}

/** The path as links; directories that the client cannot read, or above a mount, are not linked. */
function breadcrumbs(path: string, above: number): string {
  const names = path.split("/").slice(1, -1);
  const crumbs = ["", ...names].map((name, index) => {
    const up = names.length - index;
    const text = `<bdi>${nameHtml(name)}/</bdi>`;
    return up === 0 || up > above ? text : `<a href="${"../".repeat(up)}">${text}</a>`;
  });
  return `<span class="prefix">Directory listing for </span>${crumbs.join("")}`;
}

const CLASS: Readonly<Record<SortKey, string>> = { name: "name", size: "size", modified: "date" };

/** A column header: sorts by the column, or reverses the order if it is the current one. */
function column({ sort, order }: ListingHead, key: SortKey, label: string): string {
  const sorted = sort === key;
  const next = sorted ? (order === "asc" ? "desc" : "asc") : key === "name" ? "asc" : "desc";
  const state = sorted ? ` aria-sort="${order === "asc" ? "ascending" : "descending"}"` : "";
  const mark = sorted ? `<span aria-hidden="true"> ${order === "asc" ? "▲" : "▼"}</span>` : "";
  const form = `<form><input type="hidden" name="sort" value="${key}">${button("order", next, label)}</form>`;
  return `<th scope="col" class="${CLASS[key]}"${state}>${form}${mark}</th>`;
}

/** Names that are the same as HTML and in a URL. */
const PLAIN_NAME = /^[\w.~-]*$/;

/**
 * The row of an entry. Literals are as long as possible, because the time that a page takes depends on the number of
 * its pieces rather than on its length.
 */
export function listingRow(entry: FileEntry): string {
  const { stat } = entry;
  return nameCell(entry) + (stat?.kind === "file" ? sizeCell(stat.size) : EMPTY_CELL) +
    dateCell(stat?.modified ?? null);
}

function nameCell({ name, stat, link, problem }: FileEntry): string {
  const isPlain = PLAIN_NAME.test(name);
  const shown = isPlain ? name : nameHtml(name);
  const slash = stat?.kind === "directory" ? "/" : "";
  const mark = link ? "@" : slash;
  if (problem !== null) {
    return `<tr><th scope="row"><bdi>${shown}${mark}</bdi> <span class="problem">${escapeHtml(problem)}</span></th>`;
  }
  const href = isPlain ? name : encodeSegment(name); // needs no escaping
  return `<tr><th scope="row"><a href="${href}${slash}"><bdi>${shown}${mark}</bdi></a></th>`;
}

const EMPTY_CELL = '<td class="size"></td>';

function sizeCell(bytes: number): string {
  const [unit, shown] = [bytes === 1 ? "byte" : "bytes", formatSize(bytes)];
  return `<td class="size"><span title="${bytes} ${unit}">${shown}</span></td>`;
}

function dateCell(modified: number | null): string {
  const iso = isoDate(modified);
  if (iso === null) return '<td class="date"></td></tr>\n';
  return `<td class="date"><time datetime="${iso}">${shownDate(modified!)}</time></td></tr>\n`;
}

function totalsText({ directories, files, bytes }: ListingTotals): string {
  return `${count(directories, "directory", "directories")}, ${count(files, "file", "files")}, ${formatSize(bytes)}`;
}

/** A size in the table, with the exact number of bytes as its tooltip. */
export function sizeHtml(bytes: number): string {
  return `<span title="${count(bytes, "byte", "bytes")}">${formatSize(bytes)}</span>`;
}

function count(number: number, one: string, many: string): string {
  return `${number} ${number === 1 ? one : many}`;
}

/** A human-readable size in powers of 1024 with three digits: `999 B`, `1.5 KiB`, `12 MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 999.5) return `${Math.round(bytes)} B`;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
  return `${size.toFixed(digits).replace(/\.0+$/, "")} ${units[unit]}`;
}
