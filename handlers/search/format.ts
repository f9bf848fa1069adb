/**
 * The formats of search results, written in pieces that are sent as soon as they are available.
 *
 * @module
 */

import { nameLine } from "../listing/format.ts";
import { resultRow, searchPageEnd, searchPageStart } from "./search_page.ts";
import { FORM_HEADERS } from "../page/frame.ts";
import type { Found, SearchHead, SearchTail } from "./results.ts";

/** The formats of search results. */
export type SearchFormat = "html" | "ndjson" | "json" | "text";

/** Writes the results of one search. */
export interface SearchWriter {
  /** Content-Type. */
  readonly type: string;
  /** Headers specific to the format. */
  readonly headers: Readonly<Record<string, string>>;
  start(): string;
  /** A result; indexes start at 0. */
  result(found: Found, index: number): string;
  finish(tail: SearchTail): string;
}

/** Creates the writer of a search. */
export function writerOf(format: SearchFormat, head: SearchHead): SearchWriter {
  return WRITERS[format](head);
}

const WRITERS: Readonly<Record<SearchFormat, (head: SearchHead) => SearchWriter>> = {
  html: (head) => ({
    type: "text/html; charset=utf-8",
    headers: FORM_HEADERS,
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
