/**
 * The body of a reply on its way to the client.
 *
 * @module
 */

import { Watchdog } from "../core/watchdog.ts";
import { HttpError } from "../core/errors.ts";

/** A reply that is read on demand. */
export interface Reply {
  /** The next chunk, null at the end; waits at most so many milliseconds, 0 = unlimited. */
  read(patience: number): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Ends the exchange with the application. */
  abort(reason?: HttpError): void;
}

/** Time limits of {@linkcode replyStream} in milliseconds, and its error callback. */
export interface ReplyStreamOptions {
  /** How long the application may be silent. */
  readonly idleTimeout: number;
  /** How long the client may stop reading. */
  readonly stallTimeout: number;
  /** Called with the reason if the body is aborted, unless the client disconnected. */
  readonly broken: (error: unknown) => void;
}

/** The rest of a reply as a stream that reads on demand; cancelling it aborts the exchange. */
export function replyStream(
  exchange: Reply,
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
    broken(error instanceof HttpError ? error.message : error);
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
    start: waitForClient, // an HTTP/2 client may block even the first chunk
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
        controller.enqueue(bytes); // last, because the runtime may call cancel synchronously
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
