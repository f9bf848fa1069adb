/**
 * The content of a new file before it has a name: small ones in memory, larger ones as parts in the store.
 *
 * @module
 */

import { type CommitOptions, type Committed, type PartFile, WriteRefused } from "../writer.ts";
import { MOST_PARTS, partBytes, type StoredPart, type UploadState } from "./upload_state.ts";
import type { Piece } from "./writes.ts";

/** How often another owner is looked for, in milliseconds. */
const LOOK_MS = 2_000;

/** Gives content its name. */
export type Publish = (pieces: readonly Piece[], options: CommitOptions) => Promise<Committed>;

/** Where a part is, and how it is published. */
export interface PartOptions {
  readonly state: UploadState;
  readonly publish: Publish;
  /** Called once, when it has ended. */
  readonly ended: () => void;
}

/** An upload that is open. */
export class S3Part implements PartFile {
  readonly #options: PartOptions;
  readonly #owner = crypto.randomUUID();
  /** Null as long as nothing is stored: then nobody else can know of it. */
  #epoch: number | null = null;
  #parts: StoredPart[] = [];
  #storedBytes = 0;
  #buffer = new Uint8Array();
  #buffered = 0;
  #storing: Promise<void> = Promise.resolve();
  /** The stored part whose content is in memory again. */
  #tail: StoredPart | null = null;
  #loaded: { readonly part: StoredPart; readonly bytes: Uint8Array } | null = null;
  #lookedAt = performance.now();
  #isClaimed = false;

  private constructor(options: PartOptions) {
    this.#options = options;
  }

  /** A new one; what is stored under its id is discarded. */
  static async create(options: PartOptions): Promise<S3Part> {
    const part = new S3Part(options);
    const stored = await options.state.parts();
    if (stored === null) return part;
    await part.#own();
    await options.state.remove(stored);
    return part;
  }

  /** Continues one; null if there is none. */
  static async resume(options: PartOptions): Promise<S3Part | null> {
    const part = new S3Part(options);
    if (await options.state.parts() === null) return null;
    await part.#own(); // before its parts are looked at, so that an earlier owner adds none that count
    part.#parts = await options.state.parts() ?? [];
    part.#storedBytes = part.#parts.reduce((sum, { size }) => sum + size, 0);
    await part.#unstoreTail();
    return part;
  }

