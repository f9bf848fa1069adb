/**
 * Copies and moves in the place of something else: a directory, or a file that a directory replaces (`Overwrite: T` in
 * WebDAV, RFC 4918 sections 9.8.4 and 9.9.3).
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { type Committed, WriteRefused } from "../sources/writer.ts";
import type { ConflictPolicy } from "./conflict.ts";
import type { Operations } from "./operations.ts";

/** What is placed where. */
export interface Placed {
  readonly from: SitePath;
  readonly to: SitePath;
  readonly policy: ConflictPolicy;
}

/**
 * Runs a copy or move that replaces whatever is at its destination.
 *
 * A file in place of a file is replaced at once. In all other cases what is there gets another name first
 * (`NAME.replaced`), and is deleted afterwards: if the work fails, it gets its name back, and after a crash it is still there.
 *
 * @param work The copy or move, with the policy to use.
 */
export async function inPlaceOf<T extends Committed>(
  operations: Operations,
  { from, to, policy }: Placed,
  work: (policy: ConflictPolicy) => Promise<T>,
): Promise<T> {
  const known = operations.known("read");
  const [original, there] = [await known.stat(from), await known.stat(to)];
  const isWhole = original?.kind === "directory" || there?.kind === "directory";
  if (original === null || there === null || !isWhole) return await work(policy);
  if (from.below(to) !== null || to.below(from) !== null) throw new WriteRefused("inside itself");
  const aside = await operations.move(to, to.sibling(`${to.name}.replaced`)!, { onConflict: "rename" });
  const done = await work("fail").catch(async (error) => {
    await operations.move(aside.path, to).catch(() => {}); // somebody else may have used the name
    throw error;
  });
  await operations.remove(aside.path, { recursive: true });
  return { ...done, replaced: true };
}
