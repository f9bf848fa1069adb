/**
 * Resumable uploads: files that arrive in parts.
 *
 * Memory holds only the state of running calls: other workers and later processes must know an upload, too. The bytes
 * are in a partial file, everything else in a record next to it.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { FileChanged, type FileStat } from "../sources/types.ts";
import { type Committed, type PartFile, type SourceWriter, WriteRefused } from "../sources/writer.ts";
import { AppendRefused } from "./append_refused.ts";
import type { ConflictPolicy, Naming } from "./conflict.ts";
import { stopWhenClaimed, stopWriting, takeOver } from "./take_over.ts";
import { formatNotes, NO_NOTES, type UploadNotes } from "./upload_notes.ts";
import { type Known, recall, sizeOf, type UploadStore } from "./upload_state.ts";
import { type ContentCheck, fileLimit, receive, type SizeLimit, WriteBuffer } from "./write_buffer.ts";

/** Bytes read at a time when verifying a completed upload. */
const READ_BYTES = 262_144;

/** A part of an upload's content. */
export interface UploadPiece {
  /** The content; ends with the reason of the signal when that is aborted. */
  readonly content: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** The size of the content in bytes; null if unknown. */
  readonly sent: number | null;
  /** Its offset in the file. */
  readonly offset: number;
  /** Whether it completes the file; null if that follows from the length. */
  readonly complete: boolean | null;
  /** The size of the whole file; null if unknown. */
  readonly length: number | null;
  /** Whether it restarts the upload: earlier bytes are discarded. */
  readonly isFirst: boolean;
  /** Whether the sender knows the id, so that it can resume. */
  readonly isKnown: boolean;
  /** What to do if the name is taken; null to use the policy of an earlier piece, or else `fallback`. */
  readonly onConflict: ConflictPolicy | null;
  /** The policy if no piece has specified one. */
  readonly fallback: ConflictPolicy;
  /** Finds the version that must be replaced; throws if a precondition fails. Called unless the upload is complete. */
  readonly condition?: () => Promise<string | undefined>;
  /** Verifies this piece; one that is incomplete is then discarded. */
  readonly check: ContentCheck | null;
  /** A digest of the whole file, as a text that `checkOf` understands; recorded for the last piece. */
  readonly digest: string | null;
  /** Creates the check for a recorded digest; null if it cannot be parsed. */
  readonly checkOf: (digest: string) => ContentCheck | null;
}

/** The result of a piece: the file, or the size so far. */
export type Appended = { readonly committed: Committed } | { readonly committed: null; readonly size: number };

/** The progress of an upload. */
export interface UploadProgress {
  /** Bytes received. */
  readonly size: number;
  /** The size of the whole file; null if unknown. */
  readonly length: number | null;
  /** The path of the finished file; null if it is unfinished. */
  readonly finished: SitePath | null;
}

/** The actor's operations that appending needs. */
export interface Appending {
  writer(): Promise<SourceWriter>;
  requireFile(path: SitePath, naming: { readonly onConflict: ConflictPolicy }): Promise<void>;
  checkSize(size: number): void;
  checkRoom(part: PartFile, more: number | null): Promise<void>;
  commit(part: PartFile, path: SitePath, naming: Naming, more?: { readonly notes?: string }): Promise<Committed>;
}

/** A call that is writing to an upload. */
interface Running {
  readonly stop: AbortController;
  readonly ended: Promise<void>;
}

/** A piece being received. */
interface Arrival {
  readonly piece: UploadPiece;
  readonly operations: Appending;
  readonly path: SitePath;
  readonly id: string;
  readonly stop: AbortController;
}

/** An upload and its destination. */
export interface UploadKey {
  /** The path of the file. */
  readonly path: SitePath;
  /** Chosen by the sender, or random; knowing both is enough to continue the upload. */
  readonly id: string;
}

/** The resumable uploads of a store. */
export class Appends {
  readonly #store: UploadStore & { readonly options: { readonly maxBytes: number } };
  readonly #running = new Map<string, Running>();

  /** Starts empty; uploads of other processes are found on demand. */
  constructor(store: UploadStore & { readonly options: { readonly maxBytes: number } }) {
    this.#store = store;
  }

  /** Receives a piece; earlier calls for the same upload end first. */
  async append(key: UploadKey, piece: UploadPiece, operations: Appending): Promise<Appended> {
    return await this.#alone(key, (stop) => this.#take({ ...key, piece, operations, stop }));
  }

