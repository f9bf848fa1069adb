/**
 * Checks at start, not at the first upload, that files can be stored.
 *
 * @module
 */

import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { StartError } from "./start_error.ts";

/** Number of subdirectories tried if the root itself is not writable, in arbitrary order. */
const MAX_TRIED = 64;

/**
 * Throws if Deno or the system does not permit writing below a directory. It is enough that the root or one of its
 * subdirectories is writable: a site with one directory for uploads is a common layout. A single file as the root has
 * none, and is refused unless clients may at least replace it (`changes`).
 *
 * On a terminal, Deno prompts the user once, now: at the first upload, the prompt would block all clients, and any
 * client could trigger it.
 */
export function requireWritable(root: string, changes: boolean): void {
  const path = realPathOf(root);
  if (path === null) return;
  const { isDirectory } = Deno.statSync(path);
  if (!isDirectory && !changes) {
    throw new StartError(`Cannot take uploads: "${root}" is a file; serve a directory instead`);
  }
  if (Deno.permissions.requestSync({ name: "write", path }).state !== "granted") {
    throw new StartError(`Cannot take uploads: writing to "${root}" is not permitted (--allow-write)`);
  }
  const directory = isDirectory ? path : dirname(path);
  const refusal = refusalOf(directory);
  if (refusal === null || directoriesIn(directory).some((name) => refusalOf(name) === null)) return;
  throw new StartError(`Cannot take uploads: "${root}" cannot be written: ${reasonOf(refusal)}`);
}

/** Null if it does not exist, which is reported elsewhere. */
function realPathOf(root: string): string | null {
  try {
    return Deno.realPathSync(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * The system's error for a new file, or null. Only an attempt accounts for read-only file systems, access lists and
 * quotas. The name is that of an unfinished upload, which is never served and is removed when it expires.
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
    return []; // may be writable but not readable
  }
}

function reasonOf(refusal: unknown): string {
  const { code } = refusal as { code?: string };
  if (code === "EROFS") return "its file system is read-only";
  if (code === "ENOSPC" || code === "EDQUOT") return "the disk is full";
  return StartError.reason(refusal);
}
