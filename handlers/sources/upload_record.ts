/**
 * Persistent state of an upload besides its content, shared by all processes that serve the directory, now and after a
 * restart.
 *
 * @module
 */

import { nameBeside } from "./part_name.ts";
import type { Place } from "./place.ts";

/** The JSON record, stored in a sidecar of the part. */
export interface StoredRecord {
  /** Notes of the upload handler. */
  readonly notes: string;
  /** The final name and the version of the finished upload; null while it is unfinished. */
  readonly finished: { readonly name: string; readonly version: string } | null;
}

/** Maximum size of a record; a larger file was not written by pyserve. */
const MAX_BYTES = 65_536;

/** Reads the record of a part; null if it does not exist or is invalid. */
export async function readRecord(place: Place, part: string): Promise<StoredRecord | null> {
  try {
    using record = place.find(nameBeside(part, "upload"));
    const { isFile, size } = record.info;
    return isFile && size <= MAX_BYTES ? parseRecord(await Deno.readTextFile(record.path)) : null;
  } catch (error) {
    // Written by another user's server: that user's upload.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

/** Writes the record of a part atomically. It may be lost in a power failure until the returned open file is synced. */
export function writeRecord(place: Place, part: string, record: StoredRecord): Deno.FsFile {
  const next = place.at(nameBeside(part, "next"));
  removeIfThere(next); // left by a killed process
  const file = Deno.openSync(next, { createNew: true, write: true, mode: 0o600 });
  try {
    const bytes = new TextEncoder().encode(JSON.stringify(record));
    for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
    Deno.renameSync(next, place.at(nameBeside(part, "upload")));
    return file;
  } catch (error) {
    file.close();
    removeIfThere(next);
    throw error;
  }
}

/** Removes the record of a part. Returns whether there was one. */
export function removeRecord(place: Place, part: string): boolean {
  return removeIfThere(place.at(nameBeside(part, "upload")));
}

/** Claims a part: requests its release by the process that is writing to it. */
export function claimPart(place: Place, part: string): void {
  try {
    Deno.openSync(place.at(nameBeside(part, "claim")), { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Whether another process has claimed the part. */
export function isPartClaimed(place: Place, part: string): boolean {
  try {
    Deno.lstatSync(place.at(nameBeside(part, "claim")));
    return true;
  } catch {
    return false;
  }
}

/** Withdraws the claim to a part: the claiming process has it now, or it no longer exists. */
export function endClaim(place: Place, part: string): void {
  removeIfThere(place.at(nameBeside(part, "claim")));
}

function removeIfThere(name: string): boolean {
  try {
    Deno.removeSync(name);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function parseRecord(text: string): StoredRecord | null {
  try {
    const { notes, finished } = JSON.parse(text);
    if (typeof notes !== "string") return null;
    if (finished === null) return { notes, finished };
    const { name, version } = finished;
    return typeof name === "string" && typeof version === "string" ? { notes, finished: { name, version } } : null;
  } catch {
    return null; // truncated by a power failure, or not ours
  }
}
