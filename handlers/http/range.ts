/**
 * Byte ranges (RFC 9110 section 14). Pure functions.
 *
 * @module
 */

/** A byte range of a representation: from `start` up to, but not including, `end`. */
export interface ByteRange {
  /** The offset of the first byte. */
  readonly start: number;
  /** The offset after the last byte. */
  readonly end: number;
}

/** `whole`: 200. `unsatisfiable`: 416. A list: 206 with these parts, in this order, never empty. */
export type RangeVerdict = "whole" | "unsatisfiable" | readonly ByteRange[];

/** Maximum number of ranges per header. More are not a resumed download but an attack (RFC 9110 section 17.15). */
export const MAX_RANGES = 100;

/**
 * Evaluates a Range header for a representation of a given size.
 *
 * Ignores the header, and so sends the full content, for an unknown unit, a malformed set, more than {@linkcode
 * MAX_RANGES} ranges, or ranges that add up to more than the size (sections 14.2 and 17.15). Overlapping ranges are
 * merged, in ascending order; otherwise the requested order is kept. Empty content is always sent in full.
 *
 * @param header The value of Range, or null.
 * @param size The size of the representation in bytes.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { selectRanges } from "@x/pyserve/http";
 *
 * const verdict = selectRanges("bytes=-5", 100);
 * assert(Array.isArray(verdict) && verdict[0].start === 95 && verdict[0].end === 100);
 * ```
 */
export function selectRanges(header: string | null, size: number): RangeVerdict {
  const match = header === null || size === 0 ? null : /^bytes=(.*)$/i.exec(header);
  if (!match) return "whole";
  const specs = match[1]!.split(",", MAX_RANGES * 2 + 1).map((spec) => spec.trim()).filter((spec) => spec !== "");
  if (specs.length === 0 || specs.length > MAX_RANGES) return "whole";
  const parts: ByteRange[] = [];
  let total = 0;
  for (const spec of specs) {
    const range = parseRange(spec, size);
    if (range === "invalid") return "whole";
    if (range === "beyond") continue;
    parts.push(range);
    total += range.end - range.start;
  }
  if (parts.length === 0) return "unsatisfiable";
  if (parts.length === 1) return parts;
  return total > size ? "whole" : mergeOverlaps(parts);
}

/**
 * Formats Content-Range: `bytes 0-4/10`, or an asterisk in place of the positions for 416.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { contentRange } from "@x/pyserve/http";
 *
 * assert(contentRange({ start: 0, end: 5 }, 10) === "bytes 0-4/10");
 * ```
 */
export function contentRange(range: ByteRange | null, size: number): string {
  return range === null ? `bytes */${size}` : `bytes ${range.start}-${range.end - 1}/${size}`;
}

function parseRange(spec: string, size: number): ByteRange | "invalid" | "beyond" {
  const match = /^(\d*)-(\d*)$/.exec(spec);
  if (!match || spec === "-") return "invalid";
  const [, first, last] = match as unknown as [string, string, string];
  if (first === "") {
    const length = clampedInteger(last);
    return length === 0 ? "beyond" : { start: Math.max(0, size - length), end: size };
  }
  if (last !== "" && lessThan(last, first)) return "invalid";
  const start = clampedInteger(first);
  if (start >= size) return "beyond";
  return { start, end: last === "" ? size : Math.min(size, clampedInteger(last) + 1) };
}

/** Numbers may have any length (section 14.1.2); from 2^53 on, all are beyond any file. */
function clampedInteger(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

/** Compares digit strings: above 2^53, different numbers may round to the same double. */
function lessThan(a: string, b: string): boolean {
  const [x, y] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return x.length === y.length ? x < y : x.length < y.length;
}

function mergeOverlaps(parts: readonly ByteRange[]): readonly ByteRange[] {
  const sorted = parts.toSorted((a, b) => a.start - b.start);
  const merged: ByteRange[] = [];
  for (const part of sorted) {
    const last = merged.at(-1);
    if (last && part.start < last.end) {
      merged[merged.length - 1] = { start: last.start, end: Math.max(last.end, part.end) };
    } else merged.push(part);
  }
  return merged.length === parts.length ? parts : merged;
}
