/** Files, and what operations on them leave. */

import { WriteRefused } from "@x/pyserve/sources";
import type { Actor, UploadPiece } from "@x/pyserve/store";

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

/** A piece of a resumable upload. */
export function pieceOf(
  content: string | AsyncIterable<Uint8Array>,
  offset: number,
  rest: Partial<UploadPiece> = {},
): UploadPiece {
  const chunks = async function* () {
    if (typeof content === "string") yield* bytes(content);
    else yield* content;
  };
  return {
    content: chunks,
    sent: typeof content === "string" ? content.length : null,
    offset,
    complete: null,
    length: null,
    isFirst: offset === 0,
    isKnown: true,
    onConflict: null,
    fallback: "fail",
    check: null,
    digest: null,
    checkOf: () => null,
    ...rest,
  };
}
