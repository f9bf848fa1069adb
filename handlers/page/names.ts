/**
 * Displays names safely: invisible and bidirectional control characters are shown as code points.
 *
 * @module
 */

import { escapeHtml } from "../http/escape.ts";

/**
 * C0, DEL and C1 controls, line and paragraph separators, bidirectional controls, and invisible characters. Not the
 * joiners U+200C and U+200D, which some scripts and emoji need.
 */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** A name as plain text, for titles: `a\n` becomes `a<U+000A>`. */
export function plainName(name: string): string {
  return name.replace(UNSEEN, (character) => `<${codePoint(character)}>`);
}

/** A name as escaped HTML, with boxes around code points. */
export function nameHtml(name: string): string {
  if (/^[\w .~-]*$/.test(name)) return name; // fast path for most names: a fifth of the time
  return escapeHtml(name).replace(UNSEEN, (character) => `<span class="odd">${codePoint(character)}</span>`);
}

function codePoint(character: string): string {
  return "U+" + character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0");
}
