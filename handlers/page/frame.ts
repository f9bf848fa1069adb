/**
 * What all pages have in common: the document around the content, the style, and the headers that allow nothing else.
 *
 * @module
 */

import css from "./page.css" with { type: "text" };
import { escapeHtml } from "../http/escape.ts";
import { plainName } from "./names.ts";
import type { PageScript } from "./script.ts";

/** The style without what is there for its readers: it is a part of every page. */
const STYLE = css.replace(/\/\*[^*]*\*\//g, "").split("\n").map((line) => line.trim()).join("");

// Awaited once, when the module is loaded: the digest of a few kilobytes is ready before the socket is.
const styleHash = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(STYLE))).toBase64();

/**
 * The headers of a page: a policy under which the style in it works and nothing else, no script least of all, so that
 * even a name that got past escaping would be only text (GHSA-32fx-h446-h8pf and its relatives).
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = headersOf(plainPolicy("'none'"));

/** The same for a page with forms, which are sent to this server only. */
export const FORM_HEADERS: Readonly<Record<string, string>> = headersOf(plainPolicy("'self'"));

function plainPolicy(formAction: string): readonly string[] {
  return [
    "default-src 'none'",
    `style-src 'sha256-${styleHash}'`,
    "img-src data:",
    "base-uri 'none'",
    `form-action ${formAction}`,
    "frame-ancestors 'self'",
  ];
}

/**
 * The headers of a page with a script: it runs by its hash and what it loads by its leave, which no markup can give, be
 * it that of a file beside it. What is shown of files comes from here, and nothing is sent elsewhere. No text becomes
 * markup or the address of a script (Trusted Types).
 */
export function scriptedHeaders(script: PageScript): Readonly<Record<string, string>> {
  return headersOf([
    "default-src 'none'",
    `script-src '${script.hash}' 'strict-dynamic'`,
    `style-src 'sha256-${styleHash}'`,
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "frame-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'self'",
    "require-trusted-types-for 'script'",
    "trusted-types pyserve",
  ]);
}

function headersOf(policy: readonly string[]): Readonly<Record<string, string>> {
  return { "content-security-policy": policy.join("; "), "referrer-policy": "same-origin" };
}

/** A whole document of a title (plain text) and a body (HTML, already escaped). */
export function page(title: string, body: string): string {
  return pageStart(title) + body + PAGE_END;
}

/** A script for a page, and what it may offer. */
export interface Scripted {
  /** What starts it. */
  readonly script: PageScript;
  /** The abilities of the server. */
  readonly can: readonly string[];
  /** The path of the directory as the server sees it, which a proxy may have taken a prefix off: for Destination. */
  readonly path: string;
}

/** What stands in front of the body, for pages that are sent while they are made. */
export function pageStart(title: string, scripted: Scripted | null = null): string {
  const data = scripted === null
    ? ""
    : ` data-can="${escapeHtml(scripted.can.join(" "))}" data-path="${escapeHtml(scripted.path)}"`;
  const script = scripted === null ? "" : `<script>${scripted.script.text}</script>\n`;
  return `<!DOCTYPE html>
<html lang="en"${data}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${escapeHtml(plainName(title))}</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
${script}</head>
<body>
`;
}

/** What stands behind the body. */
export const PAGE_END = `
</body>
</html>
`;
