/**
 * Keeps the file whose checksum has just been computed in memory, so that sending it does not read it again.
 *
 * @module
 */

/** Maximum size of a file kept in memory. */
export const HELD_BYTES = 16_777_216;

/** Memory left for all archives together; a file that does not fit is read twice. */
let room = 67_108_864;

/** Bytes read at a time when the file does not fit into memory. */
const CHUNK_BYTES = 262_144;

/** Buffer for one file at a time. The creator disposes of it. */
export class HeldFile implements Disposable {
  #buffer = new Uint8Array();
  #index = -1;

  /** Whether the buffer holds this file. */
  has(index: number): boolean {
    return this.#index === index;
  }

  /** The content of the held file. */
  get bytes(): Uint8Array {
    return this.#buffer;
  }

  /** Returns a buffer for the whole file, or for one chunk at a time. Drops the file held before. */
  bufferFor(size: number): Uint8Array {
    this.#index = -1;
    return this.#grow(size) ? this.#buffer.subarray(0, size) : this.#buffer.subarray(0, CHUNK_BYTES);
  }

  /** Marks the file as read completely. */
  hold(index: number): void {
    this.#index = index;
  }

  /** Grows the buffer to this size, at least to a chunk, if memory is left. */
  #grow(size: number): boolean {
    if (size <= this.#buffer.length) return true;
    const length = Math.min(Math.max(size, 2 * this.#buffer.length, CHUNK_BYTES), HELD_BYTES);
    const fits = size <= HELD_BYTES && length - this.#buffer.length <= room;
    if (!fits && this.#buffer.length >= CHUNK_BYTES) return false;
    this.#resize(fits ? length : CHUNK_BYTES);
    return fits;
  }

  #resize(length: number): void {
    room -= length - this.#buffer.length;
    this.#buffer = new Uint8Array(length);
  }

  [Symbol.dispose](): void {
    this.#index = -1;
    room += this.#buffer.length;
    this.#buffer = new Uint8Array();
  }
}
