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

/** Counts entries. */
export function totalsOf(entries: readonly FileEntry[]): ListingTotals {
  const totals = { directories: 0, files: 0, bytes: 0 };
  for (const { stat } of entries) {
    if (stat?.kind === "directory") totals.directories += 1;
    if (stat?.kind === "file") totals.files += 1;
    totals.bytes += stat?.size ?? 0;
  }
  return totals;
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

/** A file's time can be anything the disk has room for, also what no Date can hold (CVE-2024-23770). */
function isoDate(time: number | null): string | null {
  const date = new Date(time ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

let collator: Intl.Collator | undefined;

/** The order of a listing: directories first, names in natural order (f2 before f10). */
export function entryOrder(
  { sort, order }: Pick<ListingHead, "sort" | "order">,
): (a: FileEntry, b: FileEntry) => number {
  collator ??= new Intl.Collator("en", { numeric: true });
  const byName = collator.compare;
  const sign = order === "asc" ? 1 : -1;
  const key = (entry: FileEntry) => (sort === "size" ? entry.stat?.size : entry.stat?.modified) ?? 0;
  return (a, b) => {
    const grouped = Number(b.stat?.kind === "directory") - Number(a.stat?.kind === "directory");
    if (grouped !== 0) return grouped;
    return (sort === "name" ? sign * byName(a.name, b.name) : sign * (key(a) - key(b)) || byName(a.name, b.name));
  };
}
