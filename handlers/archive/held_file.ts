/**
 * The file that an archive has read for its checksum and sends next: held in memory, so that it is read once.
 *
 * @module
 */

/** Bytes of a file that is held. */
export const HELD_BYTES = 16_777_216;

/** Bytes that all archives may hold together: where there is no room, a file is read twice. */
let room = 67_108_864;

/** Bytes read at a time where there is no room to hold a file. */
const CHUNK_BYTES = 262_144;

/** Memory for one file at a time. Whoever makes one disposes of it. */
export class HeldFile implements Disposable {
  #buffer = new Uint8Array();
  #index = -1;

  /** Whether this is a file that is held. */
  has(index: number): boolean {
    return this.#index === index;
  }

  /** The held file. */
  get bytes(): Uint8Array {
    return this.#buffer;
  }

  /** Memory to read a file into: for all of it, or for a part at a time. What was held is gone. */
  bufferFor(size: number): Uint8Array {
    this.#index = -1;
    return this.#grow(size) ? this.#buffer.subarray(0, size) : this.#buffer.subarray(0, CHUNK_BYTES);
  }

  /** Says that all of a file has been read. */
  hold(index: number): void {
    this.#index = index;
  }

  /** Makes the buffer as large as that, where there is room; at least as large as a chunk. */
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
