/** Files, and what operations on them leave. */

import { WriteRefused } from "@x/pyserve/sources";
import type { Actor } from "@x/pyserve/store";

/** An actor with all rights. */
export const ALL: Actor = { may: () => true, isUniform: true };

/** Chunks of content. */
export function bytes(...chunks: readonly string[]): Uint8Array[] {
  return chunks.map((chunk) => new TextEncoder().encode(chunk));
}

/** The problem with which an operation is refused; null if it succeeds. */
export async function refusal(operation: Promise<unknown>): Promise<string | null> {
  try {
    await operation;
    return null;
  } catch (error) {
    if (error instanceof WriteRefused) return error.problem;
    throw error;
  }
}

/** Everything below a directory by its path, sorted: the text of a file, the target of a link, null for a directory. */
export function treeOf(directory: string): Record<string, string | null> {
  const found: [string, string | null][] = [];
  const walk = (above: string) => {
    for (const { name } of Deno.readDirSync(`${directory}/${above}`)) {
      const path = `${above}${name}`;
      const { isDirectory, isSymlink, isFile } = Deno.lstatSync(`${directory}/${path}`);
      if (isSymlink) found.push([path, `-> ${Deno.readLinkSync(`${directory}/${path}`)}`]);
      else found.push([path, isFile ? Deno.readTextFileSync(`${directory}/${path}`) : null]);
      if (isDirectory) walk(`${path}/`);
    }
  };
  walk("");
  return Object.fromEntries(found.sort(([a], [b]) => a < b ? -1 : 1));
}
