/**
 * Opens files of a ZIP archive.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { onDemand } from "../core/on_demand.ts";
import { withNode } from "../system/node.ts";
import type { OpenFile } from "./open_file.ts";
import { DAMAGED, STORED, type ZipFile } from "./zip_directory.ts";
import { decodeName } from "./zip_names.ts";
import { LOCAL_LENGTH, parseLocal } from "./zip_records.ts";

const inflating = onDemand(() => withNode(() => import("./zip_inflate.ts")));

/** What {@linkcode openZipFile} opens. */
export interface ZipPlace {
  /** The open archive; it is closed with the file. */
  readonly archive: OpenFile;
  /** Where its content ends. */
  readonly end: number;
  /** The name of the entry. */
  readonly name: string;
  readonly entry: ZipFile;
  /** The offset of the content that was known when the archive was opened, so that its stream begins in the content. */
  readonly streamsFrom: number | null;
}

/**
 * Opens an entry. Its local header has to agree with the central directory.
 *
 * @throws {HttpError} If it cannot be read.
 */
export async function openZipFile(place: ZipPlace): Promise<OpenFile> {
  const { archive, entry } = place;
  try {
    if (entry.refusal !== null) throw new HttpError(entry.refusal === DAMAGED ? 500 : 403, entry.refusal);
    const start = await contentStart(place);
    if (entry.method === STORED) return new StoredFile(archive, start, entry.size, place.streamsFrom === start);
    return await (await inflating()).openInflated(archive, start, entry);
  } catch (error) {
    archive[Symbol.dispose]();
    throw error;
  }
}

async function contentStart({ archive, end, name, entry }: ZipPlace): Promise<number> {
  const header = parseLocal(await readUpTo(archive, entry.start, LOCAL_LENGTH));
  if (header === null || header.method !== entry.method) throw new HttpError(500, DAMAGED);
  const nameAt = entry.start + LOCAL_LENGTH;
  const nameBytes = await readUpTo(archive, nameAt, header.name);
  const start = nameAt + header.name + header.extra;
  const agrees = decodeName(nameBytes, header.isUtf8) === name && start + entry.packed <= end;
  if (!agrees) throw new HttpError(500, DAMAGED);
  return entry.contentStart = start;
}

/** Fewer bytes, as zeros, if the archive was cut off. */
async function readUpTo(file: OpenFile, start: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await file.read(start + at, into.subarray(at));
    if (count === 0) break;
    at += count;
  }
  return into;
}

/** A section of the archive. */
class StoredFile implements OpenFile {
  readonly #archive: OpenFile;
  readonly #start: number;
  readonly #size: number;
  readonly stream?: NonNullable<OpenFile["stream"]>;

  constructor(archive: OpenFile, start: number, size: number, canStream: boolean) {
    this.#archive = archive;
    this.#start = start;
    this.#size = size;
    if (canStream && archive.stream) this.stream = () => archive.stream!();
  }

  read(offset: number, into: Uint8Array): ReturnType<OpenFile["read"]> {
    const length = Math.min(into.length, this.#size - offset);
    return length <= 0 ? 0 : this.#archive.read(this.#start + offset, into.subarray(0, length));
  }

  [Symbol.dispose](): void {
    this.#archive[Symbol.dispose]();
  }
}
