/**
 * Finds out which conditions a store evaluates: some refuse them, and some ignore them.
 *
 * @module
 */

import type { StoreClient } from "./client.ts";
import { Mutex } from "./mutex.ts";
import { type Condition, type Conditions, Writes } from "./writes.ts";

const CONTENT = new TextEncoder().encode("pyserve checks whether this store evaluates conditions\n");

/** Tries to store an object twice under a name that nothing else has; it is deleted again. */
export async function probeConditions(client: StoreClient, statePrefix: string): Promise<Conditions> {
  const key = `${statePrefix}probe-${crypto.randomUUID()}`;
  const refuses = async (conditions: Conditions, write: (writes: Writes, condition: Condition) => Promise<unknown>) => {
    try {
      return await write(new Writes(client, conditions, new Mutex()), "new") === null;
    } catch {
      return false; // 501, as of a store that says that it does not
    }
  };
  try {
    await new Writes(client, { inPut: false, atEnd: false }).put(key, CONTENT, "any");
    const [inPut, atEnd] = await Promise.all([
      refuses({ inPut: true, atEnd: false }, (writes, condition) => writes.put(key, CONTENT, condition)),
      refuses(
        { inPut: false, atEnd: true },
        (writes, condition) => writes.assemble(key, [{ body: CONTENT }], condition),
      ),
    ]);
    return { inPut, atEnd };
  } finally {
    await new Writes(client, { inPut: false, atEnd: false }).remove(key);
  }
}
