/**
 * The records of ZIP archives (APPNOTE.TXT, section 4.3), parsed from bytes that nobody vouches for.
 *
 * @module
 */

/** A ZIP archive that cannot be read. */
export class ZipError extends Error {
  /** Always `"ZipError"`. */
  override readonly name: string = "ZipError";
}

/** Length of the end record without its comment. */
export const END_LENGTH = 22;

/** Maximum length of the end record: its comment has at most 65,535 bytes. */
export const MAX_END_LENGTH = END_LENGTH + 0xffff;

/** Length of the record that leads to the ZIP64 end record; it lies before the end record. */
export const LOCATOR_LENGTH = 20;

/** Length of the ZIP64 end record without its extensible data. */
export const END64_LENGTH = 56;

/** Length of a local header without name and extra fields. */
export const LOCAL_LENGTH = 30;

const CENTRAL_LENGTH = 46;

const [FULL16, FULL32] = [0xffff, 0xffffffff];

/** The general purpose flags for which a name is UTF-8, and data is encrypted in one way or another. */
const [UTF8_FLAG, ENCRYPTED_FLAGS] = [0x800, 0x2041];

/** What the end record says of the central directory. */
export interface DirectoryPlace {
  readonly count: number;
  readonly length: number;
  /** Where it claims to start; later if something was put in front of the archive. */
  readonly start: number;
  /** Whether a value does not fit, so that the ZIP64 record has it. */
  readonly isFull: boolean;
}

/** One entry of the central directory. */
export interface CentralRecord {
  readonly nameBytes: Uint8Array;
  readonly isUtf8: boolean;
  readonly isEncrypted: boolean;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  /** The offset of the local header. */
  readonly start: number;
  readonly modified: number | null;
  /** Type and permissions as of stat(2); null if the archive was not made on Unix. */
  readonly mode: number | null;
  /** The offset of the next record. */
  readonly next: number;
}

/** Finds the end record: the last bytes of an archive, with a comment that ends where the file ends; -1 if there is none. */
export function findEnd(tail: Uint8Array): number {
  const view = viewOf(tail);
  for (let at = tail.length - END_LENGTH; at >= 0; at--) {
    if (view.getUint32(at, true) !== 0x06054b50) continue;
    if (at + END_LENGTH + view.getUint16(at + 20, true) === tail.length) return at;
  }
  return -1;
}

/** Parses the end record. */
export function parseEnd(record: Uint8Array): DirectoryPlace {
  const view = viewOf(record);
  const [disk, directoryDisk, here] = [4, 6, 8].map((at) => view.getUint16(at, true));
  const [count, length, start] = [view.getUint16(10, true), view.getUint32(12, true), view.getUint32(16, true)];
  const isFull = [disk, directoryDisk, here, count].includes(FULL16) || [length, start].includes(FULL32);
  if (!isFull && (disk !== 0 || directoryDisk !== 0 || here !== count)) throw new ZipError("it spans several files");
  return { count, length, start, isFull };
}

/** The offset of the ZIP64 end record; null if these bytes are not its locator. */
export function parseLocator(record: Uint8Array): number | null {
  const view = viewOf(record);
  if (view.getUint32(0, true) !== 0x07064b50) return null;
  if (view.getUint32(4, true) !== 0 || view.getUint32(16, true) > 1) throw new ZipError("it spans several files");
  return number64(view, 8);
}

/** Parses the ZIP64 end record; null if these bytes are none. */
export function parseEnd64(record: Uint8Array): DirectoryPlace | null {
  const view = viewOf(record);
  if (view.getUint32(0, true) !== 0x06064b50) return null;
  if (view.getUint32(16, true) !== 0 || view.getUint32(20, true) !== 0) throw new ZipError("it spans several files");
  return { count: number64(view, 32), length: number64(view, 40), start: number64(view, 48), isFull: false };
}

