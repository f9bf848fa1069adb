/**
 * The directory tree of a ZIP archive, from its central directory.
 *
 * @module
 */

import { Turns } from "../core/turns.ts";
import type { EntryProblem, OpenFile } from "./types.ts";
import { decodeName, segmentsOf } from "./zip_names.ts";
import {
  type CentralRecord,
  damaged,
  type DirectoryPlace,
  END64_LENGTH,
  END_LENGTH,
  findEnd,
  LOCAL_LENGTH,
  LOCATOR_LENGTH,
  MAX_END_LENGTH,
  parseCentral,
  parseEnd,
  parseEnd64,
  parseLocator,
  viewOf,
  ZipError,
} from "./zip_records.ts";

/** A central directory is kept in memory while it is parsed. */
const MAX_DIRECTORY_BYTES = 128 * 1024 * 1024;

/** The most that deflate can expand: 258 bytes from two bits. */
const MAX_EXPANSION = 1_032;

/** The methods of compression that can be read. */
export const [STORED, DEFLATED] = [0, 8];

/** Larger deflated files are sent without ranges: for the last byte, everything has to be inflated. */
export const MAX_RANGED_BYTES = 16 * 1024 * 1024;

/** A directory. */
export interface ZipFolder {
  readonly kind: "directory";
  readonly children: Map<string, ZipNode>;
  modified: number | null;
  mode: number | null;
}

/** A file. */
export interface ZipFile extends Pick<CentralRecord, "method" | "crc" | "packed" | "size" | "modified" | "mode"> {
  readonly kind: "file";
  /** The offset of its local header in the file. */
  readonly start: number;
  /** The offset of its content, known once it has been opened. */
  contentStart: number | null;
  /** Why it cannot be read, as a sentence for clients; null if it can. */
  readonly refusal: string | null;
}

/** What is never served: symlinks, devices. */
export interface ZipSpecial {
  readonly kind: "other";
  readonly isLink: boolean;
  readonly problem: EntryProblem;
}

export type ZipNode = ZipFolder | ZipFile | ZipSpecial;

/** The contents of an archive. */
export interface ZipTree {
  readonly root: ZipFolder;
  /** Where the central directory begins: all content lies before. */
  readonly end: number;
}

/**
 * Reads the central directory of an archive. Names that no program should extract are left out. Of several entries with the
 * same name the last one counts, as for most programs.
 *
 * @param size The size of the file.
 * @param maxEntries The maximum number of files and directories.
 * @throws {ZipError} If it is not a ZIP archive, has too many entries, or its records contradict each other.
 */
export async function readZipTree(file: OpenFile, size: number, maxEntries: number): Promise<ZipTree> {
  const { place, end, shift } = await findDirectory(file, size);
  if (place.count > maxEntries) throw tooMany(maxEntries);
  if (place.length > MAX_DIRECTORY_BYTES) throw new ZipError("its directory is too large");
  const bytes = await readExactly(file, end, place.length);
  const builder = new TreeBuilder(maxEntries, end, shift);
  const view = viewOf(bytes);
  const turns = new Turns();
  let at = 0;
  for (let index = 0; index < place.count; index++) {
    const record = parseCentral(bytes, view, at);
    builder.add(record);
    at = record.next;
    if (index % 256 === 255 && turns.due) await turns.next();
  }
  if (at !== bytes.length) throw damaged();
  return { root: builder.root, end };
}

interface FoundDirectory {
  readonly place: DirectoryPlace;
  /** Where it begins. */
  readonly end: number;
  /** What has been put in front of the archive, such as a program that extracts it. */
  readonly shift: number;
}

async function findDirectory(file: OpenFile, size: number): Promise<FoundDirectory> {
  const tailStart = Math.max(0, size - MAX_END_LENGTH - LOCATOR_LENGTH);
  const tail = await readExactly(file, tailStart, size - tailStart);
  const at = findEnd(tail);
  if (at < 0) throw new ZipError("it is not a ZIP archive");
  const narrow = parseEnd(tail.subarray(at, at + END_LENGTH));
  const wide = narrow.isFull && at >= LOCATOR_LENGTH
    ? await findEnd64(file, tailStart + at - LOCATOR_LENGTH, tail.subarray(at - LOCATOR_LENGTH, at))
    : null;
  const { place, at: placeEnd } = wide ?? { place: narrow, at: tailStart + at };
  const end = placeEnd - place.length;
  const shift = end - place.start;
  if (end < 0 || shift < 0) throw damaged();
  return { place, end, shift };
}

