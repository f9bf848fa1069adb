/**
 * Renders the page of search results.
 *
 * @module
 */

import { escapeHtml } from "../http/escape.ts";
import type { Found, SearchEnd, SearchHead, SearchTail } from "./results.ts";

import { PAGE_END, pageStart } from "../page/frame.ts";
import { searchForm, sizeHtml } from "../page/listing_page.ts";
import { nameHtml } from "../page/names.ts";

/** The page up to the first row. */
export function searchPageStart({ path, query }: SearchHead): string {
  return `${pageStart(`Search for ${query} in ${path}`)}<h1>Search for <bdi>${
    nameHtml(query)
  }</bdi> in <a href="./"><bdi>${nameHtml(path)}</bdi></a></h1>
${searchForm(query)}<table>
<thead><tr><th scope="col">Name</th><th scope="col" class="size">Size</th><th scope="col" class="date">Modified (UTC)</th></tr></thead>
<tbody>
`;
}

/** The row of a result. */
export function resultRow({ path, href, kind, size, modified }: Found): string {
  const link = `<a href="${escapeHtml(href!)}"><bdi>${nameHtml(path)}${kind === "directory" ? "/" : ""}</bdi></a>`;
  const bytes = size === null ? "" : sizeHtml(size);
  const date = modified === null
    ? ""
    : `<time datetime="${modified}">${modified.replace(/T(\d\d:\d\d).*/, " $1")}</time>`;
  return `<tr><th scope="row">${link}</th><td class="size">${bytes}</td><td class="date">${date}</td></tr>\n`;
}

const NOTES: Readonly<Record<SearchEnd, string>> = {
  complete: "",
  results: "There are more results: refine your search.",
  directories: "There are too many directories to search them all: search in one of them.",
  time: "The search took too long and is incomplete: search in one of the directories.",
};

/** The page after the last row. */
export function searchPageEnd({ count, end }: SearchTail): string {
  const found = count === 0 ? "Nothing found." : `${count} found.`;
  return `</tbody>
</table>
<p class="hint">${found} ${NOTES[end]}</p>
<footer><a href="./">Back to the directory</a></footer>${PAGE_END}`;
}
