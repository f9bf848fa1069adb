/**
 * Deflated files of a ZIP archive.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { Readable } from "node:stream";
import { crc32, createInflateRaw, inflateRawSync } from "node:zlib";
import { HttpError } from "../core/errors.ts";
import { openBytes } from "./memory.ts";
import type { OpenFile } from "./open_file.ts";
import { DAMAGED, MAX_RANGED_BYTES, type ZipFile } from "./zip_directory.ts";

/** Files up to this size are inflated at once, which takes about a millisecond. */
const WHOLE_BYTES = 262_144;

/** Chunk size, of both sides. A bomb expands no further than that at a time. */
const CHUNK_BYTES = 65_536;

/** Opens a deflated file; closes the archive if it does not need it any more. */
export async function openInflated(archive: OpenFile, start: number, entry: ZipFile): Promise<OpenFile> {
  if (entry.size > WHOLE_BYTES || entry.packed > WHOLE_BYTES) return new InflatedFile(archive, start, entry);
  const parts: Uint8Array[] = [];
  for await (const chunk of packedChunks(archive, start, entry.packed)) parts.push(chunk);
  const bytes = inflateWhole(parts, entry);
  archive[Symbol.dispose]();
  return openBytes(bytes);
}

function inflateWhole(parts: readonly Uint8Array[], { size, crc }: ZipFile): Uint8Array {
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(parts.length === 1 ? parts[0]! : Buffer.concat(parts), {
      maxOutputLength: Math.max(1, size),
    });
  } catch (error) {
    throw new HttpError(500, DAMAGED, { cause: error });
  }
  if (bytes.length !== size || crc32(bytes) !== crc) throw new HttpError(500, DAMAGED);
  return bytes;
}

/**
 * A file that is inflated from its beginning while it is read. Reading further back starts over. Sends neither more bytes
 * than promised, nor fewer without an error; the last ones only if the checksum is right.
 */
class InflatedFile implements OpenFile {
  readonly #archive: OpenFile;
  readonly #start: number;
  readonly #entry: ZipFile;
  #chunks: AsyncGenerator<Uint8Array> | null = null;
  #chunk: Uint8Array = new Uint8Array();
  #chunkStart = 0;

  constructor(archive: OpenFile, start: number, entry: ZipFile) {
    this.#archive = archive;
    this.#start = start;
    this.#entry = entry;
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    if (offset >= this.#entry.size) return 0;
    if (offset < this.#chunkStart) await this.#startOver();
    while (offset >= this.#chunkStart + this.#chunk.length) await this.#receive();
    const part = this.#chunk.subarray(offset - this.#chunkStart).subarray(0, into.length);
    into.set(part);
    return part.length;
  }

  /** Keeps a file of which several ranges may be wanted, so that it is inflated twice at most. */
  async #startOver(): Promise<void> {
    await this.#chunks?.return(null);
    this.#chunks = null;
    this.#chunk = new Uint8Array();
    this.#chunkStart = 0;
    if (this.#entry.size > MAX_RANGED_BYTES) return;
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.#inflate()) chunks.push(chunk);
    this.#chunk = Buffer.concat(chunks);
  }

  #inflate(): AsyncGenerator<Uint8Array> {
    return inflate(packedChunks(this.#archive, this.#start, this.#entry.packed), this.#entry);
  }

  async #receive(): Promise<void> {
    this.#chunks ??= this.#inflate();
    const { done, value } = await this.#chunks.next();
    if (done) throw new HttpError(500, DAMAGED); // it has fewer bytes than promised
    this.#chunkStart += this.#chunk.length;
    this.#chunk = value;
  }

  [Symbol.dispose](): void {
    this.#chunks?.return(null).catch(() => {}); // whether it fails does not matter any more
    this.#archive[Symbol.dispose]();
  }
}

async function* inflate(packed: AsyncIterable<Uint8Array>, { size, crc }: ZipFile): AsyncGenerator<Uint8Array> {
  const inflater = createInflateRaw({ chunkSize: CHUNK_BYTES });
  const input = Readable.from(packed);
  input.on("error", (error) => inflater.destroy(error));
  input.pipe(inflater);
  let [count, sum] = [0, 0];
  try {
    for await (const chunk of inflater) {
      count += chunk.length;
      sum = crc32(chunk, sum);
      if (count > size || (count === size && sum !== crc)) throw new HttpError(500, DAMAGED);
      yield chunk;
      if (count === size) return;
    }
  } catch (error) {
    throw error instanceof HttpError ? error : new HttpError(500, DAMAGED, { cause: error });
  } finally {
    input.destroy();
    inflater.destroy();
  }
}

async function* packedChunks(file: OpenFile, start: number, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < length;) {
    const into = new Uint8Array(Math.min(CHUNK_BYTES, length - at));
    const count = await file.read(start + at, into);
    if (count === 0) throw new HttpError(500, DAMAGED);
    at += count;
    yield into.subarray(0, count);
  }
}
