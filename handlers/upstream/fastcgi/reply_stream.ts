/**
 * The body of an answer on its way to the client.
 *
 * @module
 */

import { Watchdog } from "../../core/watchdog.ts";
import { HttpError } from "../../core/errors.ts";
import type { Exchange } from "./client.ts";

/** What {@linkcode replyStream} waits for, in milliseconds, and whom it tells. */
export interface ReplyStreamOptions {
  /** How long the application may be silent. */
  readonly idleTimeout: number;
  /** How long the client may read nothing. */
  readonly stallTimeout: number;
  /** Is told why the body is broken off, unless it is because the client has left. */
  readonly broken: (error: unknown) => void;
}

/** What is left of an answer as a stream, which reads when it is asked to; cancelled, it ends the exchange. */
export function replyStream(
  exchange: Exchange,
  first: Uint8Array<ArrayBuffer>,
  { idleTimeout, stallTimeout, broken }: ReplyStreamOptions,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const watchdog = new Watchdog();
  let wanted = true;
  let held: Uint8Array<ArrayBuffer> | null = first.length > 0 ? first : null;
  const breakOff = (controller: ReadableStreamDefaultController, error: unknown) => {
    watchdog.stop();
    if (!wanted) return;
    wanted = false;
    broken(error);
    controller.error(error);
  };
  const waitForClient = (controller: ReadableStreamDefaultController) => {
    watchdog.set(stallTimeout, () => {
      const error = new HttpError(504, "The client has stopped reading");
      exchange.abort(error);
      breakOff(controller, error);
    });
  };
  return new ReadableStream({
    start: waitForClient, // with HTTP/2 a client may not let even the first piece come
    async pull(controller) {
      watchdog.rest();
      try {
        const bytes = held ?? await exchange.read(idleTimeout);
        held = null;
        if (!wanted) return;
        if (bytes === null) {
          watchdog.stop();
          return controller.close();
        }
        waitForClient(controller);
        controller.enqueue(bytes); // last, because the runtime may cancel from in here
      } catch (error) {
        breakOff(controller, error);
      }
    },
    cancel() {
      wanted = false;
      watchdog.stop();
      exchange.abort();
    },
  }, { highWaterMark: 0 });
}
