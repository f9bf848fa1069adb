/**
 * Which encoding a document says it is in: the first bytes in, a name out (HTML, "prescan a byte stream to determine its
 * encoding"; CSS Syntax section 3.2).
 *
 * @module
 */

/** How many bytes are looked at: browsers look no further (HTML, "determining the character encoding"). */
export const BEGINNING_BYTES = 1024;

/** Types of documents that can say which encoding they are in, and whose word goes behind that of Content-Type. */
export type SelfDescribing = "text/html" | "text/css";

/**
 * The Content-Type of a document, given how it begins. A charset in Content-Type overrules the document, so it is there
 * only where the document says nothing (then `fallback`), or says UTF-8 itself.
 *
 * @param type The type without parameters.
 * @param fallback The charset of documents that do not declare one.
 * @param beginning The first bytes, {@linkcode BEGINNING_BYTES} where there are so many.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { documentType } from "@x/pyserve";
 *
 * const bytes = new TextEncoder().encode('<!DOCTYPE html><meta charset="koi8-r">');
 * assert(documentType("text/html", "utf-8", bytes) === "text/html");
 * assert(documentType("text/html", "utf-8", bytes.subarray(0, 15)) === "text/html; charset=utf-8");
 * ```
 */
export function documentType(type: SelfDescribing, fallback: string, beginning: Uint8Array): string {
  // Most documents need not be read: whether they declare UTF-8 or nothing makes no difference.
  if (fallback === "utf-8" && !mayDiffer(beginning)) return `${type}; charset=utf-8`;
  const declared = declaredCharset(type, beginning) ?? fallback;
  return declared === fallback || declared === "utf-8" ? `${type}; charset=${declared}` : type;
}

/**
 * The encoding that a document declares, by its name in the Encoding Standard; null where it declares none that is known.
 * A byte order mark goes before what is written.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { declaredCharset } from "@x/pyserve";
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

/** Lossy, and quick: what declares an encoding is ASCII, of which nothing is lost. */
const DECODER = new TextDecoder();

function textOf(beginning: Uint8Array): string {
  return DECODER.decode(beginning.length > BEGINNING_BYTES ? beginning.subarray(0, BEGINNING_BYTES) : beginning);
}

/** What may be a declaration, and is none of UTF-8. */
const OTHER = /(?:charset|encoding)(?![\t\n\f\r ]*=[\t\n\f\r ]*["']?utf-?8["'\t\n\f\r ;/>])|^@charset/i;

function mayDiffer(beginning: Uint8Array): boolean {
  const [first] = beginning;
  return first === 0xfe || first === 0xff || OTHER.test(textOf(beginning));
}

/** What the prescan steps over: comments, then what is no tag of an element. */
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

/** The encoding of a label, or null where browsers know none. Where the label could be read, it is not UTF-16. */
function encodingOf(label: string | undefined): string | null {
  if (label === undefined) return null;
  try {
    const { encoding } = new TextDecoder(label);
    return encoding.startsWith("utf-16") ? "utf-8" : encoding;
  } catch {
    return null;
  }
}