/** Parses one record of the central directory. */
export function parseCentral(directory: Uint8Array, view: DataView, at: number): CentralRecord {
  if (at + CENTRAL_LENGTH > directory.length || view.getUint32(at, true) !== 0x02014b50) throw damaged();
  const nameEnd = at + CENTRAL_LENGTH + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > directory.length) throw damaged();
  const [flags, method] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true)];
  const extra = extraOf(view, nameEnd, extraEnd);
  return {
    nameBytes: directory.subarray(at + CENTRAL_LENGTH, nameEnd),
    isUtf8: (flags & UTF8_FLAG) !== 0,
    isEncrypted: (flags & ENCRYPTED_FLAGS) !== 0 || method === 99,
    method,
    crc: view.getUint32(at + 16, true),
    ...sizesOf(view, at, extra.wide),
    modified: extra.modified ?? dosTime(view.getUint16(at + 14, true), view.getUint16(at + 12, true)),
    mode: isUnix(view.getUint8(at + 5)) ? view.getUint16(at + 40, true) : null,
    next,
  };
}

/** What matters of a local header; null if these bytes are none. */
export function parseLocal(
  header: Uint8Array,
): { method: number; isUtf8: boolean; name: number; extra: number } | null {
  const view = viewOf(header);
  if (view.getUint32(0, true) !== 0x04034b50) return null;
  return {
    method: view.getUint16(8, true),
    isUtf8: (view.getUint16(6, true) & UTF8_FLAG) !== 0,
    name: view.getUint16(26, true),
    extra: view.getUint16(28, true),
  };
}

/** A view of the same bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The error for contradictory records. */
export function damaged(): ZipError {
  return new ZipError("it is damaged");
}

/** Values that do not fit their field are in the ZIP64 extra field, in this order. */
function sizesOf(
  view: DataView,
  at: number,
  wide: readonly number[],
): Pick<CentralRecord, "packed" | "size" | "start"> {
  const rest = [...wide];
  const value = (narrow: number) => {
    if (narrow !== FULL32) return narrow;
    const found = rest.shift();
    if (found === undefined) throw damaged();
    return found;
  };
  const size = value(view.getUint32(at + 24, true));
  const packed = value(view.getUint32(at + 20, true));
  return { size, packed, start: value(view.getUint32(at + 42, true)) };
}

interface Extra {
  /** The 64-bit values of the ZIP64 extra field. */
  wide: number[];
  /** The modification time of Info-ZIP's extra field, which unlike the other one is in UTC. */
  modified: number | null;
}

function extraOf(view: DataView, start: number, end: number): Extra {
  const extra: Extra = { wide: [], modified: null };
  for (let at = start; at + 4 <= end;) {
    const id = view.getUint16(at, true);
    const dataEnd = at + 4 + view.getUint16(at + 2, true);
    if (dataEnd > end) break;
    at += 4;
    if (id === 0x0001) extra.wide = numbersOf(view, at, dataEnd);
    if (id === 0x5455 && at + 5 <= dataEnd && (view.getUint8(at) & 1) !== 0) {
      extra.modified = view.getInt32(at + 1, true) * 1000;
    }
    at = dataEnd;
  }
  return extra;
}

function numbersOf(view: DataView, start: number, end: number): number[] {
  const numbers: number[] = [];
  for (let at = start; at + 8 <= end && numbers.length < 3; at += 8) numbers.push(number64(view, at));
  return numbers;
}

/** More than 2^53 bytes is a lie in any archive. */
function number64(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged();
  return Number(value);
}

/**
 * A date and time of DOS, in local time. Null for 1980: reproducible builds have one constant date of that year, which
 * says nothing about the last change.
 */
function dosTime(date: number, time: number): number | null {
  if (date >> 9 === 0) return null;
  const day = [1980 + (date >> 9), (date >> 5 & 15) - 1, date & 31] as const;
  const made = new Date(...day, time >> 11, time >> 5 & 63, (time & 31) * 2).getTime();
  return Number.isNaN(made) ? null : made;
}

/** Unix, or macOS. */
function isUnix(madeBy: number): boolean {
  return madeBy === 3 || madeBy === 19;
}
