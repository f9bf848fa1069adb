/**
 * Files on disk.
 *
 * Deno's path permissions do not stop a link that leads out of the root, so containment is proven, on what is open and not
 * on its name (`contained.ts`).
 *
 * @module
 */

import { resolve } from "@std/path/resolve";
import { DiskSource } from "./disk_source.ts";
import type { FileSource } from "./types.ts";
import { showsDirectory } from "./written.ts";

/** How {@linkcode disk} treats links. */
export interface DiskOptions {
  /** Whether links that lead out of the root are followed; by default what they lead to is not there. */
  readonly followLinks?: boolean;
}

/**
 * A source of the files below a directory on disk.
 *
 * Symbolic links are followed as long as they stay inside the root; a link that leaves it is not there, unless
 * `followLinks`. FIFOs, sockets and devices are seen but never opened. Dotfiles are files like others:
 * `filtered(disk(root), isVisible)` hides them. It judges the path that was asked for, so a visible link to a hidden
 * directory shows what is in it. Hard links and bind mounts cannot be told from files and directories.
 *
 * With all permissions on Linux the proof holds against a local user who exchanges names inside the root at any moment.
 * On macOS, on Windows and with fewer permissions, each path is looked at before and after it is opened instead.
 *
 * @param root The directory, by a name that is asked each time where it leads: where it is a link, or a link is on the way,
 * and that is switched to another directory, the other one is served. A relative path is made absolute now.
 * @throws Deno.errors.NotFound and others where the root cannot be looked at, TypeError where it is not a directory.
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
 */
export function disk(root: string, options: DiskOptions = {}): FileSource {
  if (!Deno.statSync(root).isDirectory) throw new TypeError(`Cannot serve "${root}": it is not a directory`);
  const name = resolve(root);
  const source = new DiskSource(name, { followLinks: options.followLinks ?? false });
  showsDirectory(source, name);
  return source;
}
