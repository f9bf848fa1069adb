/**
 * Reads files for their checksums: once for all concurrent requests, a few at a time, with a cache of results.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { Limiter } from "../core/limiter.ts";
import { nodeCrypto } from "../core/node.ts";
import { Turns } from "../core/turns.ts";
import { FileChanged, type FileSource, type FileStat } from "../sources/types.ts";

/** The supported algorithms, the recommended one first. */
export const ALGORITHMS = ["sha256", "sha512", "sha1", "md5"] as const;

export type Algorithm = typeof ALGORITHMS[number];

/** Hexadecimal digits of each. */
const LENGTHS: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128, sha1: 40, md5: 32 };

/** Concurrent reads, limited so that one client cannot occupy them all. */
const READ_AT_ONCE = { max: 4, maxPerClient: 2, queueMs: Infinity };

/** Bytes hashed at a time: at most a millisecond of work. */
const CHUNK_BYTES = 262_144;

/** Maximum number of cached results, some 300 bytes each. */
const KEPT = 1_000;

/** A file and the requested algorithm. */
export interface Wanted {
  readonly path: SitePath;
  /** The file's state when it was requested. */
  readonly stat: FileStat;
  readonly algorithm: Algorithm;
  /** The client, as identified by `clientOf`. */
  readonly client: string;
}

/** A read in progress, and the number of its waiters. */
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

  /** Number of hexadecimal digits. */
  lengthOf(algorithm: Algorithm): number {
    return LENGTHS[algorithm];
  }

  /**
   * The checksum of a file. Reading stops when the signals of all waiters are aborted.
   *
   * @throws {FileChanged} If the file has changed since it was requested.
   */
  async digest(wanted: Wanted, signal: AbortSignal): Promise<string> {
    const { path, stat: { version, stable }, algorithm } = wanted;
    const key = `${algorithm} ${version} ${path.text}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      this.#keep(key, kept);
      return kept;
    }
    // Until its modification time is stable, the file may have changed unnoticed since another read began.
    const reading = (stable ? this.#readings.get(key) : undefined) ?? this.#begin(key, wanted);
    return await this.#wait(key, reading, signal);
  }

  #begin(key: string, wanted: Wanted): Reading {
    const stop = new AbortController();
    const sum = this.#read(wanted, stop.signal).then((value) => {
      if (wanted.stat.stable) this.#keep(key, value);
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
        // A new request must not join a read that is being aborted.
        if (this.#readings.get(key) === reading) this.#readings.delete(key);
        reading.stop.abort();
        reading.sum.catch(() => {});
      }
    }
  }

  async #read({ path, stat, algorithm, client }: Wanted, signal: AbortSignal): Promise<string> {
    using _place = await this.#gate.enter(client, signal);
    using file = await this.#source.open(path, stat, { start: 0, end: stat.size });
    const hash = nodeCrypto().createHash(algorithm);
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, stat.size + 1)); // one extra, to detect growth
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

  /** Appends a result: LRU order. */
  #keep(key: string, sum: string): void {
    this.#kept.delete(key);
    if (this.#kept.size >= KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(key, sum);
  }
}
