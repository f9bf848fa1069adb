/**
 * Reading the content of a request, so that a client that has gone or stands still is noticed.
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** The content of a request ended before its time. What has come is all right, as far as it goes. */
export class BrokenOff extends HttpError {}

/** Ends the reading of a content from elsewhere. */
export class Stop {
  #cancel: (() => void) | null = null;
  #isStopped = false;

  /** Whether it was said. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Says so. */
  stop(): void {
    this.#isStopped = true;
    this.#cancel?.();
  }

  /** Calls back when it is said. */
  onStop(cancel: () => void): void {
    this.#cancel = cancel;
    if (this.#isStopped) cancel();
  }
}

/**
 * The content of a request, in pieces.
 *
 * @throws {BrokenOff} 400 where the client has gone, 408 where nothing came for `stallMs`, 409 where it was stopped.
 */
export async function* chunksOf(request: Request, stallMs: number, stop = new Stop()): AsyncGenerator<Uint8Array> {
  const reader = request.body?.getReader();
  if (!reader) return;
  let isStalled = false;
  // A pending read ends as if the content did, so it is asked afterwards why.
  const cancel = () => void reader.cancel().catch(() => {});
  stop.onStop(cancel);
  try {
    for (;;) {
      const timer = setTimeout(() => {
        isStalled = true;
        cancel();
      }, stallMs);
      const { done, value } = await reader.read().catch((cause) => {
        throw new BrokenOff(400, "The content broke off", { cause });
      }).finally(() => clearTimeout(timer));
      if (stop.isStopped) throw new BrokenOff(409, "Another request goes on with this upload");
      if (isStalled) throw new BrokenOff(408, `Nothing came for ${stallMs / 1000} seconds`);
      if (done) return;
      yield value;
    }
  } finally {
    cancel();
  }
}

/** The Content-Length of a request, or null where it has none. */
export function lengthOf(request: Request): number | null {
  const length = request.headers.get("content-length");
  return length !== null && /^\d{1,15}$/.test(length) ? Number(length) : null;
}
