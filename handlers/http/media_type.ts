/**
 * Maps file names to Content-Type: a large table, a small overlay, and a charset for text.
 *
 * @module
 */

import { MEDIA_TYPES } from "./media_types.ts";

/** Options of {@linkcode mediaType}. */
export interface MediaTypeOptions {
  /** The type for unknown extensions; defaults to `application/octet-stream` (Python's `--content-type`). */
  readonly fallback?: string;
  /** Types by extension, in lower case without the dot, that override the tables. Sent verbatim. */
  readonly types?: Readonly<Record<string, string>>;
  /** Overrides the type of a file by name; return undefined to use the tables. Sent verbatim. */
  readonly typeOf?: (name: string) => string | undefined;
  /**
   * The charset for text types; defaults to `utf-8`, null for none. Not added to XML, which declares its own encoding:
   * a charset in Content-Type would override it (RFC 7303 section 3).
   */
  readonly charset?: string | null;
}

/**
 * Corrections to the table for a file server: source code is text, not video, and compressed files have the types that
 * Python gives them, never a Content-Encoding that clients would transparently decode.
 */
const OVERLAY: Readonly<Record<string, string>> = {
  bz2: "application/x-bzip2",
  cts: "text/typescript",
  flac: "audio/flac",
  go: "text/x-go",
  gz: "application/gzip",
  jsx: "text/jsx",
  kt: "text/x-kotlin",
  mts: "text/typescript",
  opus: "audio/ogg",
  py: "text/x-python",
  rb: "text/x-ruby",
  rs: "text/x-rust",
  svgz: "image/svg+xml",
  tgz: "application/gzip",
  ts: "text/typescript",
  tsx: "text/typescript",
  wav: "audio/wav",
  xml: "text/xml",
  xz: "application/x-xz",
  z: "application/octet-stream",
  zst: "application/zstd",
};

/**
 * The Content-Type of a file by its last extension, case-insensitively. Text types other than XML get `;
 * charset=utf-8`, or the charset given in the options.
 *
 * Does no content sniffing: an unknown extension is never taken for HTML.
 *
 * @param name The file name, with or without a path.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { mediaType } from "@x/pyserve/http";
 *
 * assert(mediaType("index.html") === "text/html; charset=utf-8");
 * assert(mediaType("x.tar.gz") === "application/gzip");
 * assert(mediaType("README") === "application/octet-stream");
 * ```
 */
export function mediaType(name: string, options: MediaTypeOptions = {}): string {
  const { type, charset } = namedType(name, options);
  return charset === null ? type : `${type}; charset=${charset}`;
}

/** The type derived from a file name. */
export interface NamedType {
  /** The media type; may have parameters if it comes from the options. */
  readonly type: string;
  /** The charset for files that do not declare one, or null to add none. */
  readonly charset: string | null;
}

/**
 * Like {@linkcode mediaType}, but returns the type and the charset separately, for callers that check the document for
 * a declared encoding.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const { type, charset } = namedType("feed.xml");
 * assert(type === "text/xml" && charset === null);
 * ```
 */
export function namedType(name: string, options: MediaTypeOptions = {}): NamedType {
  const { typeOf, types, charset = "utf-8", fallback = "application/octet-stream" } = options;
  const extension = /[^/]\.([^./]+)$/.exec(name)?.[1]?.toLowerCase();
  const chosen = typeOf?.(name) ?? (extension === undefined ? fallback : own(types, extension));
  if (chosen !== undefined) return { type: chosen, charset: null };
  const type = own(OVERLAY, extension!) ?? lookUp(extension!);
  return { type: type ?? fallback, charset: type !== undefined && IS_TEXT.test(type) ? charset : null };
}

/** Text, except XML. */
const IS_TEXT = /^text\/(?!xml|xsl|[^;]*\+xml)/;

/** The types of the latest extensions, by extension. */
const known = new Map<string, string | undefined>();
const MAX_KNOWN = 1_000;

function lookUp(extension: string): string | undefined {
  if (known.has(extension)) return known.get(extension);
  if (known.size >= MAX_KNOWN) known.clear();
  const type = search(extension);
  known.set(extension, type);
  return type;
}

/** Finds the line with an extension, which takes 20 µs. */
function search(extension: string): string | undefined {
  const word = ` ${extension}`;
  if (/\s/.test(extension)) return undefined;
  for (let at = MEDIA_TYPES.indexOf(word); at >= 0; at = MEDIA_TYPES.indexOf(word, at + 1)) {
    if (!/\s/.test(MEDIA_TYPES[at + word.length]!)) continue; // the beginning of a longer extension
    const start = MEDIA_TYPES.lastIndexOf("\n", at) + 1;
    return MEDIA_TYPES.slice(start, MEDIA_TYPES.indexOf(" ", start));
  }
  return undefined;
}

function own(table: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return table && Object.hasOwn(table, key) ? table[key] : undefined;
}