  get size(): number {
    return this.#storedBytes + this.#buffered;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const limit = partBytes(this.#parts.length + 1);
      const piece = bytes.subarray(at, at + limit - this.#buffered);
      this.#reserve(this.#buffered + piece.length, limit);
      this.#buffer.set(piece, this.#buffered);
      this.#buffered += piece.length;
      at += piece.length;
      if (this.#buffered === limit) await this.#store();
    }
  }

  async read(offset: number, into: Uint8Array): Promise<number> {
    await this.#storing;
    let start = 0;
    for (const part of this.#parts) {
      if (offset < start + part.size) return copied((await this.#load(part)).subarray(offset - start), into);
      start += part.size;
    }
    return copied(this.#buffer.subarray(0, this.#buffered).subarray(offset - start), into);
  }

  async truncate(size: number): Promise<void> {
    await this.#settled();
    if (this.#tail !== null) await this.#options.state.remove([this.#tail]);
    this.#tail = null; // it is in memory
    if (size >= this.#storedBytes) {
      this.#buffered = Math.min(this.#buffered, size - this.#storedBytes);
      return;
    }
    this.#buffered = 0;
    const removed: StoredPart[] = [];
    while (this.#storedBytes > size) {
      const part = this.#parts.pop()!;
      this.#storedBytes -= part.size;
      removed.push(part);
      if (this.#storedBytes < size) this.#fill((await this.#load(part)).subarray(0, size - this.#storedBytes));
    }
    await this.#options.state.remove(removed);
  }

  free(): Promise<number | null> {
    return Promise.resolve(null);
  }

  async commit(options: CommitOptions): Promise<Committed> {
    const { state, publish, ended } = this.#options;
    await this.#storing;
    if (this.#epoch !== null && !await state.isOwner(this.#owner)) throw new WriteRefused("busy");
    const pieces: Piece[] = this.#parts.map(({ key }) => ({ from: key }));
    if (this.#buffered > 0 || pieces.length === 0) pieces.push({ body: this.#buffer.subarray(0, this.#buffered) });
    const committed = await publish(pieces, options);
    ended();
    if (options.notes !== undefined) {
      const { path: { segments }, stat: { version } } = committed;
      // The file is there, and the client is told: it only cannot ask again if this fails.
      await state.writeRecord({ notes: options.notes, finished: { segments, version } }).catch(() => {});
    }
    if (this.#epoch !== null) await state.clear(options.notes === undefined ? null : "record").catch(() => {});
    return committed;
  }

  async note(notes: string): Promise<void> {
    if (this.#epoch === null) await this.#own();
    await this.#options.state.writeRecord({ notes, finished: null });
  }

  isClaimed(): boolean {
    if (this.#epoch !== null && performance.now() - this.#lookedAt > LOOK_MS) {
      this.#lookedAt = performance.now();
      this.#options.state.isOwner(this.#owner).then((isOwner) => this.#isClaimed = !isOwner, () => {});
    }
    return this.#isClaimed;
  }

  async discard(): Promise<void> {
    this.#options.ended();
    await this.#settled();
    if (this.#epoch !== null && await this.#options.state.isOwner(this.#owner)) await this.#options.state.clear();
  }

  async keep(): Promise<void> {
    this.#options.ended();
    await this.#settled();
    if (this.#epoch === null) await this.#own(); // that there is an upload is known, even if nothing has arrived
    if (this.#buffered > 0) await this.#store();
    await this.#storing;
  }

  async #own(): Promise<void> {
    this.#epoch = await this.#options.state.own(this.#owner);
  }

  /** Stores what is buffered while more arrives. */
  async #store(): Promise<void> {
    await this.#storing;
    if (this.#parts.length === MOST_PARTS) throw new WriteRefused("too large", null, { bytes: this.#storedBytes });
    if (this.#epoch === null) await this.#own();
    const bytes = this.#buffer.subarray(0, this.#buffered);
    const number = this.#parts.length + 1;
    const index = this.#parts.push({ key: "", size: bytes.length }) - 1;
    this.#storedBytes += bytes.length;
    this.#buffer = new Uint8Array();
    this.#buffered = 0;
    this.#storing = this.#options.state.store(number, this.#epoch!, bytes).then((part) => {
      this.#parts[index] = part;
    }, (error) => {
      this.#parts.length = index; // it was the last one; what has arrived since would leave a gap
      this.#storedBytes -= bytes.length;
      this.#buffered = 0;
      throw error;
    });
    this.#storing.catch(() => {}); // reported by the next call
  }

  /** Takes the last part back into memory, if it is not full. The stored one is replaced by a later one. */
  async #unstoreTail(): Promise<void> {
    const tail = this.#parts.at(-1);
    if (tail === undefined || tail.size === partBytes(this.#parts.length)) return;
    this.#fill(await this.#load(tail));
    this.#parts.pop();
    this.#storedBytes -= tail.size;
    this.#tail = tail;
  }

  /** Waits until nothing is being stored; an error has been reported. */
  async #settled(): Promise<void> {
    await this.#storing.catch(() => {});
    this.#storing = Promise.resolve();
  }

  #fill(bytes: Uint8Array): void {
    this.#reserve(bytes.length, bytes.length);
    this.#buffer.set(bytes);
    this.#buffered = bytes.length;
  }

  #reserve(size: number, limit: number): void {
    if (size <= this.#buffer.length) return;
    const larger = new Uint8Array(Math.min(limit, Math.max(size, 2 * this.#buffer.length)));
    larger.set(this.#buffer.subarray(0, this.#buffered));
    this.#buffer = larger;
  }

  async #load(part: StoredPart): Promise<Uint8Array> {
    if (this.#loaded?.part.key !== part.key) {
      this.#loaded = { part, bytes: await this.#options.state.load(part) };
    }
    return this.#loaded.bytes;
  }
}

function copied(from: Uint8Array, into: Uint8Array): number {
  const part = from.subarray(0, into.length);
  into.set(part);
  return part.length;
}
