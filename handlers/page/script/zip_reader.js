/** Reads ZIP archives in parts: their list of files, and single files. Nothing here needs a browser's page. */

import { t } from "./language.js";

const MAX_TAIL = 65_557; // the end record with the longest comment
const LOCATOR = 20;

/** Maximum size of the list of files. */
const MAX_DIRECTORY = 4 * 1024 * 1024;

/** @typedef {(start: number, end: number) => Promise<Uint8Array>} Read The bytes from an offset up to another. */

/**
 * @typedef {object} ZipEntry
 * @property {string} name The path; a folder's ends in a slash.
 * @property {number} size
 * @property {number} packed
 * @property {number} method
 * @property {boolean} isEncrypted
 * @property {number} start Offset of its header.
 */

/** Why an archive or a file in it cannot be read. */
export class ZipProblem extends Error {}

const damaged = () => new ZipProblem(t("The archive is damaged"));

/**
 * The files of an archive.
 *
 * @param {Read} read
 * @param {number} size Size of the archive.
 * @returns {Promise<ZipEntry[]>}
 */
export async function readEntries(read, size) {
  const tailStart = Math.max(0, size - MAX_TAIL - LOCATOR);
  const tail = await read(tailStart, size);
  const at = endIn(tail);
  if (at < 0) throw new ZipProblem(t("This is not a ZIP archive"));
  const { length, offset, end } = await placeOf(read, tail, at, tailStart);
  if (length > MAX_DIRECTORY) throw new ZipProblem(t("The list of files is too large to show"));
  const start = end - length;
  const shift = start - offset; // what has been put in front of the archive
  if (start < 0 || shift < 0) throw damaged();
  return entriesIn(await read(start, end), shift);
}

/** The offset of the end record. @param {Uint8Array} tail */
function endIn(tail) {
  for (let at = tail.length - 22; at >= 0; at--) {
    if (tail[at] === 0x50 && tail[at + 1] === 0x4b && tail[at + 2] === 5 && tail[at + 3] === 6) return at;
  }
  return -1;
}

/** Where the list is. @param {Read} read @param {Uint8Array} tail @param {number} at @param {number} tailStart */
async function placeOf(read, tail, at, tailStart) {
  const view = viewOf(tail);
  const narrow = { length: view.getUint32(at + 12, true), offset: view.getUint32(at + 16, true), end: tailStart + at };
  const isFull = narrow.length === 0xffffffff || narrow.offset === 0xffffffff ||
    view.getUint16(at + 10, true) === 0xffff;
  if (!isFull || at < LOCATOR || view.getUint32(at - LOCATOR, true) !== 0x07064b50) return narrow;
  const end = tailStart + at - LOCATOR - 56; // the record of ZIP64 is before its locator
  if (end < 0) throw damaged();
  const wide = viewOf(await read(end, end + 56));
  if (wide.getUint32(0, true) !== 0x06064b50) throw damaged();
  return { length: number64(wide, 40), offset: number64(wide, 48), end };
}

/** @param {Uint8Array} bytes @param {number} shift @returns {ZipEntry[]} */
function entriesIn(bytes, shift) {
  const view = viewOf(bytes);
  /** @type {ZipEntry[]} */
  const entries = [];
  for (let at = 0; at + 46 <= bytes.length && view.getUint32(at, true) === 0x02014b50;) {
    const [name, extra, comment] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const nameEnd = at + 46 + (name ?? 0);
    const extraEnd = nameEnd + (extra ?? 0);
    if (extraEnd > bytes.length) throw damaged();
    entries.push({
      name: decoded(bytes.subarray(at + 46, nameEnd)),
      method: view.getUint16(at + 10, true),
      isEncrypted: (view.getUint16(at + 8, true) & 1) !== 0,
      ...sizesOf(view, at, nameEnd, extraEnd, shift),
    });
    at = extraEnd + (comment ?? 0);
  }
  return entries;
}

/** Sizes and the offset; the extra field of ZIP64 has those that are full, in this order. @param {DataView} view @param {number} at @param {number} from @param {number} to @param {number} shift */
function sizesOf(view, at, from, to, shift) {
  let wide = to;
  for (let field = from; field + 4 <= to; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) === 1) wide = field + 4;
  }
  /** @param {number} offset */
  const value = (offset) => {
    const narrow = view.getUint32(at + offset, true);
    if (narrow !== 0xffffffff || wide + 8 > to) return narrow;
    wide += 8;
    return number64(view, wide - 8);
  };
  return { size: value(24), packed: value(20), start: value(42) + shift };
}

/**
 * The content of a file, or its beginning.
 *
 * @param {Read} read
 * @param {ZipEntry} entry
 * @param {number} limit Maximum number of bytes.
 * @param {number} most Maximum number of packed bytes.
 */
export async function readContent(read, entry, limit, most) {
  if (entry.isEncrypted) throw new ZipProblem(t("The file is encrypted"));
  if (entry.method !== 0 && entry.method !== 8) {
    throw new ZipProblem(t("The file is compressed in a way that cannot be read"));
  }
  const head = await read(entry.start, entry.start + 30);
  const view = viewOf(head);
  if (head.length < 30 || view.getUint32(0, true) !== 0x04034b50) throw damaged();
  const start = entry.start + 30 + view.getUint16(26, true) + view.getUint16(28, true);
  const wanted = entry.method === 0 ? Math.min(entry.packed, limit) : Math.min(entry.packed, most);
  if (wanted === 0) return new Uint8Array();
  const packed = await read(start, start + wanted);
  return entry.method === 0 ? packed : await inflated(packed, limit, wanted < entry.packed);
}

/** @param {Uint8Array} packed @param {number} limit @param {boolean} isPart */
async function inflated(packed, limit, isPart) {
  const bytes = new Blob([/** @type {BlobPart} */ (packed)]).stream();
  const reader = bytes.pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  /** @type {BlobPart[]} */
  const chunks = [];
  let length = 0;
  try {
    while (length < limit) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      length += value.length;
    }
    await reader.cancel();
  } catch {
    if (!isPart || length === 0) throw damaged(); // the end of a part is missing
  }
  return new Uint8Array(await new Blob(chunks).arrayBuffer()).subarray(0, limit);
}

/** Old archives do not say how names are encoded. @param {Uint8Array} bytes */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** @param {Uint8Array} bytes */
function viewOf(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** @param {DataView} view @param {number} at */
function number64(view, at) {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
}
