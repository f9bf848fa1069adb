/**
 * The page of an error: which status, in words, and where to go from here.
 *
 * @module
 */

import { escapeHtml } from "../http/escape.ts";
import { page, PAGE_HEADERS } from "./frame.ts";

export { PAGE_HEADERS };

/** Renders an error as a whole HTML document; `message` and `details` are plain text. */
export function errorPage(status: number, phrase: string, message: string, details = ""): string {
  const title = `${status} ${phrase}`;
  return page(
    title,
    `<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(message)}.</p>
${details === "" ? "" : `<pre>${escapeHtml(details)}</pre>\n`}<p class="hint"><a href="/">Go to the start page</a></p>`,
  );
}
