/**
 * What is kept elsewhere about files, and goes where they go: such as the properties that WebDAV clients set.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";

/** Called when an operation is complete, so none of these must fail. */
export interface Followers {
  /** A path has been deleted, with everything in it. */
  removed(path: SitePath): void;
  /** A path has been moved, with everything in it, in place of what was there. */
  moved(from: SitePath, to: SitePath): void;
  /** A path has been copied, in place of what was there; without its entries if `shallow`. */
  copied(from: SitePath, to: SitePath, options: { readonly shallow: boolean }): void;
}
