/**
 * Finds out whether a store evaluates conditions: some refuse them, and some ignore them.
 *
 * @module
 */

import type { StoreClient } from "./client.ts";
import { Writes } from "./writes.ts";

const CONTENT = new TextEncoder().encode("pyserve checks whether this store evaluates conditions\n");

/** Tries to store an object again under a name that nothing else has, in both ways; it is deleted again. */
export async function evaluatesConditions(client: StoreClient, uploads: string): Promise<boolean> {
  const key = `${uploads}probe-${crypto.randomUUID()}`;
  const [plain, conditional] = [new Writes(client, false), new Writes(client, true)];
  try {
    await plain.put(key, CONTENT, "any");
    const stored = await Promise.all([
      conditional.put(key, CONTENT, "new").catch(() => "refused"), // 501, as of a store that says that it does not
      conditional.assemble(key, [{ body: CONTENT }], "new").catch(() => "refused"),
    ]);
    return stored.every((tag) => tag === null);
  } finally {
    await plain.remove(key);
  }
}
