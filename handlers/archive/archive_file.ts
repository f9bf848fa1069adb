/**
 * An archive as an open file: any of its bytes can be read, and none is made before.
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { Turns } from "../listing/turns.ts";
import type { SitePath } from "../http/target.ts";
import { openBytes } from "../sources/memory.ts";
import { FileChanged, type FileSource, type OpenFile } from "../sources/types.ts";
import type { ArchiveFormat, ContentPart, Part } from "./parts.ts";
import type { ArchivePlan } from "./plan.ts";
import type { Sums } from "./sums.ts";

/** Bytes read at a time to make a checksum. */
const CHUNK_BYTES = 262_144;

/** Reads of so many bytes are not done at once. */
const THREADED_BYTES = 131_072;

/** What an archive is read from. */
export interface ArchiveParts {
  readonly source: FileSource;
  readonly plan: ArchivePlan;
  readonly format: ArchiveFormat;
  readonly sums: Sums;
}

/** Told where an archive cannot be read to its end, because of a file. */
export type ArchiveFailed = (path: SitePath | null, error: unknown) => void;

/** Bytes of the whole archive. */
export async function sizeOf({ plan, format }: Pick<ArchiveParts, "plan" | "format">): Promise<number> {
  const turns = new Turns();
  let size = 0;
  for (const part of format(plan)) {
    size += part.size;
    if (turns.due) await turns.next();
  }
  return size;
}

/**
 * Reads an archive from its files, one open at a time. A file that is no longer the one that was planned makes the read
 * fail: nothing that is sent may look whole and not be.
 */
export class ArchiveFile implements OpenFile {
  readonly #archive: ArchiveParts;
  readonly #failed: ArchiveFailed;
  #parts: Iterator<Part> | null = null;
  #part: Part | null = null;
  /** The bytes of the part, where it is made. */
  #made: Uint8Array | null = null;
  #within = 0;
  #at = -1;
  #content: OpenFile | null = null;
  /** The file that was opened last. */
  #reading: SitePath | null = null;
  /** The checksum of the file's first bytes, and of how many. */
  #sum = { value: 0, bytes: 0 };
  #closed = false;
  /** One for all reads: each is done before a slice is over, and the next one is asked for at once. */
  #turns = new Turns();

  constructor(archive: ArchiveParts, failed: ArchiveFailed) {
    this.#archive = archive;
    this.#failed = failed;
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    try {
      return await this.#read(offset, into);
    } catch (error) {
      if (!this.#closed) this.#failed(this.#reading, error);
      throw error;
    }
  }

  async #read(offset: number, into: Uint8Array): Promise<number> {
    if (offset !== this.#at) await this.#seek(offset, this.#turns);
    let filled = 0;
    while (filled < into.length && this.#part !== null) {
      const count = await this.#readPart(this.#part, into.subarray(filled));
      filled += count;
      this.#at += count;
      this.#within += count;
      if (this.#within === this.#part.size) await this.#next();
      // The bytes of a large file come from a thread: while they were waited for, others had their turn.
      if (count >= THREADED_BYTES) this.#turns = new Turns();
      else if (this.#turns.due) await this.#turns.next();
      this.#throwIfClosed();
    }
    return filled;
  }

  async #seek(offset: number, turns: Turns): Promise<void> {
    this.#closeContent();
    this.#parts = this.#archive.format(this.#archive.plan)[Symbol.iterator]();
    this.#at = offset;
    let start = 0;
    for (let next = this.#parts.next(); !next.done; next = this.#parts.next()) {
      if (start + next.value.size > offset) return this.#enter(next.value, offset - start);
      start += next.value.size;
      if (turns.due) await turns.next();
    }
    this.#part = null;
  }

  #enter(part: Part | null, within: number): void {
    this.#part = part;
    this.#made = null;
    this.#within = within;
    this.#sum = { value: 0, bytes: 0 };
  }

  async #next(): Promise<void> {
    if (this.#part !== null && "content" in this.#part) await this.#endContent(this.#part);
    const next = this.#parts!.next();
    this.#enter(next.done ? null : next.value, 0);
  }

  async #readPart(part: Part, into: Uint8Array): Promise<number> {
    if ("content" in part) return await this.#readContent(part, into);
    this.#made ??= "summed" in part ? part.make(await this.#sumOf(part.summed)) : part.make();
    const piece = this.#made.subarray(this.#within, this.#within + into.length);
    into.set(piece);
    return piece.length;
  }

  async #readContent({ content, size }: ContentPart, into: Uint8Array): Promise<number> {
    this.#content ??= await this.#open(content);
    const wanted = into.subarray(0, Math.min(into.length, size - this.#within));
    const count = await this.#content.read(this.#within, wanted);
    if (count === 0) throw new FileChanged();
    if (this.#sum.bytes === this.#within) {
      this.#sum = { value: crc32(wanted.subarray(0, count), this.#sum.value), bytes: this.#within + count };
    }
    return count;
  }

  /** A file that was written to while it was read is a mixture: found out before its last bytes are sent. */
  async #endContent({ content, size }: ContentPart): Promise<void> {
    this.#closeContent();
    const { plan, source, sums } = this.#archive;
    const path = plan.pathOf(content);
    if (path !== null && !plan.isUnchanged(content, await source.stat(path))) throw new FileChanged();
    if (this.#sum.bytes === size) sums.set(content, this.#sum.value);
  }

  async #open(index: number): Promise<OpenFile> {
    const { plan, source } = this.#archive;
    const path = plan.pathOf(index);
    this.#reading = path;
    if (path === null) return openBytes(plan.report);
    const stat = await source.stat(path);
    if (!plan.isUnchanged(index, stat)) throw new FileChanged();
    const file = await source.open(path, stat);
    if (!this.#closed) return file;
    file[Symbol.dispose]();
    throw new Error("The archive was closed while it was read");
  }

  /** The checksum of a file, for which it is read where the archive is not read from its beginning. */
  async #sumOf(index: number): Promise<number> {
    const { sums, plan } = this.#archive;
    const known = sums.get(index);
    if (known !== null) return known;
    const { size } = plan.member(index);
    const part = { size, content: index };
    const buffer = new Uint8Array(Math.min(CHUNK_BYTES, size));
    let sum = 0;
    const turns = new Turns();
    using file = await this.#open(index);
    for (let at = 0; at < size;) {
      const count = await file.read(at, buffer.subarray(0, size - at));
      if (count === 0) throw new FileChanged();
      sum = crc32(buffer.subarray(0, count), sum);
      at += count;
      if (turns.due) await turns.next();
      this.#throwIfClosed();
    }
    this.#sum = { value: sum, bytes: size };
    await this.#endContent(part);
    return sum;
  }

  #throwIfClosed(): void {
    if (this.#closed) throw new Error("The archive was closed while it was read");
  }

  #closeContent(): void {
    this.#content?.[Symbol.dispose]();
    this.#content = null;
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    this.#closeContent();
  }
}
