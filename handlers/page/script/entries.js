/** The entries of a directory. */

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
  const name = href.replace(/\/$/, "").replace(/^.*\//, "");
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // of an address that was typed
  }
}

/**
 * @param {JsonEntry} entry
 * @param {number} rank
 * @returns {Entry}
 */
export function entryOfJson({ name, href, kind, size, modified, link, problem }, rank) {
  return { name, href, kind, size, modified: modified === null ? null : Date.parse(modified), link, problem, rank };
}

/** Identifies an entry, on the page and in its address: by where it is. @param {Entry} entry */
export function keyOf({ href, name }) {
  return href ?? `?${name}`; // a URL has no question mark here
}

/** @param {readonly Entry[]} entries */
export function keysOf(entries) {
  return new Set(entries.map(keyOf));
}

/** The folder of a search result and the name of the entry. @param {Pick<Entry, "folder" | "name">} entry */
export function pathOf({ folder = "", name }) {
  return folder + name;
}

/**
 * The entries, with the objects of those that have not changed: their rows stay.
 *
 * @param {readonly Entry[]} before
 * @param {readonly Entry[]} after
 */
export function merged(before, after) {
  const known = new Map(before.map((entry) => [keyOf(entry), entry]));
  return after.map((entry) => {
    const same = known.get(keyOf(entry));
    if (!same || !isSame(same, entry)) return entry;
    same.rank = entry.rank; // it is not shown
    return same;
  });
}

/** @param {Entry} a @param {Entry} b */
function isSame(a, b) {
  return a.name === b.name && a.kind === b.kind && a.size === b.size && a.modified === b.modified &&
    a.link === b.link && a.problem === b.problem;
}
