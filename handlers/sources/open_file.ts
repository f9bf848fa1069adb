/**
 * An open file of a source.
 *
 * @module
 */

import type { Awaitable } from "../core/types.ts";

/** An open file. The caller disposes of it. */
export interface OpenFile extends Disposable {
  /**
   * Reads from an offset into a buffer; may read less than the buffer holds.
   *
   * @returns The number of bytes read; 0 at the end of the file.
   */
  read(offset: number, into: Uint8Array): Awaitable<number>;
  /**
   * Optional: the content from an offset on as a native stream, faster than one built on `read`. The stream closes the
   * file at its end.
   */
  stream?(offset: number): ReadableStream<Uint8Array<ArrayBuffer>>;
}
