/**
 * Escaping at the point of output: one function each for HTML, URL path segments, header values and log lines.
 *
 * @module
 */

const HTML_ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/**
 * Escapes text for HTML, both between tags and inside a quoted attribute.
 *
 * Does not make text safe inside `<script>`, `<style>` or an unquoted attribute.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { escapeHtml } from "@x/pyserve";
 *
 * assert(escapeHtml(`<a href="x">`) === "&lt;a href=&quot;x&quot;&gt;");
 * ```
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => HTML_ESCAPES[character]!);
}

/**
 * Percent-encodes one path segment: all but `A-Z a-z 0-9 - . _ ~` (RFC 3986 section 2.3), upper-case, as UTF-8.
 *
 * So `:` cannot make a scheme, `//` cannot name a host, and the result needs no HTML escaping. Half a surrogate pair,
 * which no URL can hold, becomes U+FFFD.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeSegment } from "@x/pyserve";
 *
 * assert(encodeSegment("javascript:a b") === "javascript%3Aa%20b");
 * ```
 */
export function encodeSegment(name: string): string {
  if (/^[\w.~-]*$/.test(name)) return name; // most names, in a fifth of the time
  return encodeURIComponent(name.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => "%" + character.charCodeAt(0).toString(16).toUpperCase(),
  );
}

/**
 * Makes a URL that was built from parts fit for a header such as Location: every character outside printable ASCII is
 * percent-encoded, as UTF-8, so no control character and no Latin-1 byte can get into the header.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { encodeHeaderUrl } from "@x/pyserve";
 *
 * assert(encodeHeaderUrl("/a/?q=\r\nx") === "/a/?q=%0D%0Ax");
 * ```
 */
export function encodeHeaderUrl(url: string): string {
  // deno-lint-ignore no-control-regex
  return url.replace(/[\x00-\x20"<>\\^`{|}\x7f]/g, percentByte).replace(
    /[^\x21-\x7e]+/g,
    (text) => encodeURIComponent(text.toWellFormed()),
  );
}

function percentByte(character: string): string {
  return "%" + character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}

/**
 * Controls, line and paragraph separators, halves of surrogate pairs, and the format characters, the bidirectional controls
 * among them: they show nothing themselves, and change how the text around them is shown.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** Most text: printable ASCII without a backslash. */
const PLAIN = /^[\x20-\x5b\x5d-\x7e]*$/;

/**
 * Escapes text for a log line as Python's http.server does (gh-100001): U+0000-001F and U+007F-009F become `\xHH`, the
 * backslash is doubled. So do, as `\uHHHH`, the characters by which text is shown in another order or not at all
 * (CVE-2021-42574): a line stays a line and reads as it is, and no terminal takes a command from it.
 *
 * Quotes stay as they are; {@linkcode escapeLogQuoted} escapes them too.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { escapeLog } from "@x/pyserve";
 *
 * assert(escapeLog("a\x1b[2J\\") === "a\\x1b[2J\\\\" && escapeLog("\u202etxt.exe") === "\\u202etxt.exe");
 * ```
 */
export function escapeLog(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll("\\", "\\\\").replace(UNSEEN, byNumber);
}

/**
 * Shows by its number what cannot be seen in text of several lines; line ends, tabs and backslashes stay as they are.
 *
 * For plain text that is read as it is, such as what a program wrote before it failed. It is no escaping for HTML.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { showUnseen } from "@x/pyserve";
 *
 * assert(showUnseen("a\n\u202eb") === "a\n\\u202eb");
 * ```
 */
export function showUnseen(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(
    UNSEEN,
    (character) => character === "\n" || character === "\t" ? character : byNumber(character),
  );
}

/**
 * Escapes in JSON what cannot be seen in it: it means the same, and can be shown on a terminal.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { escapeJson } from "@x/pyserve";
 *
 * assert(escapeJson(JSON.stringify("\u202e")) === '"\\u202e"');
 * ```
 */
export function escapeJson(json: string): string {
  return json.replace(UNSEEN, (character) => {
    if (character === "\n" || character === "\t") return character; // between tokens; in strings they are escaped
    return character.split("").map((unit) => "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0")).join("");
  });
}

/**
 * The same as {@linkcode escapeLog} for text that stands between double quotes, as in the Common Log Format: `"` becomes
 * `\"`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { escapeLogQuoted } from "@x/pyserve";
 *
 * assert(escapeLogQuoted('say "hi"') === 'say \\"hi\\"');
 * ```
 */
export function escapeLogQuoted(text: string): string {
  return escapeLog(text).replaceAll('"', '\\"');
}

function byNumber(character: string): string {
  const code = character.codePointAt(0)!;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, "0")}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, "0")}` : `\\U${hex.padStart(8, "0")}`;
}
