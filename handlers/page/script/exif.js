/** The small picture that cameras put into their JPEG files. Nothing here needs a browser. */

const [ORIENTATION, OFFSET, LENGTH] = [0x0112, 0x0201, 0x0202];

/** Maximum number of entries of a directory of tags. */
const MOST_TAGS = 200;

/**
 * The place of the small picture in the beginning of a JPEG file, and how it is turned; null if there is none.
 *
 * @param {Uint8Array} bytes
 * @returns {{ start: number, end: number, orientation: number } | null}
 */
export function smallPictureIn(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return null;
  for (let at = 2; at + 10 <= bytes.length;) {
    const marker = view.getUint16(at);
    if (marker < 0xffe0 || marker > 0xffef) return null; // these come first
    const end = at + 2 + view.getUint16(at + 2);
    if (marker === 0xffe1 && view.getUint32(at + 4) === 0x45786966) return pictureAt(view, at + 10, end);
    at = end;
  }
  return null;
}

/** @param {DataView} view @param {number} start Where the TIFF header is. @param {number} end */
function pictureAt(view, start, end) {
  if (end > view.byteLength || start + 8 > end) return null;
  const little = view.getUint16(start) === 0x4949;
  const first = tagsAt(view, start + view.getUint32(start + 4, little), end, little);
  if (!first || first.next === 0) return null;
  const second = tagsAt(view, start + first.next, end, little);
  const from = start + (second?.tags.get(OFFSET) ?? NaN);
  const to = from + (second?.tags.get(LENGTH) ?? NaN);
  if (!(from >= start && to <= end && to - from > 4) || view.getUint16(from) !== 0xffd8) return null;
  return { start: from, end: to, orientation: first.tags.get(ORIENTATION) ?? 1 };
}

/** @param {DataView} view @param {number} at @param {number} end @param {boolean} little */
function tagsAt(view, at, end, little) {
  if (at + 2 > end) return null;
  const count = view.getUint16(at, little);
  const after = at + 2 + count * 12;
  if (count > MOST_TAGS || after + 4 > end) return null;
  /** @type {Map<number, number>} */
  const tags = new Map();
  for (let tag = at + 2; tag < after; tag += 12) {
    const isShort = view.getUint16(tag + 2, little) === 3;
    tags.set(view.getUint16(tag, little), isShort ? view.getUint16(tag + 8, little) : view.getUint32(tag + 8, little));
  }
  return { tags, next: view.getUint32(after, little) };
}
