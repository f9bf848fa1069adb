/**
 * Directory listings: as a page, as JSON and as plain text.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { sendContent } from "./content.ts";
import { HttpError } from "./errors.ts";
import { type Listing, listingOf } from "./listing_data.ts";
import { listingPage, PAGE_HEADERS } from "./page/listing_page.ts";
import { slashRedirect } from "./slash_redirect.ts";
import { openBytes } from "./sources/memory.ts";
import type { FileSource } from "./sources/types.ts";
import type { Context, Handler } from "./types.ts";

/** What a listing can be sent as. */
export type ListingFormat = "html" | "json" | "text";

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
