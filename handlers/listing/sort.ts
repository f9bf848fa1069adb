/**
 * Entries in the order of a listing, with turns for others.
 *
 * @module
 */

import { entryOrders, type ListingHead } from "../listing_data.ts";
import type { FileEntry } from "../sources/types.ts";
import { sortInTurns, type Turns } from "./turns.ts";

/** Sorts the entries of a directory as its listing has them; the same entries always come in the same order. */
export async function sortEntries(
  entries: readonly FileEntry[],
  order: Pick<ListingHead, "sort" | "order">,
  turns: Turns,
): Promise<readonly FileEntry[]> {
  let sorted = entries;
  for (const each of entryOrders(order)) sorted = await sortInTurns(sorted, each, turns);
  return sorted;
}
