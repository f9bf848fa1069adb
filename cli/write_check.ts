/**
 * Looking whether uploads can be stored when the command starts, not when a client sends the first one.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { StartError } from "./start_error.ts";

/** Directories below the root that are tried where the root itself cannot be written: the first in no order. */
const MAX_TRIED = 64;

/**
 * Throws where what is below a directory may not be written, by Deno or by the system. It is enough that the root or one
 * of the directories in it can be written: a site with one directory for uploads is a common layout. A single file takes
 * no others, and is refused unless clients may at least replace it (`changes`).
 *
 * On a terminal Deno asks the user for the permission, once and now: asked at the first upload, the question would hold up
 * every client, and any client could have it asked.
 */
export function requireWritable(root: string, changes: boolean): void {
  const path = realPathOf(root);
  if (path === null) return;
  const { isDirectory } = Deno.statSync(path);
  if (!isDirectory && !changes) throw new StartError(`Cannot take uploads: "${root}" is a file; give a directory`);
  if (Deno.permissions.requestSync({ name: "write", path }).state !== "granted") {
    throw new StartError(`Cannot take uploads: writing to "${root}" is not permitted (--allow-write)`);
  }
  const directory = isDirectory ? path : dirname(path);
  const refusal = refusalOf(directory);
  if (refusal === null || directoriesIn(directory).some((name) => refusalOf(name) === null)) return;
  throw new StartError(`Cannot take uploads: "${root}" cannot be written: ${reasonOf(refusal)}`);
}

/** Null where nothing is there, which is reported elsewhere. */
function realPathOf(root: string): string | null {
  try {
    return Deno.realPathSync(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * What the system says to a new file, or null where it takes one. Nothing but a try knows of read-only file systems, access
 * lists and quotas. The name is that of an unfinished upload, which is served to no client and removed when it is old.
 */
function refusalOf(directory: string): unknown {
  const name = join(directory, `.pyserve-${crypto.randomUUID().replaceAll("-", "")}.part`);
  try {
    Deno.openSync(name, { createNew: true, write: true, mode: 0o600 }).close();
    Deno.removeSync(name);
    return null;
  } catch (error) {
    return error;
  }
}

function directoriesIn(directory: string): string[] {
  try {
    const entries = Deno.readDirSync(directory).filter((entry) => entry.isDirectory).take(MAX_TRIED);
    return [...entries].map(({ name }) => join(directory, name));
  } catch {
    return []; // may be written into and not be read
  }
}

function reasonOf(refusal: unknown): string {
  const { code } = refusal as { code?: string };
  if (code === "EROFS") return "its file system is read-only";
  if (code === "ENOSPC" || code === "EDQUOT") return "there is no room left";
  return StartError.reason(refusal);
}
