/**
 * The error page: the status, an explanation, what to do about it, and links.
 *
 * @module
 */

import { escapeHtml, showUnseen } from "../http/escape.ts";
import { page, PAGE_HEADERS } from "./frame.ts";

export { PAGE_HEADERS };

/** Advice to the reader, by status; it reveals nothing beyond the status. */
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

/** The content of an error page, as plain text. */
export interface ErrorPage {
  readonly status: number;
  /** The reason phrase. */
  readonly phrase: string;
  readonly message: string;
  readonly details: string;
  /** URL of the start page, relative to this page. */
  readonly start: string;
}

/** Renders an error as a complete HTML document. */
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
