/** The entries of a directory, read from the server's table rows or from its JSON. */

import { request } from "./login.js";

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string | null} href Relative to the page; null if it cannot be fetched.
 * @property {"file" | "directory" | "other" | "unknown"} kind
 * @property {number | null} size
 * @property {number | null} modified Milliseconds since 1970.
 * @property {boolean} link
 * @property {string | null} problem
 * @property {number} rank Position by name, counted separately for directories: it only breaks ties.
 * @property {string} [folder] The folder of a search result, relative to the page, with a trailing slash.
 * @property {string} [folded] Its name folded for comparison, computed on demand.
 */

/** @typedef {Pick<import("./entries.js").Entry, "name" | "href" | "kind" | "size" | "link" | "problem"> & { modified: string | null }} JsonEntry An entry as the server sends it. */

/**
 * @param {HTMLTableRowElement} row
 * @param {number} rank
 * @returns {Entry | null} null for the parent directory's row.
 */
export function entryOfRow(row, rank) {
  const [first, second, third] = row.cells;
  const link = first?.querySelector("a");
  const href = link?.getAttribute("href") ?? null;
  if (!first || href === "../") return null;
  const shown = first.querySelector("bdi")?.textContent ?? "";
  const isDirectory = href?.endsWith("/") ?? false;
  const name = href === null ? shown.replace(/[@/]$/, "") : nameOf(href);
  const bytes = second?.querySelector("span")?.title;
  const date = third?.querySelector("time")?.dateTime;
  return {
    name,
    href,
    kind: isDirectory ? "directory" : href !== null || bytes ? "file" : "unknown",
    size: bytes ? parseInt(bytes) : null,
    modified: date ? Date.parse(date) : null,
    link: shown.endsWith("@") && (!name.endsWith("@") || shown.endsWith("@@")),
    problem: first.querySelector(".problem")?.textContent ?? null,
    rank,
  };
}

/** @param {string} href */
export function nameOf(href) {
  return decodeURIComponent(href.replace(/\/$/, "").replace(/^.*\//, ""));
}

/**
 * @param {JsonEntry} entry
 * @param {number} rank
 * @returns {Entry}
 */
export function entryOfJson({ name, href, kind, size, modified, link, problem }, rank) {
  return { name, href, kind, size, modified: modified === null ? null : Date.parse(modified), link, problem, rank };
}

/**
 * The current entries of the directory.
 *
 * @returns {Promise<Entry[]>}
 */
export async function fetchEntries() {
  const response = await request("?format=json", { headers: { accept: "application/json" }, cache: "no-cache" });
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  /** @type {{ entries: JsonEntry[] }} */
  const { entries } = await response.json();
  return entries.map(entryOfJson);
}

/**
 * Takes the rows of the server, while they still arrive, and drops their elements: laying out a hundred thousand of
 * them would take seconds.
 *
 * @param {HTMLTableSectionElement} body
 * @param {(entries: Entry[]) => void} take Called with each batch.
 * @returns {Promise<void>} Resolves after the last batch.
 */
export async function harvest(body, take) {
  let rank = 0;
  const rows = body.rows;
  for (;;) {
    const isLast = document.readyState !== "loading";
    const entries = [];
    const range = document.createRange();
    // While the parser is running, the last row may be incomplete.
    const end = isLast ? rows.length : rows.length - 1;
    for (const row of [...rows].slice(0, end)) {
      const entry = entryOfRow(row, rank);
      if (entry) {
        entries.push(entry);
        rank += 1;
      }
    }
    if (end > 0) {
      range.setStartBefore(/** @type {Node} */ (rows[0]));
      range.setEndAfter(/** @type {Node} */ (rows[end - 1]));
      range.deleteContents();
      take(entries);
    }
    if (isLast) return;
    await nextTurn();
  }
}

/** Lets the parser run; works in a background tab too, which gets no animation frames. */
function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 30));
}
