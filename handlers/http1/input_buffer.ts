/**
 * Bytes that have arrived and nobody has taken yet. No I/O: somebody else fills it.
 *
 * @module
 */

/** Room made at first: the head of nearly every request fits. */
const FIRST_BYTES = 8_192;

/** A buffer that had to grow beyond this is given back once it is empty. */
const KEPT_BYTES = 65_536;

const LF = 0x0a;

/** Buffers that connections have left behind, for the next ones: to make one takes longer than to read a request. */
const spare: Uint8Array<ArrayBuffer>[] = [];
const MOST_SPARE = 64;

/** A queue of bytes with lines in it. What is taken is a copy, so that nobody holds the buffer itself. */
export class InputBuffer {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  #start = 0;
  #end = 0;
  /** Whether more may have come at once than there was room for. */
  #filledUp = false;
  /** How many of the bytes have been looked through for the end of a line, so that a slow line is not read again and again. */
  #searched = 0;

  /** Bytes that are there. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Room to read into; say with {@linkcode filled} how much of it was used. */
  room(): Uint8Array<ArrayBuffer> {
    if (this.#start === this.#end) this.#reset();
    if (this.#bytes.length - this.#end < FIRST_BYTES / 4) this.#makeRoom();
    return this.#bytes.subarray(this.#end);
  }

  /** Adds the first `count` bytes of the room to what is there. */
  filled(count: number): void {
    this.#end += count;
    this.#filledUp = this.#end === this.#bytes.length;
  }

  /** Adds bytes. */
  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.room();
      const part = bytes.subarray(at, at + room.length);
      room.set(part);
      this.filled(part.length);
      at += part.length;
    }
  }

  /**
   * Takes the next line with its line end (LF), or the first `limit` bytes of one that is longer; null where neither has
   * arrived.
   */
  takeLine(limit: number): Uint8Array<ArrayBuffer> | null {
    const available = Math.min(this.length, limit);
    const window = this.#bytes.subarray(this.#start, this.#start + available);
    const at = window.indexOf(LF, this.#searched);
    if (at >= 0) return this.take(at + 1);
    if (available === limit) return this.take(limit);
    this.#searched = available;
    return null;
  }

  /** Takes at most `max` bytes; none where nothing is there. */
  take(max: number): Uint8Array<ArrayBuffer> {
    const end = Math.min(this.#start + max, this.#end);
    const taken = this.#bytes.slice(this.#start, end);
    this.#start = end;
    this.#searched = 0;
    return taken;
  }

  /** Throws at most `max` bytes away, and says how many. */
  drop(max: number): number {
    const count = Math.min(max, this.length);
    this.#start += count;
    this.#searched = 0;
    return count;
  }

  /** Throws away all that is there, and gives the memory back; nobody may be reading into the room. */
  release(): void {
    if (this.#bytes.length === FIRST_BYTES && spare.length < MOST_SPARE) spare.push(this.#bytes);
    this.#bytes = new Uint8Array(0);
    this.#start = this.#end = this.#searched = 0;
  }

  #reset(): void {
    this.#start = this.#end = this.#searched = 0;
    // Who sends a lot is read a lot at a time.
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

/** Text of bytes, a character a byte (ISO 8859-1); the decoder of the platform makes windows-1252 of that. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8_192) {
    text += String.fromCharCode.apply(null, bytes.subarray(at, at + 8_192) as unknown as number[]);
  }
  return text;
}
