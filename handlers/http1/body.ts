/**
 * Request bodies, decoded from the input buffer: by length, or until the connection closes. Chunked bodies are in
 * `chunked.ts`; `decoder.ts` chooses.
 *
 * @module
 */

import type { InputBuffer } from "./input_buffer.ts";
import type { Rejection } from "./rejection.ts";

/** A request body being decoded. */
export interface Body {
  /** Whether the body has been consumed completely. */
  readonly ended: boolean;
  /** Whether it is delimited by the end of the connection. */
  readonly endsWithConnection: boolean;
  /** Takes up to `max` bytes of content (at least 1); null if none has arrived yet, or the body has ended. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | Rejection | null;
}

/** A body of known length. */
export class LengthBody implements Body {
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

export const NO_BODY: Body = new LengthBody(0);

/** Everything that follows, unframed: for a connection that has switched protocols. */
export class RawBody implements Body {
  /** Always false: the owner of the buffer detects the end. */
  readonly ended = false;
  /** Always true. */
  readonly endsWithConnection = true;

  /** Takes the buffered bytes. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | null {
    return input.length === 0 ? null : input.take(max);
  }
}
