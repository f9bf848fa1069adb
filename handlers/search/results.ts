/**
 * The results of a search, as data.
 *
 * @module
 */

import type { ListingEntry } from "../serving/listing_data.ts";

/** A match. */
export interface Found extends ListingEntry {
  /** Path relative to the searched directory: `docs/a.txt`. */
  readonly path: string;
}

/** How a search ended: completely, or at which limit. */
export type SearchEnd = "complete" | "results" | "directories" | "time";

/** The part of the results known before the search starts. */
export interface SearchHead {
  /** The version of this schema. */
  readonly version: 1;
  /** The decoded path of the searched directory, with leading and trailing slashes. */
  readonly path: string;
  /** The query. */
  readonly query: string;
}

/** The part of the results known after the search. */
export interface SearchTail {
  /** Number of results. */
  readonly count: number;
  /** Whether there may be more. */
  readonly more: boolean;
  /** Whether the search was complete, or which limit ended it. */
  readonly end: SearchEnd;
}

/**
 * The results of a search as JSON. Fields may be added; removing one or changing its meaning increments the version.
 */
export interface SearchResults extends SearchHead, SearchTail {
  /** The matches, nearest directory first. */
  readonly results: readonly Found[];
}