/**
 * The ZIP64 end record: it ends where its locator begins, since what may follow its fixed part was never used. So it is found
 * there also if something has been put in front of the archive.
 */
async function findEnd64(file: OpenFile, locatorAt: number, locator: Uint8Array) {
  const stated = parseLocator(locator);
  if (stated === null) return null;
  const at = locatorAt - END64_LENGTH;
  if (at < stated) throw damaged();
  const place = parseEnd64(await readExactly(file, at, END64_LENGTH));
  if (place === null) throw damaged();
  return { place, at };
}

async function readExactly(file: OpenFile, start: number, length: number): Promise<Uint8Array> {
  const into = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = await file.read(start + at, into.subarray(at));
    if (count === 0) throw damaged();
    at += count;
  }
  return into;
}

/** Adds records one by one, and the directories that their names imply. */
class TreeBuilder {
  readonly root: ZipFolder = newFolder();
  readonly #most: number;
  readonly #end: number;
  readonly #shift: number;
  #count = 0;

  constructor(most: number, end: number, shift: number) {
    this.#most = most;
    this.#end = end;
    this.#shift = shift;
  }

  add(record: CentralRecord): void {
    const name = decodeName(record.nameBytes, record.isUtf8);
    const segments = name === null ? null : segmentsOf(name);
    if (segments === null) return;
    let folder = this.root;
    for (const segment of segments.slice(0, -1)) folder = this.#folderIn(folder, segment);
    const last = segments.at(-1)!;
    if (name!.endsWith("/")) {
      const { modified, mode } = record;
      Object.assign(this.#folderIn(folder, last), { modified, mode });
    } else if (folder.children.get(last)?.kind !== "directory") {
      if (!folder.children.has(last)) this.#countOne();
      folder.children.set(last, this.#leaf(record));
    }
  }

  /** A name that belongs to a file and to a directory is a directory. */
  #folderIn(parent: ZipFolder, name: string): ZipFolder {
    const found = parent.children.get(name);
    if (found?.kind === "directory") return found;
    const made = newFolder();
    this.#countOne();
    parent.children.set(name, made);
    return made;
  }

  /** Counts implied directories, too: one name can imply thousands. */
  #countOne(): void {
    this.#count += 1;
    if (this.#count > this.#most) throw tooMany(this.#most);
  }

  #leaf(record: CentralRecord): ZipNode {
    const type = (record.mode ?? 0) & 0o170000;
    if (type !== 0 && type !== 0o100000) return type === 0o120000 ? LINK : SPECIAL;
    const { method, crc, packed, size, modified, mode } = record;
    const start = record.start + this.#shift;
    const refusal = this.#refusal(record, start);
    return { kind: "file", method, crc, packed, size, modified, mode, start, contentStart: null, refusal };
  }

  #refusal({ isEncrypted, method, packed, size }: CentralRecord, start: number): string | null {
    if (isEncrypted) return "The file is encrypted in its archive";
    if (method !== STORED && method !== DEFLATED) return "The file is compressed with a method that is not supported";
    const isPossible = method === STORED ? packed === size : size <= packed * MAX_EXPANSION;
    return isPossible && start + LOCAL_LENGTH + packed <= this.#end ? null : DAMAGED;
  }
}

/** Said of a file whose records contradict each other. */
export const DAMAGED = "The file is damaged in its archive";

const LINK: ZipSpecial = { kind: "other", isLink: true, problem: "special file" };
const SPECIAL: ZipSpecial = { kind: "other", isLink: false, problem: "special file" };

function newFolder(): ZipFolder {
  return { kind: "directory", children: new Map(), modified: null, mode: null };
}

function tooMany(most: number): ZipError {
  return new ZipError(`it has more than ${most} entries`);
}
