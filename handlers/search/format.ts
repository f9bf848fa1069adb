/**
 * What the results of a search can be sent as: pieces of text, each sent as soon as it is there.
 *
 * @module
 */

import { nameLine } from "../listing/format.ts";
import { resultRow, searchPageEnd, searchPageStart } from "../page/search_page.ts";
import { PAGE_HEADERS } from "../page/frame.ts";
import type { Found, SearchEnd } from "./hunt.ts";

/** What results can be sent as. */
export type SearchFormat = "html" | "ndjson" | "json" | "text";

/** What is known of a search before it begins. */
export interface SearchHead {
  /** The version of this schema. */
  readonly version: 1;
  /** The path of the directory that is searched, decoded, with a slash at its beginning and end. */
  readonly path: string;
  /** What is searched for. */
  readonly query: string;
}

/** What is known of a search when it has ended. */
export interface SearchTail {
  /** How many results there are. */
  readonly count: number;
  /** Whether there may be more. */
  readonly more: boolean;
  /** Whether all was looked at, or at which limit it ended. */
  readonly end: SearchEnd;
}

/** Writes the results of one search. */
export interface SearchWriter {
  /** Content-Type. */
  readonly type: string;
  /** Headers that belong to the format. */
  readonly headers: Readonly<Record<string, string>>;
  start(): string;
  /** A result; the first has the index 0. */
  result(found: Found, index: number): string;
  finish(tail: SearchTail): string;
}

/** Makes the writer of a search. */
export function writerOf(format: SearchFormat, head: SearchHead): SearchWriter {
  return WRITERS[format](head);
}

const WRITERS: Readonly<Record<SearchFormat, (head: SearchHead) => SearchWriter>> = {
  html: (head) => ({
    type: "text/html; charset=utf-8",
    headers: PAGE_HEADERS,
    start: () => searchPageStart(head),
    result: resultRow,
    finish: (tail) => searchPageEnd(tail),
  }),
  ndjson: () => ({
    type: "application/x-ndjson",
    headers: {},
    start: () => "",
    result: (found) => JSON.stringify(found) + "\n",
    finish: (tail) => JSON.stringify(tail) + "\n",
  }),
  json: (head) => ({
    type: "application/json",
    headers: {},
    start: () => `${JSON.stringify(head).slice(0, -1)},"results":[`,
    result: (found, index) => (index === 0 ? "" : ",") + JSON.stringify(found),
    finish: (tail) => `],${JSON.stringify(tail).slice(1)}\n`,
  }),
  text: () => ({
    type: "text/plain; charset=utf-8",
    headers: {},
    start: () => "",
    result: ({ path, kind }) => nameLine(path, kind === "directory"),
    finish: () => "",
  }),
};
