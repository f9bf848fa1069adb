/**
 * The formats of a listing, written in pieces, so that sending can start before the directory has been read.
 *
 * @module
 */

import { escapeLog } from "../http/escape.ts";
import { entryOf, type ListingHead, type ListingTotals } from "../serving/listing_data.ts";
import {
  listingPageEnd,
  listingPageHeaders,
  listingPageStart,
  listingRow,
  type PagePlace,
} from "../page/listing_page.ts";
import type { FileEntry } from "../sources/types.ts";

/** The formats of a listing. */
export type ListingFormat = "html" | "json" | "text";

/** Writes one listing. */
export interface ListingWriter {
  /** Content-Type. */
  readonly type: string;
  /** Headers specific to the format. */
  readonly headers: Readonly<Record<string, string>>;
  /** Everything that does not depend on the entries. */
  start(): string;
  /** An entry; indexes start at 0. */
  entry(entry: FileEntry, index: number): string;
  /** The text after the last entry. */
  after(totals: ListingTotals, count: number): string;
}

/** Creates the writer of a listing. */
export function writerOf(format: ListingFormat, head: ListingHead, place: PagePlace): ListingWriter {
  return WRITERS[format](head, place);
}

const WRITERS: Readonly<Record<ListingFormat, (head: ListingHead, place: PagePlace) => ListingWriter>> = {
  html: (head, place) => ({
    type: "text/html; charset=utf-8",
    headers: listingPageHeaders(head, place),
    start: () => listingPageStart(head, place),
    entry: listingRow,
    after: (totals, count) => listingPageEnd(count, totals, head.can),
  }),
  json: (head) => ({
    type: "application/json",
    headers: {},
    start: () => `${JSON.stringify(head).slice(0, -1)},"entries":[`,
    entry: (entry, index) => (index === 0 ? "" : ",") + JSON.stringify(entryOf(entry)),
    after: (totals) => `],"totals":${JSON.stringify(totals)}}\n`,
  }),
  text: () => ({
    type: "text/plain; charset=utf-8",
    headers: {},
    start: () => "",
    entry: textLine,
    after: () => "",
  }),
};

function textLine({ name, stat, problem }: FileEntry): string {
  return problem === null ? nameLine(name, stat?.kind === "directory") : "";
}

/**
 * A name on a line, directories with a slash; control characters are escaped as in the log, so that it stays one line.
 */
export function nameLine(name: string, isDirectory: boolean): string {
  // deno-lint-ignore no-control-regex
  const shown = name.replace(/[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g, (character) => escapeLog(character));
  return shown + (isDirectory ? "/\n" : "\n");
}
