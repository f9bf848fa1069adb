/**
 * How files are sent: everything that depends only on the name and the options.
 *
 * @module
 */

import { documentType, type SelfDescribing } from "../http/declared_charset.ts";
import { etagOf, shortDigest } from "../http/etag.ts";
import { type MediaTypeOptions, namedType } from "../http/media_type.ts";
import type { SitePath } from "../http/target.ts";
import type { FileStat } from "../sources/types.ts";

/** Options that determine how files are sent, besides their names. */
export interface RepresentationOptions extends MediaTypeOptions {
  /**
   * Cache-Control; defaults to `no-cache`: caches may store responses, but must revalidate them. A function decides by path;
   * see `cachePolicy`.
   */
  readonly cacheControl?: string | ((path: SitePath) => string);
  /** Whether files have a Content-Type; defaults to true. Without one, clients guess. */
  readonly contentType?: boolean;
  /** Whether files have an entity tag; defaults to true. */
  readonly etag?: boolean;
  /** Whether files have a Last-Modified date; defaults to true. */
  readonly lastModified?: boolean;
  /** Whether parts of files can be requested; defaults to true. */
  readonly ranges?: boolean;
  /**
   * Whether documents among the files (HTML, SVG, other XML) run in an opaque origin, like those of another site: they
   * cannot read or write anything on this site, and have no storage. For untrusted files. Defaults to true if `upload`
   * writes to the same source, to one derived from it (`filtered`, `writableIn`), or, on disk, to the same directory, a
   * parent or a subdirectory; not if another process does. Each source of a `union` is considered separately. A
   * function decides by path.
   */
  readonly sandbox?: boolean | ((path: SitePath) => boolean);
  /**
   * Whether to send precompressed variants (the file's name plus `.br`, `.zst` or `.gz`) to clients that accept their
   * coding.
   */
  readonly precompressed?: boolean;
  /**
   * Anything else that determines how files are sent, such as headers added by a layer: changing this string changes
   * all entity tags, so that caches fetch the files again.
   */
  readonly variant?: string;
}

/** How a file with a given name is sent. */
export interface Representation {
  /** Content-Type, unless `typeOf` is present; `""` for none. */
  readonly type: string;
  /** Determines Content-Type from the first bytes, for documents that declare their encoding. */
  readonly typeOf?: (beginning: Uint8Array) => string;
  /** Headers of all responses, including 304. */
  readonly headers: Readonly<Record<string, string>>;
  /** A string that changes with any of the above, for the entity tag. */
  readonly variant: string;
}

/**
 * CSP sandbox for pages in an opaque origin (HTML, "sandboxing"): allows everything that does not restore the real one.
 * Windows opened by the page are not sandboxed.
 */
const SANDBOX = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox " +
  "allow-downloads allow-top-navigation-by-user-activation";

/** Types that browsers render as documents with scripts. */
const DOCUMENT = /^(?:text\/html|(?:text|application)\/(?:xml|xsl)|[^;]*\+xml)\s*(?:;|$)/i;

/** Maximum number of cached types; unbounded if a user's function determines them. */
const MOST_TYPES = 1_000;

/** How files are sent, for one set of options. */
export class Representations {
  readonly #options: RepresentationOptions;
  readonly #known = new Map<string, Representation>();

  /** Takes the options. */
  constructor(options: RepresentationOptions) {
    this.#options = options;
  }

  /** How the file at a path is sent; `isWritten` is called if no option says whether it is sandboxed. */
  of(path: SitePath, isWritten: (path: SitePath) => boolean = () => false): Representation {
    const { sandbox = isWritten, cacheControl = "no-cache" } = this.#options;
    const isSandboxed = typeof sandbox === "function" ? sandbox(path) : sandbox;
    const policy = typeof cacheControl === "function" ? cacheControl(path) : cacheControl;
    const { type, charset } = namedType(path.name, this.#options);
    const key = `${isSandboxed ? "sandboxed " : ""}${type}; charset=${charset ?? ""}; ${policy}`;
    const known = this.#known.get(key);
    if (known) return known;
    const made = this.#make(type, charset, { policy, isSandboxed });
    if (this.#known.size >= MOST_TYPES) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }

  #make(
    type: string,
    charset: string | null,
    { policy, isSandboxed }: { readonly policy: string; readonly isSandboxed: boolean },
  ): Representation {
    const { precompressed = false, variant: other = "", contentType = true } = this.#options;
    // Without a type, a client may take anything for a document.
    const isConfined = isSandboxed && (!contentType || DOCUMENT.test(type));
    const headers = { "cache-control": policy, ...(isConfined && { "content-security-policy": SANDBOX }) };
    const parts = [type, charset, headers, precompressed, other, ...(contentType ? [] : [contentType])];
    const variant = shortDigest(JSON.stringify(parts));
    if (!contentType) return { type: "", headers, variant };
    if (charset === null) return { type, headers, variant };
    const whole = `${type}; charset=${charset}`;
    if (!describesItself(type)) return { type: whole, headers, variant };
    return { type: whole, typeOf: (beginning) => documentType(type, charset, beginning), headers, variant };
  }
}

/** Returns a function for the entity tag of an uncoded file. */
export function tagger(options: RepresentationOptions): (path: SitePath, stat: FileStat) => string {
  const representations = new Representations(options);
  return (path, stat) => etagOf(stat, representations.of(path).variant);
}

/** Returns a function for the Content-Type of a file that does not declare its own encoding; `""` for none. */
export function typer(options: RepresentationOptions): (path: SitePath) => string {
  const representations = new Representations(options);
  return (path) => representations.of(path).type;
}

function describesItself(type: string): type is SelfDescribing {
  return type === "text/html" || type === "text/css";
}
