/**
 * Free space on disk.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import type { Place } from "./place.ts";

const nodeFsPromises = onDemand(() => import("node:fs/promises"));

/** Free space on the file system of a directory in bytes; null if unknown. */
export async function freeSpace({ path }: Place): Promise<number | null> {
  // Never request the permission: on a terminal, the prompt would block the server.
  if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return null;
  try {
    const { statfs } = await nodeFsPromises();
    const { bavail, bsize } = await statfs(path);
    return Number(bavail) * Number(bsize);
  } catch {
    return null; // not supported by this file system
  }
}
