/**
 * Asking for the permission to write when the command starts, not when somebody uploads.
 *
 * @module
 */

import { StartError } from "./start_error.ts";

/**
 * Throws where what is below a directory may not be written. On a terminal Deno asks the user, once and now: asked at the
 * first upload, the question would hold up everybody, and whoever can reach the server could have it asked.
 */
export function requireWritePermission(root: string): void {
  const path = realPathOf(root);
  if (path === null || Deno.permissions.requestSync({ name: "write", path }).state === "granted") return;
  throw new StartError(`Cannot take uploads: to write to "${root}" is not permitted (--allow-write)`);
}

/** Null where nothing is there; that is for others to say. */
function realPathOf(root: string): string | null {
  try {
    return Deno.realPathSync(root);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
