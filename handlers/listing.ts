/**
 * Directory listings: as a page, as JSON and as plain text.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { sendContent } from "./content.ts";
import { HttpError } from "./errors.ts";
import { slashRedirect } from "./files.ts";
import { encodeSegment } from "./http/escape.ts";
import { listingPage, PAGE_HEADERS } from "./page/listing_page.ts";
import { openBytes } from "./sources/memory.ts";
import type { EntryProblem, FileEntry, FileSource } from "./sources/types.ts";
import type { Context, Handler } from "./types.ts";

/** What a listing can be sorted by. */
export type SortKey = "name" | "size" | "modified";

/** What a listing can be sent as. */
export type ListingFormat = "html" | "json" | "text";

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
export interface Listing {
  /** The version of this schema. */
  readonly version: 1;
  /** The path of the directory, decoded, with a slash at its beginning and end. */
  readonly path: string;
  /** What the entries are sorted by; directories always come first. */
  readonly sort: SortKey;
  /** Which way they are sorted. */
  readonly order: "asc" | "desc";
  /** How much there is: directories, files, and bytes of the files. */
  readonly totals: { readonly directories: number; readonly files: number; readonly bytes: number };
  /** The entries. */
  readonly entries: readonly ListingEntry[];
}

/**
 * Lists the directories of a source to GET and HEAD; declines what is no directory.
 *
 * As HTML that needs no script, as JSON ({@linkcode Listing}), or as plain text with a name on each line: by Accept, or
 * by `?format=html`, `json` or `text`. Sorted by `?sort=name`, `size` or `modified` and `?order=asc` or `desc`; names in
 * natural order (f2 before f10), directories first. Other query parameters are ignored; a value not named here is 400.
 * Entries that cannot be fetched (broken links, links out of the root, FIFOs, names that are not UTF-8) are shown and
 * marked, without a link; in plain text they are left out. It looks at each entry, but opens none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Listing, listing, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(listing(memory({ "a b.txt": "a", "docs/c.txt": "c" })));
 * const response = await fetch(new Request("http://localhost/?format=json"));
 * const { entries }: Listing = await response.json();
 * assert(entries.map((entry) => entry.href).join(" ") === "docs/ a%20b.txt");
 * ```
 */
export function listing(source: FileSource): Handler {
  return async (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const stat = await source.stat(context.target.path);
    if (stat?.kind !== "directory") return null;
    const redirect = slashRedirect(context);
    if (redirect) return redirect;
    const query = new URLSearchParams(context.target.query);
    const format = formatOf(request, query);
    const sort = oneOf(query, "sort", ["name", "size", "modified"]) ?? "name";
    const order = oneOf(query, "order", ["asc", "desc"]) ?? "asc";
    const entries = await source.list(context.target.path);
    return entries && await send(request, listingOf(context, entries, sort, order), format, context);
  };
}

function formatOf(request: Request, query: URLSearchParams): ListingFormat {
  const asked = oneOf(query, "format", ["html", "json", "text"]);
  if (asked) return asked;
  const accepted = accepts(request, "text/html", "application/json", "text/plain");
  return accepted === "application/json" ? "json" : accepted === "text/plain" ? "text" : "html";
}

function oneOf<T extends string>(query: URLSearchParams, key: string, values: readonly T[]): T | null {
  const value = query.get(key);
  if (value === null) return null;
  if (!(values as readonly string[]).includes(value)) {
    throw new HttpError(400, `The parameter "${key}" is not one of ${values.join(", ")}`);
  }
  return value as T;
}

function listingOf(
  { base, target }: Context,
  entries: readonly FileEntry[],
  sort: SortKey,
  order: "asc" | "desc",
): Listing {
  const path = base.join(target.path);
  const totals = { directories: 0, files: 0, bytes: 0 };
  for (const { stat } of entries) {
    if (stat?.kind === "directory") totals.directories += 1;
    if (stat?.kind === "file") totals.files += 1;
    totals.bytes += stat?.size ?? 0;
  }
  const text = path.segments.length === 0 ? "/" : path.text + "/";
  return { version: 1, path: text, sort, order, totals, entries: sorted(entries, sort, order).map(entryOf) };
}

function entryOf({ name, stat, link, problem }: FileEntry): ListingEntry {
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

function sorted(entries: readonly FileEntry[], sort: SortKey, order: "asc" | "desc"): FileEntry[] {
  collator ??= new Intl.Collator("en", { numeric: true });
  const byName = collator.compare;
  const sign = order === "asc" ? 1 : -1;
  const key = (entry: FileEntry) => (sort === "size" ? entry.stat?.size : entry.stat?.modified) ?? 0;
  return entries.toSorted((a, b) => {
    const grouped = Number(b.stat?.kind === "directory") - Number(a.stat?.kind === "directory");
    if (grouped !== 0) return grouped;
    return (sort === "name" ? sign * byName(a.name, b.name) : sign * (key(a) - key(b)) || byName(a.name, b.name));
  });
}

async function send(request: Request, data: Listing, format: ListingFormat, { target }: Context): Promise<Response> {
  const { type, body, headers } = render(data, format, target.path.segments.length);
  const bytes = new TextEncoder().encode(body);
  return await sendContent(request, {
    type,
    size: bytes.length,
    modified: null, // a directory's time says nothing of the sizes and dates in it
    etag: await weakTagOf(bytes),
    headers: { "cache-control": "no-cache", vary: "accept" },
    contentHeaders: headers,
    ranges: false,
    open: () => openBytes(bytes),
  });
}

interface Rendered {
  readonly type: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

function render(data: Listing, format: ListingFormat, depth: number): Rendered {
  if (format === "json") return { type: "application/json", body: JSON.stringify(data) + "\n", headers: {} };
  if (format === "text") return { type: "text/plain; charset=utf-8", body: plainText(data), headers: {} };
  return { type: "text/html; charset=utf-8", body: listingPage(data, depth), headers: PAGE_HEADERS };
}

/** A name a line, directories with a slash; control characters as in the log, so that a line stays a line. */
function plainText({ entries }: Listing): string {
  return entries.filter((entry) => entry.href !== null).map(({ name, kind }) => {
    // deno-lint-ignore no-control-regex
    const shown = name.replace(/[\x00-\x1f\x7f-\x9f]/g, (c) => "\\x" + c.charCodeAt(0).toString(16).padStart(2, "0"));
    return shown + (kind === "directory" ? "/\n" : "\n");
  }).join("");
}

async function weakTagOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return `W/"${hash.subarray(0, 12).toHex()}"`;
}
