/**
 * Bodies of requests, taken out of what has arrived: by length, or to the end of the connection. Chunked ones are in
 * `chunked.ts`.
 *
 * @module
 */

import { ChunkedBody } from "./chunked.ts";
import type { Framing } from "./framing.ts";
import type { InputBuffer } from "./input_buffer.ts";
import type { Rejection } from "./rejection.ts";

/** A body on its way. */
export interface Body {
  /** Whether the last byte of it has been taken. */
  readonly ended: boolean;
  /** Whether it ends where the connection does. */
  readonly endsWithConnection: boolean;
  /** Takes at most `max` bytes of content (at least 1); null where none has arrived yet, or the body has ended. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | Rejection | null;
}

/** The body of a framing. */
export function bodyOf(framing: Framing): Body {
  return framing.kind === "chunked" ? new ChunkedBody() : new LengthBody(framing.length);
}

class LengthBody implements Body {
  readonly endsWithConnection = false;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get ended(): boolean {
    return this.#left === 0;
  }

  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | null {
    const count = Math.min(max, this.#left, input.length);
    if (count === 0) return null;
    this.#left -= count;
    return input.take(count);
  }
}

/** The body of a request without one. */
export const NO_BODY: Body = new LengthBody(0);

/** All that comes, in no framing: what is left of a connection that has changed its protocol. */
export class RawBody implements Body {
  /** Always false: the end is seen by whoever fills the buffer. */
  readonly ended = false;
  /** Always true. */
  readonly endsWithConnection = true;

  /** Takes what is there. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | null {
    return input.length === 0 ? null : input.take(max);
  }
}
