/**
 * Takes over an upload from a request whose client has most likely disconnected, in whatever process that request runs.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { type PartFile, type SourceWriter, WriteRefused } from "../sources/writer.ts";
import { AppendRefused } from "./append_refused.ts";

/** Milliseconds between checks whether another process waits for a part. */
const LOOK_MS = 200;

/** Maximum number of attempts to get a part held by another process, and milliseconds between them: 10 s in total. */
const TURNS = 200;
const TURN_MS = 50;

/** Opens a part. If another process holds it, requests its release; throws `busy` if that fails. */
export async function takeOver<T>(
  writer: SourceWriter,
  { path, id }: { readonly path: SitePath; readonly id: string },
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

/** Stops the request that writes to an upload, because another continues it. What has been received is kept. */
export function stopWriting(stop: AbortController): void {
  stop.abort(new AppendRefused({ kind: "superseded" }));
}

/** Stops a request when another process claims its part, until disposed of. */
export function stopWhenClaimed(part: PartFile, stop: AbortController): Disposable {
  const timer = setInterval(() => {
    if (part.isClaimed()) stopWriting(stop);
  }, LOOK_MS);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
