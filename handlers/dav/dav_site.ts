/**
 * A site as WebDAV shows it.
 *
 * @module
 */

import type { Limiter } from "../core/limiter.ts";
import type { FileSource } from "../sources/types.ts";
import type { PropertyTable } from "./dead_properties.ts";
import type { LockTable } from "./lock_table.ts";
import type { PropertySite } from "./properties.ts";

/** What all requests have in common. */
export interface DavSite extends PropertySite {
  /** The source. */
  readonly source: FileSource;
  /** The locks on its files; absent if they cannot be locked. */
  readonly locks?: LockTable;
  /** The properties that clients have set; absent if they cannot set any. */
  readonly properties?: PropertyTable;
  /** Limits how many long listings are sent concurrently. */
  readonly places: Limiter;
}
