/**
 * Files on disk.
 *
 * Deno's path permissions do not stop symlinks that leave the root, so containment is verified on open descriptors
 * rather than on names (`contained.ts`).
 *
 * @module
 */

import { resolve } from "@std/path/resolve";
import { DiskSource } from "./disk_source.ts";
import type { FileSource } from "./types.ts";
import { recordDirectory } from "./shown.ts";

/** Symlink handling of {@linkcode disk}. */
export interface DiskOptions {
  /** Whether symlinks that leave the root are followed. Defaults to false: they are treated as absent. */
  readonly followLinks?: boolean;
}

/**
 * A source of the files below a directory on disk.
 *
 * Follows symbolic links that stay inside the root; those that leave it are treated as absent, unless `followLinks` is
 * set. FIFOs, sockets and devices are reported but never opened. Dotfiles are included: hide them with
 * `filtered(disk(root), isVisible)`, which checks the requested path, so that a visible symlink to a hidden directory
 * exposes its contents. Hard links and bind mounts cannot be told from files and directories.
 *
 * On Linux with all permissions, containment holds even against a local user who renames and relinks paths inside the
 * root at any moment. On macOS, on Windows and with fewer permissions, each path is verified before and after it is
 * opened instead.
 *
 * @param root The directory. It is resolved on every access: if it is a symlink, or its path contains one, retargeting
 * that switches what is served. A relative path is made absolute once, when this is called.
 * @throws Deno.errors.NotFound and other system errors if the root is inaccessible; TypeError if it is not a directory.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, files, toFetch } from "@x/pyserve";
 *
 * const directory = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${directory}/a.txt`, "hello");
 * const response = await toFetch(files(disk(directory)))(new Request("http://localhost/a.txt"));
 * assert(await response.text() === "hello");
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @category Sources
 */
export function disk(root: string, options: DiskOptions = {}): FileSource {
  if (!Deno.statSync(root).isDirectory) throw new TypeError(`Cannot serve "${root}": it is not a directory`);
  const name = resolve(root);
  const source = new DiskSource(name, { followLinks: options.followLinks ?? false });
  recordDirectory(source, name);
  return source;
}
