/**
 * Detects mount points in a directory tree: other file systems must not be removed or moved along with it.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { Found } from "./contained.ts";

/**
 * Whether a directory is, or contains, a mount point.
 *
 * Linux lists all mounts, including bind mounts. If that list is not accessible, the tree is searched for another
 * device number, which cannot detect a bind mount of the same file system.
 */
export async function hasMount(directory: Found): Promise<boolean> {
  return directory.isHeld ? await isListed(directory.real) : await isOfSeveralDevices(directory);
}

async function isListed(real: string): Promise<boolean> {
  const list = await Deno.readTextFile("/proc/self/mountinfo");
  for (const line of list.split("\n")) {
    const point = unescaped(line.split(" ", 5)[4] ?? ""); // proc(5)
    if (point === real || point.startsWith(real + SEPARATOR)) return true;
  }
  return false;
}

/** Space, tab, line feed and backslash are escaped in octal. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)));
}

async function isOfSeveralDevices({ real, info }: Found): Promise<boolean> {
  const above = await Deno.lstat(`${real}${SEPARATOR}..`);
  if (above.dev !== info.dev) return true;
  for (const directories = [real]; directories.length > 0;) {
    const directory = directories.pop()!;
    for await (const { name, isDirectory } of Deno.readDir(directory)) {
      if (!isDirectory) continue;
      const child = `${directory}${SEPARATOR}${name}`;
      if ((await Deno.lstat(child)).dev !== info.dev) return true;
      directories.push(child);
    }
  }
  return false;
}
