/**
 * Files to which several processes append.
 *
 * @module
 */

import { requireOwnFile } from "../system/ownership.ts";

/**
 * Opens a file for appending (mode 0600), creates it if needed, and locks it until it is closed; tries again if it was
 * replaced while waiting for the lock.
 *
 * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
 */
export function lockedFile(path: string): Deno.FsFile {
  for (;;) {
    inodeOf(path);
    const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    file.lockSync(true);
    if (file.statSync().ino === inodeOf(path)) return file;
    file.close();
  }
}

/** Undefined if there is no file. */
function inodeOf(path: string): number | null | undefined {
  try {
    const info = Deno.lstatSync(path);
    requireOwnFile(path, info);
    return info.ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Replaces a file atomically (mode 0600); the caller holds the lock of the old one. */
export function replaceFile(path: string, text: string): void {
  const own = `${path}.${crypto.randomUUID()}`;
  {
    using file = Deno.openSync(own, { write: true, createNew: true, mode: 0o600 });
    appendTo(file, text);
  }
  Deno.renameSync(own, path);
}

/** Writes all of a text, and waits until it is on the disk unless `sync` is false. */
export function appendTo(file: Deno.FsFile, text: string, { sync = true }: { readonly sync?: boolean } = {}): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += file.writeSync(bytes.subarray(at));
  if (sync) file.syncDataSync();
}

/**
 * The bytes of a file; null if there is none.
 *
 * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
 */
export function readIfPresent(path: string): Uint8Array | null {
  try {
    requireOwnFile(path, Deno.lstatSync(path));
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
