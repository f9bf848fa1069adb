/**
 * Byte ranges (RFC 9110 section 14): the header and the size in, what to send out.
 *
 * @module
 */

/** Bytes of a representation: from `start` up to and not including `end`. */
export interface ByteRange {
  /** The first byte. */
  readonly start: number;
  /** The byte after the last. */
  readonly end: number;
}

/** `whole`: answer 200. `unsatisfiable`: 416. A list: 206 with these parts, in this order, never empty. */
export type RangeVerdict = "whole" | "unsatisfiable" | readonly ByteRange[];

/** Ranges taken from one header at most. More are no download that goes on, but an attempt to make work (17.15). */
export const MAX_RANGES = 100;

/**
 * Decides what a Range header asks of `size` bytes.
 *
 * An unknown unit, a set that is not well formed, more than {@linkcode MAX_RANGES} ranges or ranges that together ask
 * for more than there is are ignored: the whole is sent (sections 14.2 and 17.15). Overlapping ranges are merged, which
 * puts the set in ascending order; others keep the order asked for. Of nothing, no part can be sent: the whole.
 *
 * @param header The Range header, null where there is none.
 * @param size Bytes of the representation.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { selectRanges } from "@x/pyserve";
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
 * The value of Content-Range: `bytes 0-4/10`; for 416, where no range is sent, an asterisk stands for the positions.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { contentRange } from "@x/pyserve";
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

/** Numbers of any length are taken (section 14.1.2); past 2^53 all are equally beyond any file. */
function clampedInteger(digits: string): number {
  return Math.min(Number(digits), Number.MAX_SAFE_INTEGER - 1);
}

/** Compares as digits, because two different numbers past 2^53 may be the same double. */
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
