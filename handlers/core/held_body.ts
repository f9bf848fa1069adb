/**
 * Response bodies that hold a resource while they are sent, but not longer than the client keeps reading.
 *
 * @module
 */

/** How long a client may read nothing of such a body, in milliseconds; the default of other servers. */
export const STALL_MS = 60_000;

/** The resource that a body holds, and the timeout. */
export interface HeldBodyOptions {
  /** The resource: disposed of when the body ends, fails, or is cancelled. */
  readonly place: Disposable;
  /** How long the client may read nothing before the body is aborted, in milliseconds; defaults to 60,000. */
  readonly stallMs?: number;
  /** Called before a body is aborted. */
  readonly stalled?: () => void;
}

/**
 * Passes a body through unchanged, and releases a resource at its end, or when the client has stopped reading: then the
 * body fails and its source is cancelled. Time spent waiting for the source does not count.
 *
 * The client has read a chunk when the transport pulls the next one: chunks much larger than the connection's buffers
 * make slow clients appear stalled. Closing the connection is left to the transport.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { heldBody } from "@x/pyserve/handlers";
 *
 * let released = false;
 * const place = { [Symbol.dispose]: () => void (released = true) };
 * const body = heldBody(new Blob(["hello"]).stream(), { place });
 * assert(await new Response(body).text() === "hello" && released);
 * ```
 */
export function heldBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { place, stallMs = STALL_MS, stalled = () => {} }: HeldBodyOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hasLeft = false;
  const leave = () => {
    hasLeft = true;
    clearTimeout(timer);
    place[Symbol.dispose]();
  };
  const cancel = (reason: unknown) => {
    leave();
    return reader.cancel(reason);
  };
  const breakOff = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    stalled();
    const reason = new Error("The client has stopped reading");
    controller.error(reason);
    cancel(reason).catch(() => {}); // already failed; errors of the source do not matter
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    if (!hasLeft) timer = setTimeout(breakOff, stallMs, controller);
  };
  return new ReadableStream({
    start: watch, // over HTTP/2, the client can block even the first chunk by flow control
    async pull(controller) {
      clearTimeout(timer);
      try {
        const { done, value } = await reader.read();
        if (done) {
          leave();
          return controller.close();
        }
        controller.enqueue(value);
        watch(controller);
      } catch (error) {
        leave();
        throw error;
      }
    },
    cancel,
  }, { highWaterMark: 0 });
}
