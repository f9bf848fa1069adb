/**
 * A site whose files can be locked.
 *
 * @module
 */

import type { UploadSite } from "../upload/upload_site.ts";
import type { LockTable } from "./lock_table.ts";

/** A store as it is reached over WebDAV. */
export interface LockSite extends UploadSite {
  /** Its locks, which the store respects, too. */
  readonly locks: LockTable;
}
