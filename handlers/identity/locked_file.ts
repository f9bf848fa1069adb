/**
 * Files to which several processes append.
 *
 * @module
 */

/**
 * Opens a file for appending (mode 0600), creates it if needed, and locks it until it is closed; tries again if it was
 * replaced while waiting for the lock.
 */
export function lockedFile(path: string): Deno.FsFile {
  for (;;) {
    const file = Deno.openSync(path, { append: true, create: true, mode: 0o600 });
    file.lockSync(true);
    if (file.statSync().ino === inodeOf(path)) return file;
    file.close();
  }
}

function inodeOf(path: string): number | null | undefined {
  try {
    return Deno.statSync(path).ino;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** Replaces a file atomically (mode 0600); the caller holds the lock of the old one. */
export function replaceFile(path: string, text: string): void {
  const own = `${path}.${crypto.randomUUID()}`;
  Deno.writeTextFileSync(own, text, { createNew: true, mode: 0o600 });
  Deno.renameSync(own, path);
}

/** The bytes of a file; null if there is none. */
export function readIfPresent(path: string): Uint8Array | null {
  try {
    return Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}
