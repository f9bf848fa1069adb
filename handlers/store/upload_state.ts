/**
 * The state of a resumable upload, regardless of which process has written to it.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { type SourceWriter, type UploadRecord, WriteRefused } from "../sources/writer.ts";
import { NO_NOTES, parseNotes, type UploadNotes } from "./upload_notes.ts";

/** The parts of a store needed for uploads. */
export interface UploadStore {
  readonly source: FileSource;
  writer(): Promise<SourceWriter>;
}

/** The recorded state of an upload. */
export interface Known {
  /** The record; null if there is none. */
  readonly record: UploadRecord | null;
  /** What earlier pieces announced, while it is unfinished. */
  readonly notes: UploadNotes;
  /** The resulting file while it is unchanged: a client that deletes it must be able to upload again. */
  readonly finished: { readonly path: SitePath; readonly stat: FileStat } | null;
}

/** Looks up the record of an upload. */
export async function recall(store: UploadStore, path: SitePath, id: string): Promise<Known> {
  const record = await nullIfRefused(store, (writer) => writer.recall(path, id));
  if (record === null) return { record, notes: NO_NOTES, finished: null };
  if (record.finished === null) return { record, notes: parseNotes(record.notes), finished: null };
  const { path: became, version } = record.finished;
  const stat = await store.source.stat(became);
  return { record, notes: NO_NOTES, finished: stat?.version === version ? { path: became, stat } : null };
}

/** Size of an unfinished upload in bytes; null if there is none. */
export async function sizeOf(store: UploadStore, path: SitePath, id: string): Promise<number | null> {
  return await nullIfRefused(store, (writer) => writer.progress(path, id));
}

async function nullIfRefused<T>(
  store: UploadStore,
  look: (writer: SourceWriter) => Promise<T | null>,
): Promise<T | null> {
  try {
    return await look(await store.writer());
  } catch (error) {
    if (error instanceof WriteRefused) return null;
    throw error;
  }
}
