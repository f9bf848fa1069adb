/**
 * Sorting of large listings, with time slicing.
 *
 * @module
 */

import { entryOrders, type ListingHead } from "../serving/listing_data.ts";
import type { FileEntry } from "../sources/types.ts";
import { sortInTurns, type Turns } from "../core/turns.ts";

/** Sorts the entries of a directory in the order of its listing. The result does not depend on the input order. */
export async function sortEntries(
  entries: readonly FileEntry[],
  order: Pick<ListingHead, "sort" | "order">,
  turns: Turns,
): Promise<readonly FileEntry[]> {
  let sorted = entries;
  for (const each of entryOrders(order)) sorted = await sortInTurns(sorted, each, turns);
  return sorted;
}
