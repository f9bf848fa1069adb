/**
 * The locks of WebDAV clients: in memory, or in the state directory.
 *
 * @module
 */

import { join } from "@std/path/join";
import { locksIn } from "../handlers/dav/lock_file.ts";
import { LockTable } from "../handlers/dav/lock_table.ts";
import { requireOwn } from "../handlers/system/ownership.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl } from "./values.ts";

/** The directory of locks in the state directory; one file for each directory served. */
const DIRECTORY = "locks";

/** The tables of this process: virtual hosts that serve the same directory share one. */
const tables = new Map<string, Promise<LockTable>>();

/**
 * The locks of a served directory.
 *
 * @param state The state directory, where they survive a restart and hold between processes; null to keep them in memory.
 * @throws {StartError} If that cannot be used.
 */
export function locksOf(root: string, state: string | null): Promise<LockTable> {
  const site = realPathOf(root);
  const known = tables.get(site) ?? openLocks(site, state);
  tables.set(site, known);
  return known;
}

function realPathOf(root: string): string {
  try {
    return isStoreUrl(root) ? root : Deno.realPathSync(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return root; // the server reports it
    throw error;
  }
}

async function openLocks(site: string, state: string | null): Promise<LockTable> {
  if (state === null) return new LockTable();
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(site));
  const directory = join(state, DIRECTORY);
  try {
    Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
    requireOwn(state, Deno.statSync(state));
    requireOwn(directory, Deno.statSync(directory));
    return new LockTable(locksIn(join(directory, new Uint8Array(digest, 0, 16).toHex())));
  } catch (error) {
    throw new StartError(
      `Cannot keep locks in "${state}": ${StartError.reason(error)}; name another directory with --state`,
    );
  }
}
