/**
 * The page of an error: which status, in words, what can be done about it, and where to go from here.
 *
 * @module
 */

import { escapeHtml, showUnseen } from "../http/escape.ts";
import { page, PAGE_HEADERS } from "./frame.ts";

export { PAGE_HEADERS };

/** What whoever reads the page can do, by status; it says nothing that the status does not. */
const ADVICE: Readonly<Record<number, string>> = {
  400: "There is a mistake in the address, or in the program that sent it.",
  403: "Ask whoever runs this server to allow it.",
  404: "It may have been moved or renamed, or the address may be mistyped.",
  405: "This server, or this address, does not do that.",
  409: "What is there is not as you saw it last: reload the page, and look again.",
  412: "What is there is not as you saw it last: reload the page, and look again.",
  413: "Try less at once, or ask whoever runs this server.",
  429: "Wait a moment, and try again.",
  500: "The fault is not yours. Whoever runs this server can find the cause in its log.",
  503: "Wait a moment, and try again.",
  507: "The disk of this server is full. Whoever runs it has to free some space.",
};

/** What an error page says; all of it is plain text. */
export interface ErrorPage {
  readonly status: number;
  /** The standard phrase of the status. */
  readonly phrase: string;
  readonly message: string;
  readonly details: string;
  /** The address of the start page, relative to that of this page. */
  readonly start: string;
}

/** Renders an error as a whole HTML document. */
export function errorPage({ status, phrase, message, details, start }: ErrorPage): string {
  const title = `${status} ${phrase}`;
  const advice = ADVICE[status] === undefined ? "" : `<p>${ADVICE[status]}</p>\n`;
  return page(
    title,
    `<main>
<h1>${escapeHtml(title)}</h1>
<div class="hint">
<p><strong>${escapeHtml(showUnseen(message))}.</strong></p>
${advice}<p><a href="${escapeHtml(start)}">Go to the start page</a></p>
${details === "" ? "" : `<pre>${escapeHtml(showUnseen(details))}</pre>\n`}</div>
</main>`,
  );
}
