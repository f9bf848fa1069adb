/**
 * Listings in slices.
 *
 * @module
 */

import type { FileEntry, FileSlices } from "./types.ts";

/** Changes each slice as it is read; synchronously if the slices are. */
export function eachSlice(
  slices: FileSlices,
  change: (slice: readonly FileEntry[]) => readonly FileEntry[],
): FileSlices {
  return Symbol.asyncIterator in slices ? changedLater(slices, change) : changed(slices, change);
}

function* changed(
  slices: Iterable<readonly FileEntry[]>,
  change: (slice: readonly FileEntry[]) => readonly FileEntry[],
) {
  for (const slice of slices) yield change(slice);
}

async function* changedLater(
  slices: AsyncIterable<readonly FileEntry[]>,
  change: (slice: readonly FileEntry[]) => readonly FileEntry[],
) {
  for await (const slice of slices) yield change(slice);
}
