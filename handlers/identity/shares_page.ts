/**
 * The page `/.pyserve/shares`: makes share links, and lists and revokes those of a user. It works without JavaScript.
 *
 * @module
 */

import { escapeHtml, showUnseen } from "../http/escape.ts";
import { readablePath } from "../http/target.ts";
import { page } from "../page/frame.ts";
import type { ShareRecord } from "./share_records.ts";

/** A share as shown to its user. */
export interface ShownShare extends ShareRecord {
  /** The link, relative to the page. */
  readonly link: string;
}

/** What the page shows. */
export interface SharesPage {
  /** What to share, as URL paths; empty for only the list. */
  readonly paths: readonly string[];
  /** Whether to offer links for uploads. */
  readonly mayUpload: boolean;
  /** The share that was made just now, or null. */
  readonly made: ShownShare | null;
  /** The shares of the user. */
  readonly shares: readonly ShownShare[];
}

const RIGHTS: readonly (readonly [value: string, label: string])[] = [
  ["read", "Read"],
  ["read,upload", "Read and upload"],
  ["upload", "Upload only: shows nothing of what is there"],
];

const TIMES: readonly (readonly [value: string, label: string])[] = [
  ["1h", "An hour"],
  ["1d", "A day"],
  ["7d", "A week"],
  ["0", "Until revoked"],
];

/** Renders the page. */
export function sharesPage({ paths, mayUpload, made, shares }: SharesPage): string {
  return page(
    "Share links",
    `<main class="login wide">
<h1>Share links</h1>
${made === null ? "" : madePart(made)}${paths.length === 0 ? "" : form(paths, mayUpload)}${list(shares)}
<p class="hint"><a href="../">Start page</a></p>
</main>`,
  );
}

function madePart({ link, paths, rights, expires }: ShownShare): string {
  return `<section class="hint" aria-labelledby="made">
<h2 id="made">The link is ready</h2>
<p role="status">Whoever has it can ${rights.map(verb).join(" and ")} ${paths.map(pathHtml).join(", ")} ${
    until(expires)
  }, without an account.</p>
<p><a class="link" href="${escapeHtml(link)}">Open it, or copy its address</a></p>
</section>
`;
}

function form(paths: readonly string[], mayUpload: boolean): string {
  const rights = mayUpload ? RIGHTS : RIGHTS.slice(0, 1);
  return `<form class="hint" method="post" action="shares">
<p>Share ${paths.map(pathHtml).join(", ")} with people who have no account.</p>
${paths.map((path) => `<input type="hidden" name="path" value="${escapeHtml(path)}">`).join("\n")}
${choice("rights", "They may", rights, "read")}
${choice("for", "For", TIMES, "1d")}
<button>Make a link</button>
</form>
`;
}

function choice(name: string, legend: string, options: typeof RIGHTS, chosen: string): string {
  const radios = options.map(([value, label]) =>
    `<label><input type="radio" name="${name}" value="${value}"${value === chosen ? " checked" : ""}> ${label}</label>`
  );
  return `<fieldset><legend>${legend}</legend>${radios.join("\n")}</fieldset>`;
}

function list(shares: readonly ShownShare[]): string {
  if (shares.length === 0) return '<p class="hint">You have no share links.</p>\n';
  return `<h2 class="hint">Your links</h2>\n<ul class="shares">\n${shares.map(item).join("")}</ul>\n`;
}

function item({ id, paths, rights, expires, link }: ShownShare): string {
  const name = paths.map(pathHtml).join(", ");
  return `<li><form method="post" action="shares"><input type="hidden" name="revoke" value="${escapeHtml(id)}">` +
    `<p><a href="${escapeHtml(link)}">${name}</a><br>${rights.join(", ")} ${until(expires)}</p>` +
    `<button aria-label="Revoke the link to ${escapeHtml(paths.map(textOf).join(", "))}">Revoke</button></form></li>\n`;
}

function verb(right: string): string {
  return right === "upload" ? "upload to" : right;
}

function until(expires: number | null): string {
  if (expires === null) return "until it is revoked";
  const date = new Date(expires).toISOString();
  return `until <time datetime="${date}">${date.slice(0, 10)} ${date.slice(11, 16)} UTC</time>`;
}

function pathHtml(href: string): string {
  return `<bdi>${escapeHtml(textOf(href))}</bdi>`;
}

function textOf(href: string): string {
  const { text } = readablePath(href);
  return showUnseen(href.endsWith("/") && text !== "/" ? `${text}/` : text);
}
