/**
 * Buffers chunks into larger writes.
 *
 * @module
 */

import { type PartFile, WriteRefused } from "../sources/writer.ts";
import { slices } from "./slices.ts";

/**
 * Write size in bytes. With chunks of 16 to 64 KiB, as they arrive, writing 1 GiB took two to four times as long;
 * larger writes were no faster.
 */
const BUFFER_BYTES = 262_144;

/** A size limit for a part. */
export interface SizeLimit {
  /** Maximum size in bytes. */
  readonly bytes: number;
  /** Creates the error for a larger size. */
  error(size: number): Error;
}

/** Verifies content, for example by a digest. */
export interface ContentCheck {
  /** Takes the next bytes. */
  update(bytes: Uint8Array): void;
  /** Throws if the content is not the expected one. */
  check(): void;
}

/** The limit for every file. */
export function fileLimit(maxBytes: number): SizeLimit {
  return { bytes: maxBytes, error: () => tooLarge(maxBytes) };
}

/** Double buffering: one buffer is filled while the other is written on another thread. */
export class WriteBuffer {
  #part: PartFile;
  readonly #limit: SizeLimit;
  readonly #verification: ContentCheck | null;
  #filling: Uint8Array<ArrayBuffer> | null = null;
  #spare: Uint8Array<ArrayBuffer> | null = null;
  #filled = 0;
  #size: number;
  #writing: Promise<void> = Promise.resolve();

  /** Appends to a part, up to a limit. */
  constructor(part: PartFile, limit: SizeLimit, verification: ContentCheck | null = null) {
    this.#part = part;
    this.#limit = limit;
    this.#verification = verification;
    this.#size = part.size;
  }

  /** Switches to another part after finishing the previous one. */
  continueWith(part: PartFile): void {
    this.#part = part;
    this.#size = part.size;
    this.#filled = 0;
    this.#writing = Promise.resolve();
  }

  /** Copies a chunk; it may be reused afterwards. Throws the limit's error if there are too many bytes. */
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

  async #verify(verification: ContentCheck, bytes: Uint8Array): Promise<void> {
    slices.run(() => verification.update(bytes));
    if (slices.due) await slices.next();
  }

  /** Flushes the buffer. */
  async finish(): Promise<void> {
    await this.#write();
    await this.#writing;
  }

  /** Waits for pending writes, whether they succeed or fail. */
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
    this.#writing.catch(() => {}); // reported to the next call that awaits it
  }
}

/** The refusal of a file above the limit. */
export function tooLarge(maxBytes: number): WriteRefused {
  return new WriteRefused("too large", null, { bytes: maxBytes });
}

/** Writes all chunks. No write is pending when it resolves or rejects. */
export async function receive(
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  buffer: WriteBuffer,
): Promise<void> {
  try {
    for await (const chunk of chunks) await buffer.push(chunk);
    await buffer.finish();
  } finally {
    await buffer.idle();
  }
}
