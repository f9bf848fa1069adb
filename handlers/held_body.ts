/**
 * Bodies that hold something while they are sent, and not for longer than their client reads.
 *
 * @module
 */

/** Milliseconds a client may take nothing of a body that holds something: what other servers allow. */
export const STALL_MS = 60_000;

/** What a body holds, and for how long. */
export interface HeldBodyOptions {
  /** Disposed of when the body has ended, has failed, or is not wanted any more. */
  readonly place: Disposable;
  /** Milliseconds in which the client takes nothing after which the body is broken off; 60,000 unless given. */
  readonly stallMs?: number;
  /** Told before a body is broken off. */
  readonly stalled?: () => void;
}

/**
 * Passes a body on unchanged, and lets go of a place at its end, or when the client has taken nothing for a while: then
 * the body fails, and what it is made from is cancelled. The time in which the client waits for bytes does not count.
 *
 * A client takes a piece when the transport asks for the next one: pieces that are large beside the buffers of a connection
 * make slow clients look stalled. The connection itself is the transport's to close.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { heldBody, Limiter } from "@x/pyserve";
 *
 * const limiter = new Limiter({ max: 1, queueMs: 0 });
 * const body = heldBody(new Blob(["hello"]).stream(), { place: await limiter.enter() });
 * assert(await new Response(body).text() === "hello");
 * assert(limiter.inside === 0);
 * ```
 */
export function heldBody(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  { place, stallMs = STALL_MS, stalled = () => {} }: HeldBodyOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const reader = body.getReader();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const leave = () => {
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
    cancel(reason).catch(() => {}); // it is over, however that ends
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
    timer = setTimeout(breakOff, stallMs, controller);
  };
  return new ReadableStream({
    start: watch, // with HTTP/2 a client may not let even the first piece come
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
