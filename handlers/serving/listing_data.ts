/**
 * The data of a listing: rendered into pages, and sent to programs as JSON.
 *
 * @module
 */

import { encodeSegment } from "../http/escape.ts";
import { type EntryProblem, type FileEntry, kindOf } from "../sources/types.ts";
import type { Context } from "../core/types.ts";
import { isoDate } from "./iso_date.ts";
import { naturalOrder } from "./natural_order.ts";

/** Sort keys of a listing. */
export type SortKey = "name" | "size" | "modified";

/**
 * One entry of a {@linkcode Listing}.
 */
export interface ListingEntry {
  /** The decoded name; U+FFFD stands for bytes that are not UTF-8. */
  readonly name: string;
  /** The type: `other` is a FIFO, socket or device; `unknown` could not be read. */
  readonly kind: "file" | "directory" | "other" | "unknown";
  /** Size of a file in bytes; null for anything else. */
  readonly size: number | null;
  /** Modification time as an ISO 8601 date in UTC with milliseconds; null if unknown. */
  readonly modified: string | null;
  /** Whether it is a symbolic link. */
  readonly link: boolean;
  /** Relative URL, with a trailing slash for directories; null if the entry cannot be fetched. */
  readonly href: string | null;
  /** Why it cannot be fetched, or null. */
  readonly problem: EntryProblem | null;
}

/**
 * The data of a listing, and the schema of its JSON. Fields may be added within a version; removing one or changing its
 * meaning increments the version.
 */
export interface Listing extends ListingHead {
  /** Number of directories and files, and the total size of the files. */
  readonly totals: ListingTotals;
  /** The entries. */
  readonly entries: readonly ListingEntry[];
}

/** The part of a {@linkcode Listing} that is known before its directory has been read. */
export interface ListingHead {
  /** The version of this schema. */
  readonly version: 1;
  /** The decoded path of the directory, with leading and trailing slashes. */
  readonly path: string;
  /** The sort key; directories always come first. */
  readonly sort: SortKey;
  /** The sort order. */
  readonly order: "asc" | "desc";
  /** Further abilities (`upload`, `archive`, …), if the server announces them. */
  readonly can?: readonly string[];
}

/** The totals of a {@linkcode Listing}. */
export interface ListingTotals {
  /** Number of directories, including links to them. */
  readonly directories: number;
  /** Number of files, including links to them. */
  readonly files: number;
  /** Total size of the files in bytes. */
  readonly bytes: number;
}

/** The part of the data that is known before the entries. */
export function headOf({ base, target }: Context, choices: Pick<ListingHead, "sort" | "order" | "can">): ListingHead {
  const path = base.join(target.path);
  return { version: 1, path: path.segments.length === 0 ? "/" : path.text + "/", ...choices };
}

/** The data of an entry, with its link. */
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

/** Comparison function for `toSorted`. */
export type EntryOrder = (a: FileEntry, b: FileEntry) => number;

/**
 * The order of a listing, directories first and names in natural order (f2 before f10), as successive stable sorts:
 * each keeps the order of the one before among equal entries.
 *
 * The first only decides between names that are equal in natural order (f1 and f01). But it is quicker, and leaves
 * sorted runs, which save most comparisons of the second.
 */
export function entryOrders({ sort, order }: Pick<ListingHead, "sort" | "order">): readonly EntryOrder[] {
  const sign = order === "asc" ? 1 : -1;
  const nameSign = sort === "name" ? sign : 1;
  const byText: EntryOrder = (a, b) => a.name < b.name ? -nameSign : a.name === b.name ? 0 : nameSign;
  const byName: EntryOrder = (a, b) => nameSign * naturalOrder(a.name, b.name);
  if (sort === "name") return [byText, (a, b) => directoriesFirst(a, b) || byName(a, b)];
  const key = (entry: FileEntry) => (sort === "size" ? entry.stat?.size : entry.stat?.modified) ?? 0;
  return [byText, byName, (a, b) => directoriesFirst(a, b) || sign * (key(a) - key(b))];
}

function directoriesFirst(a: FileEntry, b: FileEntry): number {
  return Number(kindOf(b) === "directory") - Number(kindOf(a) === "directory");
}
