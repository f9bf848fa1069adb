/**
 * The interface for locks, such as those of WebDAV (RFC 4918 section 6).
 *
 * @module
 */

import type { Awaitable } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";

/**
 * What an operation does to a path:
 *
 * - `content`: replaces the content of an existing file;
 * - `entry`: adds the name to its directory, so that a lock on that directory counts, too;
 * - `tree`: removes the name from its directory with everything in it, so that locks below count, too.
 */
export type Reach = "content" | "entry" | "tree";

/** Who wants to write, as far as locks are concerned. */
export interface LockUser {
  /**
   * Identifies the actor: a lock of one cannot be used by another, even with its token (RFC 4918 section 6.4). Null for a
   * client that is not known.
   */
  readonly identity: string | null;
  /** The tokens of the locks that the actor has submitted. */
  readonly tokens: readonly string[];
}

/**
 * Locks on paths. By default, a store has none.
 *
 * @example
 * ```ts
 * import { assert, assertRejects } from "@std/assert";
 * import { disk, SitePath } from "@x/pyserve";
 * import { WriteRefused } from "@x/pyserve/sources";
 * import { type Locks, Store } from "@x/pyserve/store";
 *
 * const directory = await Deno.makeTempDir();
 * const locked = SitePath.root.child("a")!;
 * const locks: Locks = {
 *   blocking: (path, { tokens }) => path.text !== "/a" || tokens.includes("token") ? null : locked,
 * };
 * const store = new Store(disk(directory), { locks });
 * const all = { may: () => true, isUniform: true };
 * await assertRejects(() => store.as(all).makeDirectory(locked), WriteRefused, "locked");
 * await store.as({ ...all, tokens: ["token"] }).makeDirectory(locked);
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export interface Locks {
  /**
   * The root of a lock that keeps an actor from writing to a path; null if there is none. Called before an operation
   * begins and, for content that takes time to arrive, again before it is published.
   */
  blocking(path: SitePath, user: LockUser, reach: Reach): Awaitable<SitePath | null>;
  /**
   * Called when a path has been deleted or moved away, with everything in it: its locks end (RFC 4918 section 9.6). It
   * must not fail, because the operation is complete.
   */
  removed?(path: SitePath): Awaitable<void>;
}
