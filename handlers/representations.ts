/**
 * How files are sent, besides their bytes: what depends on the name and on the options, and nothing else.
 *
 * @module
 */

import type { FilesOptions } from "./files.ts";
import { documentType, type SelfDescribing } from "./http/declared_charset.ts";
import { etagOf, shortDigest } from "./http/etag.ts";
import { namedType } from "./http/media_type.ts";
import type { SitePath } from "./http/target.ts";
import type { FileStat } from "./sources/types.ts";

/** How the files of a name are sent. */
export interface Representation {
  /** Content-Type, where `typeOf` is not there to decide it. */
  readonly type: string;
  /** Content-Type of a document that says itself which encoding it is in, from its first bytes. */
  readonly typeOf?: (beginning: Uint8Array) => string;
  /** Headers of every answer, 304 included. */
  readonly headers: Readonly<Record<string, string>>;
  /** Text that differs where anything of this differs, for the entity tag. */
  readonly variant: string;
}

/**
 * What a page of a file may do in an origin of its own (HTML, "sandboxing"): everything that does not give it another
 * one. What it opens is free again.
 */
const SANDBOX = "sandbox allow-scripts allow-forms allow-modals allow-popups allow-popups-to-escape-sandbox " +
  "allow-downloads allow-top-navigation-by-user-activation";

/** Types of which a browser makes documents that run scripts. */
const DOCUMENT = /^(?:text\/html|(?:text|application)\/(?:xml|xsl)|[^;]*\+xml)\s*(?:;|$)/i;

/** Types that are remembered; where a function of the user's decides them, there may be any number. */
const MOST_TYPES = 1_000;

/** How files are sent under the same options. */
export class Representations {
  readonly #options: FilesOptions;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #sandboxed: Readonly<Record<string, string>>;
  readonly #known = new Map<string, Representation>();

  /** Works out what is the same for all files. */
  constructor(options: FilesOptions) {
    const vary: Record<string, string> = options.precompressed ? { vary: "accept-encoding" } : {};
    this.#options = options;
    this.#headers = { "cache-control": options.cacheControl ?? "no-cache", ...vary };
    this.#sandboxed = { ...this.#headers, "content-security-policy": SANDBOX };
  }

  /** How files of a name are sent. */
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
    const variant = shortDigest(JSON.stringify([type, charset, headers, this.#options.variant ?? ""]));
    if (charset === null) return { type, headers, variant };
    const whole = `${type}; charset=${charset}`;
    if (!describesItself(type)) return { type: whole, headers, variant };
    return { type: whole, typeOf: (beginning) => documentType(type, charset, beginning), headers, variant };
  }
}

/** Says which entity tag a file is sent with, as long as it is not coded. */
export function tagger(options: FilesOptions): (path: SitePath, stat: FileStat) => string {
  const representations = new Representations(options);
  return (path, stat) => etagOf(stat, representations.of(path.name).variant);
}

function describesItself(type: string): type is SelfDescribing {
  return type === "text/html" || type === "text/css";
}
