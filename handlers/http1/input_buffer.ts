/**
 * The input buffer of a connection. Does no I/O.
 *
 * @module
 */

/** Initial size: enough for the head of nearly every request. */
const FIRST_BYTES = 8_192;

/** A buffer larger than this is released once it is empty. */
const KEPT_BYTES = 65_536;

const LF = 0x0a;

/** A pool of buffers of closed connections: allocating one takes longer than reading a request. */
const spare: Uint8Array<ArrayBuffer>[] = [];
const MOST_SPARE = 64;

/** A byte queue with line access. Returns copies, so the internal buffer never escapes. */
export class InputBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** Whether the last read filled the buffer, so that more data may be waiting. */
  #filledUp = false;
  /** How far the buffer has been searched for a line end, to avoid quadratic rescans of a line that arrives slowly. */
  #searched = 0;

  get length(): number {
    return this.#end - this.#start;
  }

  /** Free space to read into; report the number of bytes read with {@linkcode filled}. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end) this.#reset();
    if (this.#bytes.length - this.#end < FIRST_BYTES / 4) this.#makeRoom();
    return this.#bytes.subarray(this.#end);
  }

  /** Commits the first `count` bytes of the free space. */
  filled(count: number): void {
    this.#end += count;
    this.#filledUp = this.#end === this.#bytes.length;
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.room();
      const part = bytes.subarray(at, at + room.length);
      room.set(part);
      this.filled(part.length);
      at += part.length;
    }
  }

  /** Takes the next line including its LF, or the first `limit` bytes of a longer one; null if neither has arrived. */
  takeLine(limit: number): Uint8Array<ArrayBuffer> | null {
    const available = Math.min(this.length, limit);
    const window = this.#bytes.subarray(this.#start, this.#start + available);
    const at = window.indexOf(LF, this.#searched);
    if (at >= 0) return this.take(at + 1);
    if (available === limit) return this.take(limit);
    this.#searched = available;
    return null;
  }

  /** Takes up to `max` bytes; empty if nothing is buffered. */
  take(max: number): Uint8Array<ArrayBuffer> {
    const end = Math.min(this.#start + max, this.#end);
    const taken = this.#bytes.slice(this.#start, end);
    this.#start = end;
    this.#searched = 0;
    return taken;
  }

  /** What is buffered; valid until the next change. */
  view(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Discards up to `max` bytes; returns how many. */
  drop(max: number): number {
    const count = Math.min(max, this.length);
    this.#start += count;
    this.#searched = 0;
    return count;
  }

  /** Discards all data and releases the memory; no read into the free space may be pending. */
  release(): void {
    if (this.#bytes.length === FIRST_BYTES && spare.length < MOST_SPARE) spare.push(this.#bytes);
    this.#bytes = new Uint8Array(0);
    this.#start = this.#end = this.#searched = 0;
  }

  #reset(): void {
    this.#start = this.#end = this.#searched = 0;
    // Use large reads for clients that send a lot.
    if (this.#filledUp && this.#bytes.length < KEPT_BYTES) this.#bytes = new Uint8Array(KEPT_BYTES);
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = new Uint8Array(0);
    this.#filledUp = false;
  }

  #makeRoom(): void {
    const { length } = this;
    if (this.#bytes.length === 0 && spare.length > 0) return void (this.#bytes = spare.pop()!);
    const size = Math.max(FIRST_BYTES, this.#bytes.length);
    const bytes = length > size / 2 ? new Uint8Array(size * 2) : new Uint8Array(size);
    bytes.set(this.#bytes.subarray(this.#start, this.#end));
    this.#bytes = bytes;
    this.#start = 0;
    this.#end = length;
  }
}

/** Decodes ISO 8859-1; the platform's decoder would use windows-1252 instead. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8_192) as unknown as number[]);
  }
  return text;
}
