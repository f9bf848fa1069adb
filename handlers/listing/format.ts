/**
 * What a listing can be sent as: pieces of text, so that the beginning can be sent before the directory has been read.
 *
 * @module
 */

import { escapeLog } from "../http/escape.ts";
import { entryOf, type ListingHead, type ListingTotals } from "../listing_data.ts";
import { listingPageEnd, listingPageHeaders, listingPageStart, listingRow } from "../page/listing_page.ts";
import type { FileEntry } from "../sources/types.ts";

/** What a listing can be sent as. */
export type ListingFormat = "html" | "json" | "text";

/** Writes one listing. */
export interface ListingWriter {
  /** Content-Type. */
  readonly type: string;
  /** Headers that belong to the format. */
  readonly headers: Readonly<Record<string, string>>;
  /** What can be said before anything is known of the entries. */
  start(): string;
  /** What stands in front of the first entry. */
  before(totals: ListingTotals): string;
  /** An entry; the first has the index 0. */
  entry(entry: FileEntry, index: number): string;
  /** What stands behind the last entry. */
  after(totals: ListingTotals, count: number): string;
}

/**
 * Makes the writer of a listing.
 *
 * @param depth How many directories above this one can be linked to.
 */
export function writerOf(format: ListingFormat, head: ListingHead, depth: number): ListingWriter {
  return WRITERS[format](head, depth);
}

const WRITERS: Readonly<Record<ListingFormat, (head: ListingHead, depth: number) => ListingWriter>> = {
  html: (head, depth) => ({
    type: "text/html; charset=utf-8",
    headers: listingPageHeaders(head, depth),
    start: () => listingPageStart(head, depth),
    before: () => "",
    entry: (entry) => listingRow(entryOf(entry)),
    after: (totals, count) => listingPageEnd(count, totals, head.can),
  }),
  json: (head) => ({
    type: "application/json",
    headers: {},
    start: () => JSON.stringify(head).slice(0, -1),
    before: (totals) => `,"totals":${JSON.stringify(totals)},"entries":[`,
    entry: (entry, index) => (index === 0 ? "" : ",") + JSON.stringify(entryOf(entry)),
    after: () => "]}\n",
  }),
  text: () => ({
    type: "text/plain; charset=utf-8",
    headers: {},
    start: () => "",
    before: () => "",
    entry: textLine,
    after: () => "",
  }),
};

function textLine({ name, stat, problem }: FileEntry): string {
  return problem === null ? nameLine(name, stat?.kind === "directory") : "";
}

/** A name, directories with a slash; control characters as in the log, so that a line stays a line and reads as it is. */
export function nameLine(name: string, isDirectory: boolean): string {
  // deno-lint-ignore no-control-regex
  const shown = name.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (character) => escapeLog(character));
  return shown + (isDirectory ? "/\n" : "\n");
}
