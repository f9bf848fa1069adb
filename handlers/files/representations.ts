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

/** What decides how files are sent, apart from their names. */
export interface RepresentationOptions extends MediaTypeOptions {
  /** Cache-Control; defaults to `no-cache`: caches may keep a copy and ask each time whether it still holds. */
  readonly cacheControl?: string;
  /**
   * Whether a page among the files (HTML, SVG, other XML) runs with an origin of its own, as one of another site: it can
   * read and write nothing of the site, and has no storage. For untrusted files. Defaults to true where `upload`
   * takes files into the same source, into one that it was made of (`filtered`, `writableIn`), or, on disk, into the same
   * directory or one above or below; not where another process does.
   */
  readonly sandbox?: boolean;
  /** Whether a file beside it with `.br`, `.zst` or `.gz` at the end is sent instead to clients that take the coding. */
  readonly precompressed?: boolean;
  /**
   * What else decides how files are sent, such as headers that a layer puts on them: when this text changes, so do the
   * entity tags, and caches ask for the files anew.
   */
  readonly variant?: string;
}

/** How a file with a given name is sent. */
export interface Representation {
  /** Content-Type, unless `typeOf` is present. */
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
  readonly #headers: Readonly<Record<string, string>>;
  readonly #sandboxed: Readonly<Record<string, string>>;
  readonly #known = new Map<string, Representation>();

  /** Precomputes what is the same for all files. */
  constructor(options: RepresentationOptions) {
    this.#options = options;
    this.#headers = { "cache-control": options.cacheControl ?? "no-cache" };
    this.#sandboxed = { ...this.#headers, "content-security-policy": SANDBOX };
  }

  /** How a file with the given name is sent. */
  of(name: string): Representation {
    const { type, charset } = namedType(name, this.#options);
    const key = `${type}; charset=${charset ?? ""}`;
    const known = this.#known.get(key);
    if (known) return known;
    const made = this.#make(type, charset);
    if (this.#known.size >= MOST_TYPES) this.#known.clear();
    this.#known.set(key, made);
    return made;
  }

  #make(type: string, charset: string | null): Representation {
    const headers = this.#options.sandbox && DOCUMENT.test(type) ? this.#sandboxed : this.#headers;
    const { precompressed = false, variant: other = "" } = this.#options;
    const variant = shortDigest(JSON.stringify([type, charset, headers, precompressed, other]));
    if (charset === null) return { type, headers, variant };
    const whole = `${type}; charset=${charset}`;
    if (!describesItself(type)) return { type: whole, headers, variant };
    return { type: whole, typeOf: (beginning) => documentType(type, charset, beginning), headers, variant };
  }
}

/** Returns a function for the entity tag of an uncoded file. */
export function tagger(options: RepresentationOptions): (path: SitePath, stat: FileStat) => string {
  const representations = new Representations(options);
  return (path, stat) => etagOf(stat, representations.of(path.name).variant);
}

function describesItself(type: string): type is SelfDescribing {
  return type === "text/html" || type === "text/css";
}
