/**
 * Name conflicts.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";

/** What to do if a name is taken: refuse, find a free name, or replace the file. */
export type ConflictPolicy = "fail" | "rename" | "overwrite";

/** All policies. */
export const CONFLICT_POLICIES: readonly ConflictPolicy[] = ["fail", "rename", "overwrite"];

/** What to do about the name of a file that is stored. */
export interface Naming {
  /** What to do if the name is taken; defaults to `fail`. */
  readonly onConflict?: ConflictPolicy;
  /** The version to be replaced (`FileStat.version`); any other version, or a missing file, is refused as `changed`. */
  readonly expected?: string;
}

/** Maximum number of names tried: more conflicts are a client's mistake. */
const MOST_NUMBERS = 999;

/** Maximum length of a name on all common file systems. */
const MAX_NAME_BYTES = 255;

/**
 * The path itself and, for `rename`, `name (1).ext`, `name (2).ext` and so on.
 *
 * @param first The first number.
 */
export function* pathsFor(path: SitePath, policy: ConflictPolicy, first = 1): Generator<SitePath> {
  yield path;
  for (let number = first; policy === "rename" && number <= MOST_NUMBERS; number++) {
    yield path.sibling(numbered(path.name, number))!;
  }
}

/**
 * A number from which names are most likely free. Names are tried one by one on the main thread, so this search skips
 * those known to be taken: it checks some twenty names where there may be a thousand.
 */
export async function firstFreeNumber(path: SitePath, isTaken: (path: SitePath) => Promise<boolean>): Promise<number> {
  const isNumberTaken = (number: number) => {
    return number <= MOST_NUMBERS && isTaken(path.sibling(numbered(path.name, number))!);
  };
  let taken = 0;
  let free = 1;
  for (; await isNumberTaken(free); free *= 2) taken = free;
  while (free - taken > 1) {
    const middle = Math.floor((taken + free) / 2);
    if (await isNumberTaken(middle)) taken = middle;
    else free = middle;
  }
  return free;
}

/** Inserts a number before the extension; shortens the name if it would be too long. */
export function numbered(name: string, number: number): string {
  const [, stem, extension] = /^(.+?)((?:\.tar)?\.[^. ]{1,16})?$/su.exec(name) as unknown as [string, string, string?];
  const end = ` (${number})${extension ?? ""}`;
  const room = MAX_NAME_BYTES - new TextEncoder().encode(end).length;
  const { read } = new TextEncoder().encodeInto(stem, new Uint8Array(room)); // whole characters only
  return stem.slice(0, read) + end;
}
