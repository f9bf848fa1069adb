/**
 * The data of a listing: what pages are made of, and what programs get as JSON.
 *
 * @module
 */

import { encodeSegment } from "./http/escape.ts";
import type { EntryProblem, FileEntry } from "./sources/types.ts";
import type { Context } from "./types.ts";

/** What a listing can be sorted by. */
export type SortKey = "name" | "size" | "modified";

/**
 * One entry of a {@linkcode Listing}.
 */
export interface ListingEntry {
  /** The name, decoded; where it is not UTF-8, with U+FFFD for what cannot be shown. */
  readonly name: string;
  /** What it is; `other` is a FIFO, socket or device, `unknown` is what cannot be looked at. */
  readonly kind: "file" | "directory" | "other" | "unknown";
  /** Bytes of a file; null for all else. */
  readonly size: number | null;
  /** The last change as an ISO 8601 date in UTC with milliseconds; null where it is not known. */
  readonly modified: string | null;
  /** Whether it is a symbolic link. */
  readonly link: boolean;
  /** Where it is, as a relative URL, directories with a slash at the end; null where it cannot be fetched. */
  readonly href: string | null;
  /** Why it cannot be fetched, or null. */
  readonly problem: EntryProblem | null;
}

/**
 * The data of a listing, and the schema of its JSON. A field may be added within a version; one that changes its meaning
 * or goes makes a new version.
 */
export interface Listing extends ListingHead {
  /** How much there is: directories, files, and bytes of the files. */
  readonly totals: ListingTotals;
  /** The entries. */
  readonly entries: readonly ListingEntry[];
}

/** What is known of a {@linkcode Listing} before its directory has been read. */
export interface ListingHead {
  /** The version of this schema. */
  readonly version: 1;
  /** The path of the directory, decoded, with a slash at its beginning and end. */
  readonly path: string;
  /** What the entries are sorted by; directories always come first. */
  readonly sort: SortKey;
  /** Which way they are sorted. */
  readonly order: "asc" | "desc";
  /** What else can be asked for here (`upload`, `archive`, …), where the server says so. */
  readonly can?: readonly string[];
}

/** How much a {@linkcode Listing} has. */
export interface ListingTotals {
  /** Directories, and links to them. */
  readonly directories: number;
  /** Files, and links to them. */
  readonly files: number;
  /** Bytes of the files. */
  readonly bytes: number;
}

/** What is known before the entries are. */
export function headOf({ base, target }: Context, asked: Pick<ListingHead, "sort" | "order" | "can">): ListingHead {
  const path = base.join(target.path);
  return { version: 1, path: path.segments.length === 0 ? "/" : path.text + "/", ...asked };
}

/** Makes the data of an entry: what is to be shown, with its link. */
export function entryOf({ name, stat, link, problem }: FileEntry): ListingEntry {
  const kind = stat?.kind ?? "unknown";
  return {
    name,
    kind,
    size: kind === "file" ? stat!.size : null,
    modified: isoDate(stat?.modified ?? null),
    link,
    href: problem === null ? encodeSegment(name) + (kind === "directory" ? "/" : "") : null,
    problem,
  };
}

/** The last milliseconds that a Date can hold, before and after 1970. */
const LAST_TIME = 8_640_000_000_000_000;

const MINUTE_MS = 60_000;

let lastMinute = NaN;
let lastText = "";

/**
 * A file's time can be anything the disk has room for, also what no Date can hold (CVE-2024-23770). The text of a minute
 * is made once for files that were written together: making it takes as long as the rest of a row.
 */
function isoDate(time: number | null): string | null {
  if (time === null || !(Math.abs(time) <= LAST_TIME)) return null;
  const minute = Math.floor(Math.trunc(time) / MINUTE_MS);
  if (minute !== lastMinute) {
    lastMinute = minute;
    lastText = new Date(minute * MINUTE_MS).toISOString().slice(0, -"00.000Z".length);
  }
  const digits = String(100_000 + Math.trunc(time) - minute * MINUTE_MS); // a 1, two digits of seconds, three below
  return `${lastText}${digits.slice(1, 3)}.${digits.slice(3)}Z`;
}

/** Which of two entries comes first, as `toSorted` asks for it. */
export type EntryOrder = (a: FileEntry, b: FileEntry) => number;

let collator: Intl.Collator | undefined;

/**
 * The order of a listing, directories first and names in natural order (f2 before f10), as orders to sort by one after
 * the other: each keeps the order of the one before among what is the same to it.
 *
 * The first decides nothing but what comes first of names that are the same to readers (f1 and f01). But it costs a tenth
 * of the natural order, and leaves that runs which are in order, so that most of its comparisons fall away.
 */
export function entryOrders({ sort, order }: Pick<ListingHead, "sort" | "order">): readonly EntryOrder[] {
  collator ??= new Intl.Collator("en", { numeric: true });
  const { compare } = collator;
  const sign = order === "asc" ? 1 : -1;
  const nameSign = sort === "name" ? sign : 1;
  const byText: EntryOrder = (a, b) => a.name === b.name ? 0 : a.name < b.name ? -nameSign : nameSign;
  const byName: EntryOrder = (a, b) => nameSign * compare(a.name, b.name);
  if (sort === "name") return [byText, (a, b) => directoriesFirst(a, b) || byName(a, b)];
  const key = (entry: FileEntry) => (sort === "size" ? entry.stat?.size : entry.stat?.modified) ?? 0;
  return [byText, byName, (a, b) => directoriesFirst(a, b) || sign * (key(a) - key(b))];
}

function directoriesFirst(a: FileEntry, b: FileEntry): number {
  return Number(b.stat?.kind === "directory") - Number(a.stat?.kind === "directory");
}
