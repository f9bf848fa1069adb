/**
 * From a file's name to its Content-Type: a large table, a small overlay, and UTF-8 for text.
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
 * The Content-Type of a file by its last extension, in any case. Text types get `; charset=utf-8`, others no charset.
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
  const decided = options.typeOf?.(name);
  if (decided !== undefined) return decided;
  const extension = /[^/]\.([^./]+)$/.exec(name)?.[1]?.toLowerCase();
  const fallback = options.fallback ?? "application/octet-stream";
  if (extension === undefined) return fallback;
  const chosen = own(options.types, extension);
  if (chosen !== undefined) return chosen;
  const type = own(OVERLAY, extension) ?? typeOf(extension);
  if (type === undefined) return fallback;
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}

let types: Map<string, string> | undefined;

/** The table turned round at its first use: a start that serves nothing yet should not wait for it. */
function typeOf(extension: string): string | undefined {
  types ??= new Map(
    Object.entries(EXTENSIONS_OF).flatMap(([type, names]) => names.split(" ").map((name) => [name, type] as const)),
  );
  return types.get(extension);
}

function own(table: Readonly<Record<string, string>> | undefined, key: string): string | undefined {
  return table && Object.hasOwn(table, key) ? table[key] : undefined;
}
