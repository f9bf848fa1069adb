/**
 * The options of a file server.
 *
 * @module
 */

import type { CacheBudget } from "../serving/response_cache.ts";
import type { LogFormat } from "../core/access_line.ts";
import type { Layer } from "../core/types.ts";
import type { FilesOptions } from "../files/files.ts";
import type { SitePath } from "../http/target.ts";
import type { HeaderField, HeaderRule } from "../layers/headers.ts";
import type { Feature } from "../serving/feature.ts";

/**
 * Options of `fileServer`.
 *
 * @category Server
 */
export interface FileServerOptions extends FilesOptions {
  /** Whether dotfiles are served and listed; defaults to false. */
  readonly hidden?: boolean;
  /** Whether symlinks that lead out of the root are followed; defaults to false. */
  readonly followLinks?: boolean;
  /** Whether directories without an index are listed; defaults to true. */
  readonly listing?: boolean;
  /**
   * Whether navigations for which there is nothing get the page of a single-page app: true for the index file of the
   * root, or the path of another file. See `spa`. Defaults to false.
   */
  readonly spa?: boolean | string;
  /** Addresses that the app does not have, as for `spa`: what is missing there is not found. */
  readonly spaIgnore?: readonly string[];
  /**
   * The path of the page for what is not found, for clients that ask for HTML; false for the built-in one. Defaults to
   * `404.html` of the nearest directory. See `notFoundPage`.
   */
  readonly notFound?: string | false;
  /** As for `files`, but defaults to true unless a feature writes: an upload could replace what is sent for another file. */
  readonly precompressed?: boolean;
  /** Whether a variant also answers where there is no original; see `precompressedOnly`. Defaults to false. */
  readonly precompressedOnly?: boolean;
  /** As for `files`; also defaults to true for paths that a feature can `upload` or `delete`. */
  readonly sandbox?: boolean | ((path: SitePath) => boolean);
  /**
   * Headers for every response, as pairs of name and value; null as the value removes a header. Those for some paths
   * only are made by `headersFor`.
   */
  readonly headers?: readonly (HeaderField | HeaderRule)[];
  /**
   * Maximum size of the response cache in bytes; defaults to 64 MiB, 0 disables it. A `CacheBudget` is for the caches of
   * several file servers together.
   */
  readonly cacheSize?: number | CacheBudget;
  /** Features, tried in this order before files and listings; those with `queries` after all others. */
  readonly features?: readonly Feature[];
  /**
   * Paths of directories (`/incoming`) that take uploads although programs run; then no other directory takes any.
   * Nothing in them is run, and they can neither contain programs nor lie in a directory of programs. Without it,
   * features that write and features that run programs exclude each other.
   */
  readonly uploadBesidePrograms?: readonly string[];
  /**
   * Layers to run for each request, the first outermost: authentication, authorization, rate limits. They run inside
   * access log, headers and error pages, which therefore also apply to their responses (401, 429), to errors they throw
   * and to refused requests; and outside the response cache, so that a layer's decision is never cached. A layer that
   * gives users different rights uses `derive` to set `may`, and `view` for the cache.
   */
  readonly layers?: readonly Layer[];
  /**
   * The format of the access log, or false for none; defaults to `python`. The lines go to the `log` of `toFetch`,
   * which defaults to standard error.
   */
  readonly log?: LogFormat | false;
}