  /** The progress of an upload; null if there is none. */
  async progress({ path, id }: UploadKey): Promise<UploadProgress | null> {
    const size = await sizeOf(this.#store, path, id);
    // Read after the size, so that an upload finishing in between is seen as finished.
    const { notes, finished } = await recall(this.#store, path, id);
    if (finished) return { size: finished.stat.size, length: finished.stat.size, finished: finished.path };
    return size === null ? null : { size, length: notes.length, finished: null };
  }

  /** Cancels an upload; of a finished one, removes only the record. */
  async cancel(key: UploadKey, operations: Appending): Promise<void> {
    const { path, id } = key;
    await this.#alone(key, async () => {
      const part = await this.#resume(key, operations);
      await part?.discard();
      const isForgotten = await (await this.#store.writer()).forget(path, id);
      if (part === null && !isForgotten) throw new AppendRefused({ kind: "unknown" });
    });
  }

  /** One call at a time writes to an upload: the latest, because an earlier one has most likely lost its sender. */
  async #alone<T>({ path, id }: UploadKey, write: (stop: AbortController) => Promise<T>): Promise<T> {
    const key = `${path.text}\0${id}`;
    for (let other = this.#running.get(key); other; other = this.#running.get(key)) {
      stopWriting(other.stop);
      await other.ended;
    }
    const stop = new AbortController();
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    this.#running.set(key, { stop, ended });
    try {
      return await write(stop);
    } finally {
      this.#running.delete(key);
      resolve();
    }
  }

  async #take(arrival: Arrival): Promise<Appended> {
    const { operations, path, id, piece } = arrival;
    const known = await recall(this.#store, path, id);
    if (known.finished) throw complete(known.finished.stat);
    const before = piece.isFirst ? NO_NOTES : known.notes;
    const policy = piece.onConflict ?? before.policy ?? piece.fallback;
    const notes = await notesAfter(piece, before, policy);
    await operations.requireFile(path, { onConflict: policy });
    const { part, isResumed } = await this.#open(arrival);
    const sent = new Sent(piece);
    try {
      await noteIfNew(part, notes, { ...known, notes: before });
      await this.#receive(arrival, { part, sent, length: notes.length });
      if (!isComplete({ ...piece, length: notes.length }, part.size)) return await pause(part);
    } catch (error) {
      const canResume = piece.isKnown && (isResumed || part.size > 0) && (sent.isAtFault || isRefusal(error));
      await (canResume ? part.keep() : part.discard());
      throw error;
    }
    await verifyWhole(part, notes.digest === null ? null : piece.checkOf(notes.digest));
    return { committed: await commit(arrival, part, { notes, policy }) };
  }

  /** The part file, positioned at the offset of the piece. */
  async #open(
    { operations, path, id, piece: { offset, isFirst } }: Arrival,
  ): Promise<{ part: PartFile; isResumed: boolean }> {
    const there = isFirst ? null : await this.#resume({ path, id }, operations);
    if (there === null && offset > 0) {
      const { finished } = await recall(this.#store, path, id); // just now, by another process
      throw finished ? complete(finished.stat) : new AppendRefused({ kind: "offset", expected: 0, provided: offset });
    }
    if (there !== null && there.size !== offset) {
      await there.keep();
      throw new AppendRefused({ kind: "offset", expected: there.size, provided: offset });
    }
    if (there !== null) return { part: there, isResumed: true };
    const writer = await operations.writer();
    return { part: await takeOver(writer, { path, id }, () => writer.create(path, id)), isResumed: false };
  }

  /** Receives the content of a piece. `length` is the total, if known. */
  async #receive({ operations, piece, stop }: Arrival, { part, sent, length }: Receiving): Promise<void> {
    const start = part.size;
    const isLast = piece.complete === true;
    checkLength(length, start + (piece.sent ?? 0), isLast && piece.sent !== null);
    const more = length === null ? piece.sent : length - start;
    operations.checkSize(start + (more ?? 0));
    await operations.checkRoom(part, more);
    const buffer = new WriteBuffer(part, limitOf(length, this.#store.options.maxBytes), sent.check);
    try {
      using _watch = stopWhenClaimed(part, stop);
      await receive(sent.content(stop.signal), buffer);
      checkLength(length, part.size, isLast);
      sent.check?.check();
    } catch (error) {
      // Without a digest, the bytes received are kept; with one, an incomplete piece is discarded.
      if (sent.isBroken && sent.check === null) await buffer.finish();
      else await part.truncate(start);
      throw error;
    }
  }

  async #resume({ path, id }: UploadKey, operations: Appending): Promise<PartFile | null> {
    const writer = await operations.writer();
    return await takeOver(writer, { path, id }, () => writer.resume(path, id));
  }
}

interface Receiving {
  readonly part: PartFile;
  readonly sent: Sent;
  readonly length: number | null;
}

