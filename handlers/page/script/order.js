/** The order of entries and its representation in the URL. */

/** @typedef {import("./entries.js").Entry} Entry */
/** @typedef {"name" | "size" | "modified"} SortKey */
/** @typedef {{ sort: SortKey, order: "asc" | "desc" }} Order */

/** @type {readonly SortKey[]} */
const KEYS = ["name", "size", "modified"];

/**
 * The order in a URL; the server uses the same parameters.
 *
 * @param {string} search
 * @returns {Order}
 */
export function orderOf(search) {
  const query = new URLSearchParams(search);
  return {
    sort: KEYS.find((key) => key === query.get("sort")) ?? "name",
    order: query.get("order") === "desc" ? "desc" : "asc",
  };
}

/**
 * The query string with another order and everything else unchanged.
 *
 * @param {string} search
 * @param {Order} order
 */
export function searchWith(search, { sort, order }) {
  const query = new URLSearchParams(search);
  query.delete("sort");
  query.delete("order");
  if (sort !== "name" || order !== "asc") {
    query.set("sort", sort);
    query.set("order", order);
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

/**
 * The order after a click on a column header: names ascending, sizes and dates descending; a second click reverses it.
 *
 * @param {Order} now
 * @param {SortKey} key
 * @returns {Order}
 */
export function nextOrder(now, key) {
  if (now.sort === key) return { sort: key, order: now.order === "asc" ? "desc" : "asc" };
  return { sort: key, order: key === "name" ? "asc" : "desc" };
}

/**
 * The server's order: directories first, ties by name.
 *
 * @param {Order} order
 * @returns {(a: Entry, b: Entry) => number}
 */
export function entryOrder({ sort, order }) {
  const sign = order === "asc" ? 1 : -1;
  /** @param {Entry} a @param {Entry} b */
  const byKey = (a, b) => {
    if (sort === "name") return sign * (a.rank - b.rank);
    return sign * ((a[sort] ?? 0) - (b[sort] ?? 0)) || a.rank - b.rank;
  };
  return (a, b) => Number(b.kind === "directory") - Number(a.kind === "directory") || byKey(a, b);
}

const COLLATOR = new Intl.Collator("en", { numeric: true });

/**
 * The entries with their ranks by name, in natural order.
 *
 * @param {readonly Entry[]} entries
 */
export function ranked(entries) {
  const sorted = entries.toSorted((a, b) =>
    COLLATOR.compare(a.folder ?? "", b.folder ?? "") || COLLATOR.compare(a.name, b.name)
  );
  for (const [rank, entry] of sorted.entries()) entry.rank = rank;
  return [...entries];
}
