/**
 * Reading files for their checksums: each once for all who ask, a few at a time, and what is known is kept.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { SitePath } from "../http/target.ts";
import { Limiter } from "../limiter.ts";
import { Turns } from "../listing/turns.ts";
import { FileChanged, type FileSource, type FileStat } from "../sources/types.ts";

/** The checksums there are, strongest of the usual ones first. */
export const ALGORITHMS = ["sha256", "sha512", "sha1", "md5"] as const;

/** How a checksum is made. */
export type Algorithm = typeof ALGORITHMS[number];

/** Hexadecimal digits of each. */
const LENGTHS: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128, sha1: 40, md5: 32 };

/** Files that are read at the same time, so that no client has all of them to itself. */
const READ_AT_ONCE = { max: 4, maxPerClient: 2, queueMs: Infinity };

/** Bytes read at a time: no more than a millisecond of arithmetic. */
const CHUNK_BYTES = 262_144;

/** Results that are kept, at most; some 300 bytes each. */
const KEPT = 1_000;

/** A file, and which checksum of it is wanted. */
export interface Wanted {
  readonly path: SitePath;
  /** The file as it was seen. */
  readonly stat: FileStat;
  readonly algorithm: Algorithm;
  /** Who asks, as `clientOf` tells. */
  readonly client: string;
}

/** A file that is being read, and for how many. */
interface Reading {
  waiting: number;
  readonly stop: AbortController;
  readonly sum: Promise<string>;
}

/** All checksums of a source. */
export class Digests {
  readonly #source: FileSource;
  readonly #gate = new Limiter(READ_AT_ONCE);
  readonly #kept = new Map<string, string>();
  readonly #readings = new Map<string, Reading>();

  constructor(source: FileSource) {
    this.#source = source;
  }

  /** Digits of a checksum. */
  lengthOf(algorithm: Algorithm): number {
    return LENGTHS[algorithm];
  }

  /**
   * The checksum of a file. Where the signal says that it is not wanted any more, by nobody who asked, reading ends.
   *
   * @throws {FileChanged} Where the file is not the one that was seen.
   */
  async digest(wanted: Wanted, signal: AbortSignal): Promise<string> {
    const { path, stat: { version, settled }, algorithm } = wanted;
    const key = `${algorithm} ${version} ${path.text}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#keep(key, kept);
      return kept;
    }
    // What is not settled may have changed since another began, and nobody would see it.
    const reading = (settled ? this.#readings.get(key) : undefined) ?? this.#begin(key, wanted);
    return await this.#wait(key, reading, signal);
  }

  #begin(key: string, wanted: Wanted): Reading {
    const stop = new AbortController();
    const sum = this.#read(wanted, stop.signal).then((value) => {
      if (wanted.stat.settled) this.#keep(key, value);
      return value;
    }).finally(() => {
      if (this.#readings.get(key) === reading) this.#readings.delete(key);
    });
    const reading: Reading = { waiting: 0, stop, sum };
    this.#readings.set(key, reading);
    return reading;
  }

  async #wait(key: string, reading: Reading, signal: AbortSignal): Promise<string> {
    const { promise: gone, reject } = Promise.withResolvers<never>();
    const leave = () => reject(signal.reason);
    signal.addEventListener("abort", leave);
    reading.waiting += 1;
    try {
      if (signal.aborted) leave();
      return await Promise.race([reading.sum, gone]);
    } finally {
      signal.removeEventListener("abort", leave);
      reading.waiting -= 1;
      if (reading.waiting === 0) {
        // Who comes now would wait for what ends without a result.
        if (this.#readings.get(key) === reading) this.#readings.delete(key);
        reading.stop.abort();
        reading.sum.catch(() => {});
      }
    }
  }

  async #read({ path, stat, algorithm, client }: Wanted, signal: AbortSignal): Promise<string> {
    using _place = await this.#gate.enter(client, signal);
    using file = await this.#source.open(path, stat);
    const hash = createHash(algorithm);
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, stat.size + 1)); // one more, to see that nothing follows
    const turns = new Turns();
    let size = 0;
    for (let count = -1; count !== 0 && size <= stat.size; size += count) {
      count = await file.read(size, buffer);
      hash.update(buffer.subarray(0, count));
      if (turns.due) await turns.next();
      signal.throwIfAborted();
    }
    const now = await this.#source.stat(path);
    if (size !== stat.size || now?.version !== stat.version) throw new FileChanged();
    return hash.digest("hex");
  }

  /** Puts a result behind the others: the first is the one that was not asked for longest. */
  #keep(key: string, sum: string): void {
    this.#kept.delete(key);
    if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, sum);
  }
}
