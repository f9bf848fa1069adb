/**
 * From a file's name to its Content-Type: a large table, a small overlay, and a charset for text.
 *
 * @module
 */

import { EXTENSIONS_OF } from "./media_types.ts";

/** How {@linkcode mediaType} decides. */
export interface MediaTypeOptions {
  /** The type for names that no table knows; `application/octet-stream` unless given (Python's `--content-type`). */
  readonly fallback?: string;
  /** Types by extension, lower case and without the dot, that go before every table. Sent as they are. */
  readonly types?: Readonly<Record<string, string>>;
  /** Decides the type of a name before every table; undefined leaves it to them. Sent as it is. */
  readonly typeOf?: (name: string) => string | undefined;
  /**
   * The charset of text that does not say its own; defaults to `utf-8`, null for none. XML has none, because it says
   * itself which encoding it is in, and what Content-Type says would overrule it (RFC 7303 section 3).
   */
  readonly charset?: string | null;
}

/**
 * What the table has wrong for a file server, or does not have: source code is text and not video, and compressed files
 * are what Python types them as, never a Content-Encoding that a client would undo by surprise.
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
 * The Content-Type of a file by its last extension, in any case. Text types but XML get `; charset=utf-8`, or another
 * charset where the options name one.
 *
 * The bytes are never looked at, and an unknown name is never guessed to be HTML.
 *
 * @param name The file's name, with or without a path.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { mediaType } from "@x/pyserve";
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

/** What the name of a file says of its type. */
export interface NamedType {
  /** The type; with parameters where it was chosen and not looked up. */
  readonly type: string;
  /** The charset of files that do not declare another, or null where none is to be added. */
  readonly charset: string | null;
}

/**
 * The same as {@linkcode mediaType} in parts: for what looks into the document before it says which charset it is in.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { namedType } from "@x/pyserve";
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

/** Text, but for XML. */
const IS_TEXT = /^text\/(?!xml|xsl|[^;]*\+xml)/;

let table: Map<string, string> | undefined;

/** The table turned round at its first use: a start that serves nothing yet should not wait for it. */
function lookUp(extension: string): string | undefined {
  table ??= new Map(
    Object.entries(EXTENSIONS_OF).flatMap(([type, names]) => names.split(" ").map((name) => [name, type] as const)),
  );
  return table.get(extension);
}

function own(table: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return table && Object.hasOwn(table, key) ? table[key] : undefined;
}
