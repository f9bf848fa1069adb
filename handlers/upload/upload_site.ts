/**
 * A store with the settings that requests to it have in common.
 *
 * @module
 */

import type { Limiter } from "../core/limiter.ts";
import type { SitePath } from "../http/target.ts";
import type { FileStat } from "../sources/types.ts";
import type { ConflictPolicy } from "../store/conflict.ts";
import type { Store } from "../store/store.ts";

/** Settings shared by all requests. */
export interface UploadSettings {
  /** The default policy for a name that is taken. */
  readonly onConflict: ConflictPolicy;
  /** Time without data after which an upload is aborted, in milliseconds. */
  readonly stallMs: number;
  /**
   * Whether WebDAV's rules hold where those for pages and scripts are more cautious (RFC 4918): directories are deleted
   * with their entries, and replaced; missing ones are not created. Defaults to false.
   */
  readonly isDav?: boolean;
  /** Names of index files, which share links must not create. */
  readonly index: readonly string[];
  /** The entity tag a file is served with. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
}

/** A store as it is reached over HTTP. */
export interface UploadSite {
  readonly store: Store;
  readonly settings: UploadSettings;
  /** Limits concurrent work on whole trees: copies, moves and recursive deletions. */
  readonly transfers: Limiter;
}
