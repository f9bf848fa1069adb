/**
 * What all pages have in common: the document around the content, the style, and the headers that allow nothing else.
 *
 * @module
 */

import css from "./page.css" with { type: "text" };
import { escapeHtml } from "../http/escape.ts";
import { plainName } from "./names.ts";

// Awaited once, when the module is loaded: the digest of a few kilobytes is ready before the socket is.
const cssHash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(css))).toBase64();

/**
 * The headers of a page: a policy under which the style in it works and nothing else, no script least of all, so that
 * even a name that got past escaping would be only text (GHSA-32fx-h446-h8pf and its relatives).
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": [
    "default-src 'none'",
    `style-src 'sha256-${cssHash}'`,
    "img-src data:",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'self'",
  ].join("; "),
  "referrer-policy": "same-origin",
};

/** A whole document of a title (plain text) and a body (HTML, already escaped). */
export function page(title: string, body: string): string {
  return pageStart(title) + body + PAGE_END;
}

/** What stands in front of the body, for pages that are sent while they are made. */
export function pageStart(title: string): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(plainName(title))}</title>
<link rel="icon" href="data:,">
<style>${css}</style>
</head>
<body>
`;
}

/** What stands behind the body. */
export const PAGE_END = `
</body>
</html>
`;
