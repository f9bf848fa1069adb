/**
 * Removes abandoned uploads and copies.
 *
 * @module
 */

import { SitePath } from "../http/target.ts";
import type { DiskRoot, Found } from "./contained.ts";
import { LATER } from "./disk_calls.ts";
import { isFree } from "./disk_stat.ts";
import { isPartName, partBeside } from "./part_name.ts";
import { isLockedByOther, Place } from "./place.ts";
import { doLater } from "./steps.ts";

/**
 * Removes parts below a root that were last modified before a given time and are not in use. Returns the number
 * removed.
 */
export async function sweepParts(root: DiskRoot, before: number): Promise<number> {
  let count = 0;
  for (const directories = [SitePath.root]; directories.length > 0;) {
    try {
      count += await sweepDirectory(root, directories.pop()!, before, directories);
    } catch {
      // Deleted concurrently, or unreadable and therefore without parts of ours.
    }
  }
  return count;
}

async function sweepDirectory(
  root: DiskRoot,
  path: SitePath,
  before: number,
  directories: SitePath[],
): Promise<number> {
  const found = await doLater(root.find(LATER, path));
  if (found === null) return 0;
  using place = new Place(found);
  const parts: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(place.path)) {
    if (isPartName(name)) parts.push(name);
    else if (isDirectory) directories.push(...[path.child(name)].filter((child) => child !== null));
  }
  let count = 0;
  // Parts first: a record is needed as long as its part exists.
  for (const name of parts.toSorted((a, b) => Number(b.endsWith("part")) - Number(a.endsWith("part")))) {
    if (await removeIfOld(place, name, before)) count += 1;
  }
  return count;
}

async function removeIfOld(place: Place, name: string, before: number): Promise<boolean> {
  using part = place.find(name);
  if (part.info.isSymlink || (part.info.mtime?.getTime() ?? 0) > before || await isInUse(place, name, part)) {
    return false;
  }
  place.assertStill();
  if (!part.isSame(Deno.lstatSync(place.at(name)))) return false;
  await Deno.remove(place.at(name), { recursive: part.info.isDirectory });
  return true;
}

/** Whether a part is being written to, or a sidecar belongs to an existing part. */
async function isInUse(place: Place, name: string, { info, path }: Found): Promise<boolean> {
  if (!name.endsWith("part")) return !isFree(place.at(partBeside(name)));
  if (!info.isFile && !info.isDirectory) return true; // not ours
  using file = await Deno.open(path, { read: true });
  return isLockedByOther(file);
}
