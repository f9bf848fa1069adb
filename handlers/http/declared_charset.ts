/**
 * Detects the encoding that a document declares in its first bytes (HTML, "prescan a byte stream to determine its
 * encoding"; CSS Syntax section 3.2).
 *
 * @module
 */

/** How many bytes are examined: the same as in browsers (HTML, "determining the character encoding"). */
export const BEGINNING_BYTES = 1024;

/** Document types that can declare their encoding, which a charset in Content-Type would override. */
export type SelfDescribing = "text/html" | "text/css";

/**
 * The Content-Type of a document, given its first bytes. A charset in Content-Type overrides the document's own
 * declaration, so it is added only if the document declares none (then `fallback`) or declares UTF-8.
 *
 * @param type The media type without parameters.
 * @param fallback The charset of documents that do not declare one.
 * @param beginning The first 1,024 bytes, or all if there are fewer.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { documentType } from "@x/pyserve/http";
 *
 * const bytes = new TextEncoder().encode('<!DOCTYPE html><meta charset="koi8-r">');
 * assert(documentType("text/html", "utf-8", bytes) === "text/html");
 * assert(documentType("text/html", "utf-8", bytes.subarray(0, 15)) === "text/html; charset=utf-8");
 * ```
 */
export function documentType(type: SelfDescribing, fallback: string, beginning: Uint8Array): string {
  // Fast path: most documents declare UTF-8 or nothing, which gives the same result.
  if (fallback === "utf-8" && !mayDiffer(beginning)) return `${type}; charset=utf-8`;
  const declared = declaredCharset(type, beginning) ?? fallback;
  return declared === fallback || declared === "utf-8" ? `${type}; charset=${declared}` : type;
}

/**
 * The encoding that a document declares, by its name in the Encoding Standard; null if it declares none, or an unknown
 * one. A byte order mark takes precedence.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { declaredCharset } from "@x/pyserve/http";
 *
 * const bytes = new TextEncoder().encode('@charset "latin1"; a {}');
 * assert(declaredCharset("text/css", bytes) === "windows-1252");
 * ```
 */
export function declaredCharset(type: SelfDescribing, beginning: Uint8Array): string | null {
  const [first, second, third] = beginning;
  if (first === 0xef && second === 0xbb && third === 0xbf) return "utf-8";
  if (first === 0xfe && second === 0xff) return "utf-16be";
  if (first === 0xff && second === 0xfe) return "utf-16le";
  const text = textOf(beginning);
  if (type === "text/css") return encodingOf(/^@charset "([^"]*)";/.exec(text)?.[1]);
  return encodingOf(/^<\?xml[^>]*\sencoding\s*=\s*["']([^"'>]*)/.exec(text)?.[1]) ?? declaredInHtml(text);
}

/** Non-fatal: declarations are ASCII, which decodes losslessly. */
const DECODER = new TextDecoder();

function textOf(beginning: Uint8Array): string {
  return DECODER.decode(beginning.length > BEGINNING_BYTES ? beginning.subarray(0, BEGINNING_BYTES) : beginning);
}

/** A possible declaration of an encoding other than UTF-8. */
const OTHER = /(?:charset|encoding)(?![\t\n\f\r ]*=[\t\n\f\r ]*["']?utf-?8["'\t\n\f\r ;/>])|^@charset/i;

function mayDiffer(beginning: Uint8Array): boolean {
  const [first] = beginning;
  return first === 0xfe || first === 0xff || OTHER.test(textOf(beginning));
}

/** What the prescan skips: comments, then markup that is not an element's tag. */
const SKIPPED = /<!--(?:-?>|[^]*?(?:-->|$))|<(?:[!?]|\/(?![a-z]))[^>]*>?/iy;

const TAG = /<(\/?[a-z][^\t\n\f\r >/]*)/iy;

const ATTRIBUTE =
  /[\t\n\f\r /]*([^\t\n\f\r />][^\t\n\f\r />=]*)(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r >"'][^\t\n\f\r >]*)?))?/y;

const TAG_END = /[\t\n\f\r /]*>/y;

function declaredInHtml(text: string): string | null {
  for (let at = text.indexOf("<"); at >= 0; at = text.indexOf("<", at)) {
    const skipped = matchAt(SKIPPED, text, at);
    const tag = skipped === null ? matchAt(TAG, text, at) : null;
    at += (skipped ?? tag)?.[0].length ?? 1;
    if (tag === null) continue;
    const attributes = new Map<string, string>();
    for (let found = matchAt(ATTRIBUTE, text, at); found; found = matchAt(ATTRIBUTE, text, at)) {
      at += found[0].length;
      const name = found[1]!.toLowerCase();
      if (!attributes.has(name)) attributes.set(name, found[2] ?? found[3] ?? found[4] ?? "");
    }
    const isWhole = matchAt(TAG_END, text, at) !== null;
    const declared = isWhole && tag[1]!.toLowerCase() === "meta" ? declaredByMeta(attributes) : null;
    if (declared !== null) return declared;
  }
  return null;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function declaredByMeta(attributes: ReadonlyMap<string, string>): string | null {
  const charset = attributes.get("charset");
  if (charset !== undefined) return encodingOf(charset);
  if (attributes.get("http-equiv")?.toLowerCase() !== "content-type") return null;
  const named = /charset[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r ;"']+))/i;
  const match = named.exec(attributes.get("content") ?? "");
  return encodingOf(match?.[1] ?? match?.[2] ?? match?.[3]);
}

/**
 * The encoding for a label; null if browsers do not know it. A label that could be read as ASCII cannot be UTF-16, so
 * that means UTF-8.
 */
function encodingOf(label: string | undefined): string | null {
  if (label === undefined) return null;
  try {
    const { encoding } = new TextDecoder(label);
    return encoding.startsWith("utf-16") ? "utf-8" : encoding;
  } catch {
    return null;
  }
}
