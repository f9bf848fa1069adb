/**
 * An open file of a source.
 *
 * @module
 */

import type { Awaitable } from "../core/types.ts";
import type { FileStat } from "./file_stat.ts";

/**
 * An open file. The caller disposes of it. Use {@linkcode openBytes} for content in memory, {@linkcode openRanges} for
 * content that is fetched.
 */
export interface OpenFile extends Disposable {
  /**
   * Reads from an offset into a buffer; may read less than the buffer holds.
   *
   * @returns The number of bytes read; 0 at the end of the file, or of the range it was opened for.
   */
  read(offset: number, into: Uint8Array): Awaitable<number>;
  /**
   * Optional: the range it was opened for (else the whole file) as a native stream, faster than one built on `read`. It
   * may continue past the end of the range, and is only used where the transport truncates it. The stream closes the
   * file at its end.
   */
  stream?(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Optional: its descriptor, for a transport that sends from it; valid until the file is disposed of. */
  readonly descriptor?: number;
  /**
   * Optional: its metadata now, which tells whether it was changed while it was read, more cheaply than `stat` of the
   * source.
   */
  stat?(): Awaitable<FileStat>;
}
