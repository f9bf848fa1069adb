/** The entries of a directory: read from the rows that the server wrote, or from the same as JSON. */

/**
 * @typedef {object} Entry
 * @property {string} name
 * @property {string | null} href Relative to the page; null where it cannot be fetched.
 * @property {"file" | "directory" | "other" | "unknown"} kind
 * @property {number | null} size
 * @property {number | null} modified Milliseconds since 1970.
 * @property {boolean} link
 * @property {string | null} problem
 * @property {number} rank Its place by name; directories are counted by themselves, so that it orders only equals.
 * @property {string} [folder] Where a search found it, below the page, with a slash at the end.
 * @property {string} [folded] Its name as it is compared, once that was asked for.
 */

/** @typedef {Pick<import("./entries.js").Entry, "name" | "href" | "kind" | "size" | "link" | "problem"> & { modified: string | null }} JsonEntry An entry as the server sends it. */

/**
 * @param {HTMLTableRowElement} row
 * @param {number} rank
 * @returns {Entry | null} null for the row that leads up.
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
 * The directory as it is now.
 *
 * @returns {Promise<Entry[]>}
 */
export async function fetchEntries() {
  const response = await fetch("?format=json", { headers: { accept: "application/json" }, cache: "no-cache" });
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  /** @type {{ entries: JsonEntry[] }} */
  const { entries } = await response.json();
  return entries.map(entryOfJson);
}

/**
 * Takes the rows of the server, also while they still come, and lets go of their elements: a hundred thousand of them
 * laid out would take seconds.
 *
 * @param {HTMLTableSectionElement} body
 * @param {(entries: Entry[]) => void} take Called with the next ones, as they come.
 * @returns {Promise<void>} Ends with the last one.
 */
export async function harvest(body, take) {
  let rank = 0;
  const rows = body.rows;
  for (;;) {
    const isLast = document.readyState !== "loading";
    const entries = [];
    const range = document.createRange();
    // While the parser is at work, the last row may not be whole.
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

/** Waits until the parser has had its turn; also in a tab that nobody looks at, where no frame is painted. */
function nextTurn() {
  return new Promise((resolve) => setTimeout(resolve, 30));
}
