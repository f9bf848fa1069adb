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
import { Blocks } from "./blocks.ts";
import { HeldFile } from "./held_file.ts";
import type { ArchiveFormat, ContentPart, Part } from "./parts.ts";
import type { ArchivePlan } from "./plan.ts";
import type { Sums } from "./sums.ts";

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
  readonly #held = new HeldFile();
  #blocks: Blocks | null = null;
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
      await this.#giveTurn(count);
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
    this.#blocks = null;
  }

  async #next(): Promise<void> {
    if (this.#part !== null && "content" in this.#part) await this.#endContent(this.#part.content);
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

  #readContent(part: ContentPart, into: Uint8Array): Promise<number> {
    if (!part.blocked) return this.#readBytes(part, this.#within, into);
    this.#blocks ??= new Blocks(this.#archive.plan.member(part.content).size);
    return this.#blocks.read(this.#within, into, (offset, bytes) => this.#readBytes(part, offset, bytes));
  }

  async #readBytes({ content }: ContentPart, offset: number, into: Uint8Array): Promise<number> {
    const { size } = this.#archive.plan.member(content);
    const wanted = into.subarray(0, Math.min(into.length, size - offset));
    if (this.#held.has(content)) {
      wanted.set(this.#held.bytes.subarray(offset, offset + wanted.length));
      return wanted.length;
    }
    this.#content ??= await this.#open(content);
    const count = await this.#content.read(offset, wanted);
    if (count === 0) throw new FileChanged();
    if (this.#sum.bytes === offset) {
      this.#sum = { value: crc32(wanted.subarray(0, count), this.#sum.value), bytes: offset + count };
    }
    return count;
  }

  /** A file that was written to while it was read is a mixture: found out before its last bytes are sent. */
  async #endContent(index: number): Promise<void> {
    this.#closeContent();
    if (this.#held.has(index)) return; // it has been looked at when it was read
    const { plan, source, sums } = this.#archive;
    const path = plan.pathOf(index);
    if (path !== null && !plan.isUnchanged(index, await source.stat(path))) throw new FileChanged();
    if (this.#sum.bytes !== plan.member(index).size) return; // sent from its middle on
    if ((sums.get(index) ?? this.#sum.value) !== this.#sum.value) throw new FileChanged();
    sums.set(index, this.#sum.value);
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

  /** The checksum of a file, for which it is read before it is sent, or instead. */
  async #sumOf(index: number): Promise<number> {
    const { sums, plan } = this.#archive;
    const known = sums.get(index);
    if (known !== null) return known;
    const { size } = plan.member(index);
    const buffer = this.#held.bufferFor(size);
    this.#sum = { value: await this.#sumFile(index, size, buffer), bytes: size };
    await this.#endContent(index);
    if (buffer.length === size) this.#held.hold(index);
    return this.#sum.value;
  }

  /** Reads a file to its end, over and over into a buffer. */
  async #sumFile(index: number, size: number, buffer: Uint8Array): Promise<number> {
    let sum = 0;
    using file = await this.#open(index);
    for (let at = 0; at < size;) {
      const piece = buffer.subarray(at % buffer.length, at % buffer.length + Math.min(size - at, buffer.length));
      const count = await file.read(at, piece);
      if (count === 0) throw new FileChanged();
      sum = crc32(piece.subarray(0, count), sum);
      at += count;
      await this.#giveTurn(count);
    }
    return sum;
  }

  /** The bytes of a large file come from a thread: while they were waited for, others had their turn. */
  async #giveTurn(count: number): Promise<void> {
    if (count >= THREADED_BYTES) this.#turns = new Turns();
    else if (this.#turns.due) await this.#turns.next();
    this.#throwIfClosed();
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
    this.#held[Symbol.dispose]();
  }
}
