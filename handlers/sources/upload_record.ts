/**
 * What is kept of an upload on disk besides its bytes, so that every process that serves the directory knows of it, and
 * those that come after.
 *
 * @module
 */

import { nameBeside } from "./part_name.ts";
import type { Place } from "./place.ts";

/** A record, as it is written: as JSON, in a file beside the part. */
export interface StoredRecord {
  /** What the upload room has noted. */
  readonly notes: string;
  /** The name that the upload got, and the version of what has it; null while it is not finished. */
  readonly finished: { readonly name: string; readonly version: string } | null;
}

/** Bytes of a record at most; what is larger was not written here. */
const MAX_BYTES = 65_536;

/** Reads the record of a part; null where there is none, or none that can be read. */
export async function readRecord(place: Place, part: string): Promise<StoredRecord | null> {
  try {
    using record = place.find(nameBeside(part, "upload"));
    const { isFile, size } = record.info;
    return isFile && size <= MAX_BYTES ? parseRecord(await Deno.readTextFile(record.path)) : null;
  } catch (error) {
    // Another user's server has written it: then it is that one's upload.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.PermissionDenied) return null;
    throw error;
  }
}

/**
 * Writes the record of a part, in one step for those who read it. It may be lost with the power until the file that is
 * returned, open, has been synced.
 */
export function writeRecord(place: Place, part: string, record: StoredRecord): Deno.FsFile {
  const next = place.at(nameBeside(part, "next"));
  removeIfThere(next); // of a process that has ended in between
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

/** Asks the process that writes to a part to let go of it. */
export function claimPart(place: Place, part: string): void {
  try {
    Deno.openSync(place.at(nameBeside(part, "claim")), { createNew: true, write: true, mode: 0o600 }).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
  }
}

/** Whether another process has asked for a part. */
export function isPartClaimed(place: Place, part: string): boolean {
  try {
    Deno.lstatSync(place.at(nameBeside(part, "claim")));
    return true;
  } catch {
    return false;
  }
}

/** Ends the claim to a part: it is held by the process that asked, or is not there any more. */
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
    return null; // cut off with the power, or not ours
  }
}
