/**
 * Memory that system calls read and write.
 *
 * A block knows its bounds, and is the only way from bytes to an address: an address never outlives the block that it
 * came from, and a range outside of the block is a RangeError before any call is made. In a guarded build, canaries
 * around each block show writes past its ends.
 *
 * @module
 */

/** Bytes that do not move while the block is referenced. */
export class Block {
  /** The bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #at: Deno.PointerObject;
  #address: bigint | undefined;

  private constructor(bytes: Uint8Array<ArrayBuffer>) {
    const { buffer, byteOffset, byteLength } = bytes; // reading `buffer` moves small arrays out of V8's heap
    this.bytes = new Uint8Array(buffer, byteOffset, byteLength);
    this.#at = Deno.UnsafePointer.of(byteLength === 0 ? NOTHING : this.bytes)!;
  }

  /** Allocates zeroed memory. */
  static allocate(length: number): Block {
    if (!guarding) return new Block(new Uint8Array(length));
    const whole = new Uint8Array(length + 2 * CANARY_BYTES).fill(CANARY);
    const block = new Block(whole.subarray(CANARY_BYTES, CANARY_BYTES + length));
    block.bytes.fill(0);
    guarded.add(new WeakRef(whole));
    return block;
  }

  /** Takes bytes as they are, without a copy; they must not be modified while they are being sent. */
  static of(bytes: Uint8Array<ArrayBuffer>): Block {
    return new Block(bytes);
  }

  /** A copy of bytes. */
  static copyOf(bytes: Uint8Array): Block {
    const block = Block.allocate(bytes.length);
    block.bytes.set(bytes);
    return block;
  }

  get length(): number {
    return this.bytes.length;
  }

  /**
   * The address of a range. Use it for one call, and keep the block referenced until that has returned.
   *
   * @throws RangeError if the range is not within the block.
   */
  range(from: number, until: number): Deno.PointerObject {
    this.#require(from, until);
    return from === 0 ? this.#at : Deno.UnsafePointer.offset(this.#at, from)!;
  }

  /** The same as a number, for structures that contain addresses. */
  address(from: number, until: number): bigint {
    this.#require(from, until);
    return (this.#address ??= Deno.UnsafePointer.value(this.#at)) + BigInt(from);
  }

  #require(from: number, until: number): void {
    if (!(from >= 0 && from <= until && until <= this.bytes.length)) {
      throw new RangeError(`Not within a block of ${this.bytes.length} bytes: ${from} to ${until}`);
    }
  }
}

const NOTHING = new Uint8Array(1);

const CANARY_BYTES = 64;
const CANARY = 0xa5;

let guarding = false;
const guarded = new Set<WeakRef<Uint8Array>>();

/** Surrounds blocks that are allocated from now on with canaries, or no longer does. For tests. */
export function guardBlocks(on: boolean): void {
  guarding = on;
  if (!on) guarded.clear();
}

/**
 * Looks at all canaries; returns how many blocks there are.
 *
 * @throws Error if one has been overwritten.
 */
export function checkGuards(): number {
  for (const reference of guarded) {
    const whole = reference.deref();
    if (whole === undefined) guarded.delete(reference);
    else if (!isIntact(whole)) throw new Error("A system call wrote past the end of its block");
  }
  return guarded.size;
}

function isIntact(whole: Uint8Array): boolean {
  for (let i = 0; i < CANARY_BYTES; i++) {
    if (whole[i] !== CANARY || whole[whole.length - 1 - i] !== CANARY) return false;
  }
  return true;
}
