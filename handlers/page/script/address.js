/**
 * The address of what the page shows: the order in the query, as the server reads it, the search and the preview in the
 * fragment. Nothing here needs a browser.
 */

import { orderOf, searchWith } from "./order.js";

/** @typedef {import("./state.js").View} View */

/** The preview is last: the name of a file may contain an ampersand, but no number sign. Lines of the file may follow. */
const FRAGMENT = /^#(?:q=([^&]+)&?)?(?:preview=([^#]+)(#L\d{1,7}(?:-L\d{1,7})?)?)?$/s;

/**
 * What an address shows.
 *
 * @param {{ search: string, hash: string }} address
 * @returns {View}
 */
export function viewAt({ search, hash }) {
  const [, text, file, lines] = FRAGMENT.exec(hash) ?? [];
  return {
    order: orderOf(search),
    search: text === undefined ? null : decoded(text),
    preview: file ?? null,
    lines: lines ?? "",
  };
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * The address of a view of the directory at another address.
 *
 * @param {{ pathname: string, search: string }} place
 * @param {View} view
 */
export function addressOf({ pathname, search }, { order, search: text, preview, lines }) {
  const parts = [
    ...text === null ? [] : [`q=${encodeURIComponent(text.toWellFormed())}`],
    ...preview === null ? [] : [`preview=${preview}${lines}`],
  ];
  return pathname + searchWith(search, order) + (parts.length > 0 ? `#${parts.join("&")}` : "");
}

/** Whether two views show the same, in whatever order. @param {View} a @param {View} b */
export function showsSame(a, b) {
  return a.search === b.search && a.preview === b.preview;
}

/** How many layers a view has above the directory. @param {View} view */
export function depthOf({ search, preview }) {
  return Number(search !== null) + Number(preview !== null);
}