/** The content of a piece and its check; tracks whether they have failed, which is not the store's fault. */
class Sent {
  /** Whether the content was truncated. */
  isBroken = false;
  /** Whether the content or its check failed. */
  isAtFault = false;
  readonly check: ContentCheck | null;
  readonly #content: UploadPiece["content"];

  constructor({ content, check }: UploadPiece) {
    this.#content = content;
    this.check = check && { update: (bytes) => check.update(bytes), check: () => this.#verify(check) };
  }

  async *content(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const chunks = this.#content(signal)[Symbol.asyncIterator]();
    let isEnded = false;
    try {
      for (let next = await this.#next(chunks); !next.done; next = await this.#next(chunks)) yield next.value;
      isEnded = true;
    } finally {
      if (!isEnded && !this.isBroken) await chunks.return?.();
    }
  }

  async #next(chunks: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    try {
      return await chunks.next();
    } catch (error) {
      this.isBroken = this.isAtFault = true;
      throw error;
    }
  }

  #verify(check: ContentCheck): void {
    try {
      check.check();
    } catch (error) {
      this.isAtFault = true;
      throw error;
    }
  }
}

/** The notes of an upload after this piece. */
async function notesAfter(piece: UploadPiece, before: UploadNotes, policy: ConflictPolicy): Promise<UploadNotes> {
  return {
    length: agreedLength(before.length, piece.length),
    policy: policy === piece.fallback ? null : policy,
    expected: await piece.condition?.() ?? before.expected,
    digest: piece.digest ?? before.digest,
  };
}

/** Whether a piece completes the upload: it says so, or all announced bytes have arrived. */
export function isComplete({ complete, length }: Pick<UploadPiece, "complete" | "length">, size: number): boolean {
  return complete ?? (length !== null && size === length);
}

/** More is expected. */
async function pause(part: PartFile): Promise<Appended> {
  const { size } = part;
  await part.keep();
  return { committed: null, size };
}

interface Commit {
  readonly notes: UploadNotes;
  readonly policy: ConflictPolicy;
}

/** If the name is taken, the part stays: another policy stores it without sending it again. */
async function commit(
  { operations, path, piece }: Arrival,
  part: PartFile,
  { notes, policy }: Commit,
): Promise<Committed> {
  const naming = { onConflict: policy, ...(notes.expected !== null && { expected: notes.expected }) };
  try {
    return await operations.commit(part, path, naming, piece.isKnown ? { notes: formatNotes(notes) } : {});
  } catch (error) {
    await (isRefusal(error) || error instanceof Deno.errors.PermissionDenied ? part.keep() : part.discard());
    throw error;
  }
}

/** Whether the sender can resolve it, unlike a full disk. */
function isRefusal(error: unknown): boolean {
  if (error instanceof WriteRefused) return !["too large", "no room"].includes(error.problem);
  return error instanceof AppendRefused || error instanceof FileChanged;
}

/** Records what the first piece announced and later ones added. */
async function noteIfNew(part: PartFile, notes: UploadNotes, { record, notes: before }: Known): Promise<void> {
  const isKnown = formatNotes(notes) === formatNotes(before);
  if (part.size === 0 ? record !== null || !isKnown : notes.length !== before.length) {
    await part.note(formatNotes(notes));
  }
}

function complete({ size }: FileStat): AppendRefused {
  return new AppendRefused({ kind: "complete", size });
}

/**
 * Throws if an upload does not have the announced length.
 *
 * @param size Size after the piece, as far as known.
 * @param isLast Whether the upload is then complete.
 */
function checkLength(length: number | null, size: number, isLast: boolean): void {
  if (length !== null && (size > length || (isLast && size < length))) throw wrongSize(size, length);
}

function wrongSize(size: number, announced: number): AppendRefused {
  return new AppendRefused({ kind: "size", size, announced });
}

/** The length announced by this piece and earlier ones. Throws if they differ. */
function agreedLength(before: number | null, now: number | null): number | null {
  if (before === null || now === null || before === now) return now ?? before;
  throw new AppendRefused({ kind: "length", before, now });
}

function limitOf(length: number | null, maxBytes: number): SizeLimit {
  if (length === null || length > maxBytes) return fileLimit(maxBytes);
  return { bytes: length, error: (size) => wrongSize(size, length) };
}

/** Reads the whole part again, because it may have been written by several calls and processes. */
async function verifyWhole(part: PartFile, check: ContentCheck | null): Promise<void> {
  if (check === null) return;
  const buffer = new Uint8Array(READ_BYTES);
  try {
    for (let at = 0; at < part.size;) {
      const count = await part.read(at, buffer);
      if (count === 0) throw new FileChanged();
      check.update(buffer.subarray(0, count));
      at += count;
    }
    check.check();
  } catch (error) {
    await part.discard();
    throw error;
  }
}
