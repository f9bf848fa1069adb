/**
 * From the pieces that a network brings to writes of a size that a disk likes.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { PartFile } from "../sources/writer.ts";
import type { Verification } from "./digest.ts";
import { turns } from "./turns.ts";

/**
 * Bytes written at a time. In pieces of 16 to 64 KiB, as they come, 1 GiB took two to four times as long; larger ones than
 * this were no faster.
 */
const BUFFER_BYTES = 262_144;

/** How large a part may get. */
export interface SizeLimit {
  /** Bytes at most. */
  readonly bytes: number;
  /** The error of one that would have so many. */
  error(size: number): HttpError;
}

/** The limit of all files. */
export function fileLimit(maxBytes: number): SizeLimit {
  return { bytes: maxBytes, error: () => tooLarge(maxBytes) };
}

/** Fills one buffer while the other is written, in another thread: the event loop waits for no disk. */
export class Spool {
  #part: PartFile;
  readonly #limit: SizeLimit;
  readonly #verification: Verification | null;
  #filling: Uint8Array<ArrayBuffer> | null = null;
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
  #size: number;
  #writing: Promise<void> = Promise.resolve();

  /** Appends to a part, up to a size. */
  constructor(part: PartFile, limit: SizeLimit, verification: Verification | null = null) {
    this.#part = part;
    this.#limit = limit;
    this.#verification = verification;
    this.#size = part.size;
  }

  /** Goes on with another part, once the one before is finished. */
  goOnWith(part: PartFile): void {
    this.#part = part;
    this.#size = part.size;
    this.#filled = 0;
    this.#writing = Promise.resolve();
  }

  /** Takes bytes, and is done with them when that is done. Throws what the limit says where they are too many. */
  async push(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.length;
    if (this.#size > this.#limit.bytes) throw this.#limit.error(this.#size);
    if (this.#verification) await this.#verify(this.#verification, bytes);
    for (let at = 0; at < bytes.length;) {
      this.#filling ??= new Uint8Array(BUFFER_BYTES);
      const piece = bytes.subarray(at, at + this.#filling.length - this.#filled);
      this.#filling.set(piece, this.#filled);
      this.#filled += piece.length;
      at += piece.length;
      if (this.#filled === this.#filling.length) await this.#write();
    }
  }

  async #verify(verification: Verification, bytes: Uint8Array): Promise<void> {
    turns.take(() => verification.update(bytes));
    if (turns.due) await turns.next();
  }

  /** Writes what is left. */
  async finish(): Promise<void> {
    await this.#write();
    await this.#writing;
  }

  /** Waits until nothing is being written any more, well or badly. */
  async idle(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  async #write(): Promise<void> {
    await this.#writing;
    if (this.#filling === null || this.#filled === 0) return;
    const full = this.#filling;
    const bytes = full.subarray(0, this.#filled);
    [this.#filling, this.#spare, this.#filled] = [this.#spare, full, 0];
    this.#writing = this.#part.write(bytes);
    this.#writing.catch(() => {}); // whoever waits for it next is told
  }
}

/** The error of an upload that has more bytes than are taken. */
export function tooLarge(maxBytes: number): HttpError {
  return new HttpError(413, `No more than ${maxBytes} bytes are taken in one file`, {
    problem: { "max-size": maxBytes },
  });
}
