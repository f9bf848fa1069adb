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
  400: "The address is invalid, or the program that sent it has an error.",
  403: "Ask the operator of this server for access.",
  404: "It may have been moved or renamed, or the address may be mistyped.",
  405: "It is not supported at this address.",
  409: "Go back, and choose another name or what to do if it is taken. If that is not it, reload the page.",
  412: "It has changed since you loaded the page: go back, reload it, then try again.",
  413: "Try something smaller, or ask the operator of this server.",
  429: "Wait a moment, and try again.",
  500: "This is an error of the server. Its operator can find the cause in the log.",
  503: "Wait a moment, and try again.",
  507: "The disk of this server is full. Its operator has to free some space.",
};

/** The same for those who have followed a share link: they do not know the operator. */
const ADVICE_OF_SHARE: Readonly<Record<number, string>> = {
  403: "The link does not permit it. Ask whoever sent you the link.",
  413: "Try something smaller.",
  500: "This is an error of the server. Tell whoever sent you the link.",
  507: "The disk of this server is full. Tell whoever sent you the link.",
};

/** The content of an error page, as plain text. */
export interface ErrorPage {
  readonly status: number;
  /** The reason phrase. */
  readonly phrase: string;
  readonly message: string;
  readonly details: string;
  /** URL of the start page, relative to this page; null for a share link that is not valid, which leads nowhere. */
  readonly start: string | null;
  /** Whether the page is a part of a share. */
  readonly isShared: boolean;
  /** URL of the page with the form that was sent, relative to this page; null if the request was no form. */
  readonly form: string | null;
}

/** Renders an error as a complete HTML document. */
export function errorPage({ status, phrase, message, details, start, isShared, form }: ErrorPage): string {
  const title = `${status} ${phrase}`;
  const text = isShared ? ADVICE_OF_SHARE[status] ?? ADVICE[status] : ADVICE[status];
  const advice = text === undefined || start === null ? "" : `<p>${text}</p>\n`;
  const back = form === null ? "" : `<p><a href="${escapeHtml(form)}">Go back to the directory</a></p>\n`;
  const link = start === null ? "" : `<p><a href="${escapeHtml(start)}">Go to the start page</a></p>\n`;
  return page(
    title,
    `<main>
<h1>${escapeHtml(title)}</h1>
<div class="hint">
<p><strong>${escapeHtml(showUnseen(message))}.</strong></p>
${advice}${back}${link}${details === "" ? "" : `<pre>${escapeHtml(showUnseen(details))}</pre>\n`}</div>
</main>`,
  );
}
