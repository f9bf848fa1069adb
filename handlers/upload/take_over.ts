/**
 * Taking an upload over from a request that has most likely lost its client, whichever process answers that one.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { type PartFile, type SourceWriter, WriteRefused } from "../sources/writer.ts";
import type { Stop } from "./body.ts";

/** Milliseconds between two looks at whether another process waits for a part. */
const LOOK_MS = 200;

/** How often, and with how many milliseconds in between, a part is asked for that another process has: 10 s. */
const TURNS = 200;
const TURN_MS = 50;

/** Opens a part. While another process has it, that one is asked to let go of it; `busy` where it does not. */
export async function takeOver<T>(
  writer: SourceWriter,
  path: SitePath,
  id: string,
  open: () => Promise<T>,
): Promise<T> {
  for (let turn = 1;; turn++) {
    try {
      return await open();
    } catch (error) {
      if (!(error instanceof WriteRefused && error.problem === "busy") || turn === TURNS) throw error;
    }
    await writer.claim(path, id);
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
}

/** Stops the reading of a request while another process waits for its part; until it is disposed of. */
export function stopWhenClaimed(part: PartFile, stop: Stop): Disposable {
  const timer = setInterval(() => {
    if (part.isClaimed()) stop.stop();
  }, LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
