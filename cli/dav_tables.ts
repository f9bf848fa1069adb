/**
 * The locks and properties of WebDAV clients: in memory, or in the state directory.
 *
 * @module
 */

import { join } from "@std/path/join";
import { PropertyTable } from "../handlers/dav/dead_properties.ts";
import { locksIn } from "../handlers/dav/lock_file.ts";
import { LockTable } from "../handlers/dav/lock_table.ts";
import { requireOwn } from "../handlers/system/ownership.ts";
import { realRoot } from "./real_root.ts";
import { StartError } from "./start_error.ts";

/** What WebDAV keeps of a served directory besides its files. */
export interface DavTables {
  readonly locks: LockTable;
  readonly properties: PropertyTable;
}

/** The tables of this process: virtual hosts that serve the same directory share one. */
const tables = new Map<string, Promise<DavTables>>();

/**
 * The locks and properties of a served directory.
 *
 * @param state The state directory, where they survive a restart and hold between processes; null to keep them in memory.
 * @throws {StartError} If that cannot be used.
 */
export function davTablesOf(root: string, state: string | null): Promise<DavTables> {
  const site = realRoot(root);
  const known = tables.get(site) ?? openTables(site, state);
  tables.set(site, known);
  return known;
}

async function openTables(site: string, state: string | null): Promise<DavTables> {
  if (state === null) return { locks: new LockTable(), properties: new PropertyTable() };
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(site));
  const name = new Uint8Array(digest, 0, 16).toHex();
  try {
    const [locks, properties] = ["locks", "properties"].map((kind) => join(ownDirectory(state, kind), name));
    return { locks: new LockTable(locksIn(locks!)), properties: new PropertyTable(properties!) };
  } catch (error) {
    throw new StartError(
      `Cannot keep locks in "${state}": ${StartError.reason(error)}; name another directory with --state`,
    );
  }
}

/** A directory in the state directory, with a file for each directory served. */
function ownDirectory(state: string, kind: string): string {
  const directory = join(state, kind);
  Deno.mkdirSync(directory, { recursive: true, mode: 0o700 });
  requireOwn(state, Deno.statSync(state));
  requireOwn(directory, Deno.statSync(directory));
  return directory;
}
