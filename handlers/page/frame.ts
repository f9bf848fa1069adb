/**
 * The frame shared by all pages: the document, the style sheet, and the Content Security Policy.
 *
 * @module
 */

import css from "./page.css" with { type: "text" };
import scriptedCss from "./scripted.css" with { type: "text" };
import { escapeHtml } from "../http/escape.ts";

import { plainName } from "./names.ts";
import { minified, policyHash } from "./inlined.ts";
import type { PageScript } from "./script.ts";

/** The style sheets, minified: they are inlined in every page. */
const STYLE = minified(css);
const SCRIPTED_STYLE = STYLE + minified(scriptedCss);

// Awaited once, when the module is loaded: hashing a few kilobytes finishes before the socket is open.
const [STYLE_HASH, SCRIPTED_STYLE_HASH] = [await policyHash(STYLE), await policyHash(SCRIPTED_STYLE)];

/**
 * The headers of a page. The policy allows the inlined style sheet and nothing else, no script in particular, so that
 * even a name that got past escaping would only be text (GHSA-32fx-h446-h8pf and the like).
 */
export const PAGE_HEADERS: Readonly<Record<string, string>> = headersOf(plainPolicy("'none'"));

/** The same for pages with forms, which may only be submitted to this server. */
export const FORM_HEADERS: Readonly<Record<string, string>> = headersOf(plainPolicy("'self'"));

function plainPolicy(formAction: string): readonly string[] {
  return [
    "default-src 'none'",
    `style-src '${STYLE_HASH}'`,
    "img-src data:",
    "base-uri 'none'",
    `form-action ${formAction}`,
    "frame-ancestors 'self'",
  ];
}

/**
 * The headers of a page with a script. The script is allowed by its hash, and it may load others (`strict-dynamic`),
 * which markup cannot, not even that of a served file. Previews load from this server only, and nothing is sent
 * elsewhere. Trusted Types keep strings from becoming markup or script URLs.
 */
export function scriptedHeaders(script: PageScript): Readonly<Record<string, string>> {
  return headersOf([
    "default-src 'none'",
    `script-src '${script.hash}' 'strict-dynamic'`,
    // The page for an upload link has a script, and the plain style.
    `style-src '${SCRIPTED_STYLE_HASH}' '${STYLE_HASH}'`,
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

/** A complete document from a title (plain text) and a body (escaped HTML). */
export function page(title: string, body: string): string {
  return pageStart(title) + body + PAGE_END;
}

/** A page script and the abilities it may offer. */
export interface Scripted {
  /** The inline script that starts it. */
  readonly script: PageScript;
  /** Abilities of the server. */
  readonly can: readonly string[];
  /** The directory's path as seen by the server, for the Destination header: a proxy may have removed a prefix. */
  readonly path: string;
}

/** Everything before the body, for streamed pages. */
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
<style>${scripted === null ? STYLE : SCRIPTED_STYLE}</style>
${script}</head>
<body>
`;
}

/** Everything after the body. */
export const PAGE_END = `
</body>
</html>
`;
