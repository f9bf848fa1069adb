/**
 * Content that says where it ends: a deflate stream (RFC 1951) of stored blocks. Its size is known, and any part of it can
 * be made of the same part of the content.
 *
 * @module
 */

/** Bytes of content in a block, but the last (RFC 1951 section 3.2.4). */
const BLOCK = 65_535;

/** Bytes in front of the content of a block: type and length. */
const HEADER = 5;

/** Bytes of the blocks of a content, which must not be empty. */
export function blockedSize(size: number): number {
  return size + HEADER * Math.ceil(size / BLOCK);
}

/** Reads content from an offset on, some of the bytes that are wanted; at least one. */
export type ReadContent = (offset: number, into: Uint8Array) => Promise<number>;

/** The blocks of one content, as something to read. */
export class Blocks {
  readonly #size: number;
  #buffer = new Uint8Array();

  /** @param size Bytes of the content. */
  constructor(size: number) {
    this.#size = size;
  }

  /** Reads from an offset into the blocks on, some of the bytes that are wanted; at least one. */
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

  /** Bytes of content in so many bytes of blocks, the first of which is content. */
  #contentIn(start: number, length: number): number {
    const first = Math.min(BLOCK - start % BLOCK, length);
    const behind = Math.max(0, length - first);
    const whole = Math.floor(behind / (HEADER + BLOCK));
    const last = Math.max(0, behind % (HEADER + BLOCK) - HEADER);
    return Math.min(first + whole * BLOCK + last, this.#size - start);
  }

  /** Puts content where it belongs, with the headers between; gives how many bytes that are. */
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
