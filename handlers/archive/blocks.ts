/**
 * Self-delimiting content: a deflate stream (RFC 1951) of stored blocks. Its size is known in advance, and any part of
 * it can be generated from the corresponding part of the content.
 *
 * @module
 */

/** Content bytes of every block except the last (RFC 1951 section 3.2.4). */
const BLOCK = 65_535;

/** Bytes of a block header: type and length. */
const HEADER = 5;

/** Encoded size of non-empty content. */
export function blockedSize(size: number): number {
  return size + HEADER * Math.ceil(size / BLOCK);
}

/** Reads content at an offset: at least one byte, possibly fewer than requested. */
export type ReadContent = (offset: number, into: Uint8Array) => Promise<number>;

/** The encoded blocks of one content, with random access. */
export class Blocks {
  readonly #size: number;
  #buffer = new Uint8Array();

  /** @param size Size of the content in bytes. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Reads encoded bytes at an offset: at least one byte, possibly fewer than requested. */
  async read(offset: number, into: Uint8Array, content: ReadContent): Promise<number> {
    const block = Math.floor(offset / (HEADER + BLOCK));
    const within = offset % (HEADER + BLOCK);
    if (within < HEADER) return this.#readHeader(block, within, into);
    const start = block * BLOCK + within - HEADER;
    const wanted = this.#contentIn(start, into.length);
    if (this.#buffer.length < wanted) this.#buffer = new Uint8Array(wanted);
    const count = await content(start, this.#buffer.subarray(0, wanted));
    return this.#spread(start, this.#buffer.subarray(0, count), into);
  }

  #readHeader(block: number, within: number, into: Uint8Array): number {
    const piece = this.#header(block).subarray(within, within + into.length);
    into.set(piece);
    return piece.length;
  }

  #header(block: number): Uint8Array {
    const left = this.#size - block * BLOCK;
    const length = Math.min(left, BLOCK);
    return Uint8Array.of(left <= BLOCK ? 1 : 0, length, length >> 8, ~length, ~length >> 8);
  }

  /** Content bytes within a range of encoded bytes that starts with content. */
  #contentIn(start: number, length: number): number {
    const first = Math.min(BLOCK - start % BLOCK, length);
    const behind = Math.max(0, length - first);
    const whole = Math.floor(behind / (HEADER + BLOCK));
    const last = Math.max(0, behind % (HEADER + BLOCK) - HEADER);
    return Math.min(first + whole * BLOCK + last, this.#size - start);
  }

  /** Inserts the block headers between the content; returns the number of encoded bytes. */
  #spread(start: number, content: Uint8Array, into: Uint8Array): number {
    let filled = 0;
    for (let at = 0; at < content.length;) {
      if (at > 0) {
        into.set(this.#header((start + at) / BLOCK), filled);
        filled += HEADER;
      }
      const piece = content.subarray(at, at + BLOCK - (start + at) % BLOCK);
      into.set(piece, filled);
      filled += piece.length;
      at += piece.length;
    }
    return filled;
  }
}
