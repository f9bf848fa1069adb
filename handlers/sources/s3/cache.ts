/**
 * Small files in memory, by version: the store is asked for the version before each response, but not for the bytes again.
 *
 * @module
 */

/** Maximum size of a file that is kept. */
export const MOST_KEPT_BYTES = 262_144;

/** Estimated size of an entry besides its bytes. */
const ENTRY_BYTES = 512;

interface Kept {
  readonly version: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** An LRU cache of bodies, bounded in bytes. */
export class BodyCache {
  readonly #maxBytes: number;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether a file of this size can be kept. */
  hasRoomFor(size: number): boolean {
    return size <= MOST_KEPT_BYTES && size + ENTRY_BYTES <= this.#maxBytes;
  }

  /** The content of a version; null if it is not kept. */
  get(key: string, version: string): Uint8Array<ArrayBuffer> | null {
    const kept = this.#kept.get(key);
    if (kept?.version !== version) return null;
    this.#kept.delete(key);
    this.#kept.set(key, kept);
    return kept.bytes;
  }

  keep(key: string, kept: Kept): void {
    this.#drop(key);
    this.#kept.set(key, kept);
    this.#bytes += kept.bytes.length + ENTRY_BYTES;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes <= this.#maxBytes) break;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (!this.#kept.delete(key)) return;
    this.#bytes -= kept!.bytes.length + ENTRY_BYTES;
  }
}
