/**
 * Directories held open, so that what is read is of the directory that was opened, whatever its name is given to meanwhile.
 *
 * @module
 */

import { onDemand } from "../on_demand.ts";
import { FileChanged } from "./types.ts";

/** A directory that is held open. */
export interface HeldDirectory extends Disposable {
  /** A path that means this directory until it is closed. */
  readonly path: string;
}

/** What Deno wants to be allowed before it lets anybody look into /proc/self. */
const ALL = ["read", "write", "net", "env", "sys", "run", "ffi"] as const;

const nodeFs = onDemand(() => import("node:fs"));

/**
 * Opens a directory by its real path and proves that it is the one. Null where that cannot be done: only Linux has
 * /proc/self/fd, and only a process that may do everything may use it.
 *
 * node:fs is loaded for it at the first call, which takes longer than listing a directory: keep it for rare cases.
 *
 * @throws {FileChanged} Where the path names something else by now.
 */
export async function holdDirectory(real: string): Promise<HeldDirectory | null> {
  if (Deno.build.os !== "linux" || !ALL.every((name) => Deno.permissions.querySync({ name }).state === "granted")) {
    return null;
  }
  const { closeSync, constants, openSync } = await nodeFs();
  let descriptor: number;
  try {
    descriptor = openSync(real, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  } catch (error) {
    if (["ELOOP", "ENOENT", "ENOTDIR"].includes((error as { code?: string }).code ?? "")) throw new FileChanged();
    throw error;
  }
  const path = `/proc/self/fd/${descriptor}`;
  const held = { path, [Symbol.dispose]: () => closeSync(descriptor) };
  // The kernel says where what is open really lies; a directory on the way may have become a link.
  if (Deno.readLinkSync(path) === real) return held;
  held[Symbol.dispose]();
  throw new FileChanged();
}
