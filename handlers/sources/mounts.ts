/**
 * Whether file systems are mounted on a directory or below it: what is on those is not the directory's to remove or move.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import type { Found } from "./contained.ts";

/**
 * Whether there is a mount point at a directory or below it.
 *
 * Linux keeps a list, bind mounts included. Where that may not be read, the tree is gone through, looking for another device
 * number: a bind mount of the same file system cannot be told from a directory then.
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

/** Space, tab, line feed and backslash are octal escapes. */
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
