/**
 * Recursive search for names in a directory.
 *
 * @module
 */

import { accepts } from "@std/http/negotiation";
import { HttpError } from "../core/errors.ts";
import { heldBody, STALL_MS } from "../core/held_body.ts";
import { clientOf } from "../http/client.ts";
import { Limiter } from "../core/limiter.ts";
import { Gate } from "../core/turns.ts";
import { type SearchFormat, type SearchWriter, writerOf } from "./format.ts";
import { type Hunt, hunt } from "./hunt.ts";
import type { Found, SearchEnd, SearchHead, SearchResults, SearchTail } from "./results.ts";
import { patternOf } from "./pattern.ts";
import { DEFAULT_INDEX, resolve } from "../serving/resolve.ts";
import { listable } from "../serving/rights.ts";
import { slashRedirect } from "../serving/slash_redirect.ts";
import { requireSource } from "../sources/require_source.ts";
import type { FileSource } from "../sources/types.ts";
import { shownPath } from "../core/internals.ts";
import type { Context, Handler } from "../core/types.ts";

export type { Found, SearchEnd, SearchFormat, SearchHead, SearchResults, SearchTail };

/** Options of {@linkcode search}. */
export interface SearchOptions {
  /** Maximum number of results; defaults to 1,000. */
  readonly maxResults?: number;
  /** Maximum number of directories read in one search; defaults to 100,000. */
  readonly maxDirectories?: number;
  /** Maximum duration of a search in milliseconds; defaults to 30,000. */
  readonly maxMilliseconds?: number;
  /** Maximum number of concurrent searches; defaults to 16. Each worker process counts its own. */
  readonly maxAtOnce?: number;
  /**
   * Maximum number of concurrent searches for each client ({@linkcode clientOf}); defaults to a quarter of `maxAtOnce`.
   */
  readonly maxPerClient?: number;
  /** Maximum time a request waits in the queue, in milliseconds; defaults to 10,000. 0 disables the queue. */
  readonly queueTimeout?: number;
  /** Time after which a search is aborted if the client reads nothing, in milliseconds; defaults to 60,000. */
  readonly stallTimeout?: number;
  /**
   * Names of index pages. In a directory that has one, the query belongs to that page, and the search declines.
   * Defaults to `index.html`, then `index.htm`.
   */
  readonly index?: readonly string[];
}

/** Maximum length of a query: a name has at most 255 bytes, and the time grows with the length. */
const MAX_QUERY_LENGTH = 256;

const MAX_AT_ONCE = 16;
const QUEUE_MS = 10_000;

/** Directories read at the same time by all searches. */
const READ_AT_ONCE = 2;

/**
 * Searches for names below a directory, for GET and HEAD with `?q=TEXT`; declines all other requests, and an empty
 * query.
 *
 * Plain text matches anywhere in a name. With `*`, `?` or `[a-z]` it is a glob that must match the whole name. With a
 * `/`, both match against the path, where `**` stands for any number of directories. Case and Unicode normalization are
 * ignored. It finds whatever a listing shows, except entries that cannot be fetched; file contents are not searched.
 *
 * Results are streamed, nearest directory first: as HTML, JSON ({@linkcode SearchResults}), NDJSON (a {@linkcode Found}
 * on each line, a {@linkcode SearchTail} on the last) or plain text with a path on each line, chosen by Accept or by
 * `&format=html`, `json`, `ndjson` or `text`. The search ends if the client disconnects or stops reading. Responds with
 * 400 for more than 256 characters, 503 if too many searches are running, and 429 if too many belong to the same
 * client.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { memory, search, toFetch } from "@x/pyserve";
 * import type { SearchResults } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch(search(memory({ "docs/a.txt": "a", "docs/b.md": "b" })));
 * const response = await fetch(new Request("http://localhost/?q=*.TXT&format=json"));
 * const { results }: SearchResults = await response.json();
 * assert(results.map(({ path }) => path).join() === "docs/a.txt");
 * ```
 *
 * @category Handlers
 */
export function search(source: FileSource, options: SearchOptions = {}): Handler {
  requireSource(source, "the source of search");
  const gate = new Gate(READ_AT_ONCE);
  const { maxAtOnce = MAX_AT_ONCE, maxPerClient = Math.max(1, maxAtOnce >> 2), queueTimeout = QUEUE_MS } = options;
  const limiter = new Limiter({ max: maxAtOnce, maxPerClient, queueMs: queueTimeout });
  return (request, context) => {
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    const query = new URLSearchParams(context.target.query);
    return query.get("q")
      ? answer(request, context, { source: listable(source, context), gate, limiter, query, options })
      : null;
  };
}

interface SearchRequest {
  readonly source: FileSource;
  readonly gate: Gate;
  readonly limiter: Limiter;
  readonly query: URLSearchParams;
  readonly options: SearchOptions;
}

async function answer(request: Request, context: Context, wanted: SearchRequest): Promise<Response | null> {
  const { source, query, options } = wanted;
  const { path: directory } = context.target;
  const found = await resolve(source, { path: directory, slash: true }, options.index ?? DEFAULT_INDEX);
  if (found.kind !== "listing") return null;
  const redirect = slashRedirect(context);
  if (redirect) return redirect;
  const text = query.get("q")!;
  if (text.length > MAX_QUERY_LENGTH) {
    throw new HttpError(400, `The search text is longer than ${MAX_QUERY_LENGTH} characters`);
  }
  const path = shownPath(context);
  const head: SearchHead = { version: 1, path: path.segments.length === 0 ? "/" : `${path.text}/`, query: text };
  const writer = writerOf(formatOf(request, query), head);
  const headers = {
    "content-type": writer.type,
    "cache-control": "no-store", // the results have no validator
    "vary": "accept",
    "x-content-type-options": "nosniff",
    ...writer.headers,
  };
  if (request.method === "HEAD") return new Response(null, { headers });
  const place = await wanted.limiter.enter(clientOf(context.remoteAddress, request.headers));
  const stop = new AbortController();
  const limits = {
    results: options.maxResults ?? 1_000,
    directories: options.maxDirectories ?? 100_000,
    milliseconds: options.maxMilliseconds ?? 30_000,
  };
  const hunted = hunt(source, { directory, pattern: patternOf(text), limits, gate: wanted.gate, signal: stop.signal });
  const body = streamOf(piecesOf(hunted, writer), stop);
  const { stallTimeout: stallMs = STALL_MS } = options;
  return new Response(heldBody(body, { place, stallMs }), { headers });
}

async function* piecesOf(found: Hunt, writer: SearchWriter): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  let count = 0;
  const start = encoder.encode(writer.start());
  if (start.length > 0) yield start;
  for await (const batch of found.batches) {
    yield encoder.encode(batch.map((result, index) => writer.result(result, count + index)).join(""));
    count += batch.length;
  }
  const end = found.end()!;
  const finish = encoder.encode(writer.finish({ count, more: end !== "complete", end }));
  if (finish.length > 0) yield finish;
}

/** Streams on demand. When the client disconnects, the search is aborted at once. */
function streamOf(
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>,
  stop: AbortController,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel() {
      stop.abort();
      await pieces.return(undefined).catch(() => {}); // the signal ends whatever it is doing
    },
  }, { highWaterMark: 0 });
}

function formatOf(request: Request, query: URLSearchParams): SearchFormat {
  const formats = ["html", "json", "ndjson", "text"] as const;
  const explicit = query.get("format");
  if (explicit !== null) {
    const format = formats.find((each) => each === explicit);
    if (!format) throw new HttpError(400, `The parameter "format" is not one of ${formats.join(", ")}`);
    return format;
  }
  const types = ["text/html", "application/json", "application/x-ndjson", "text/plain"] as const;
  const accepted = accepts(request, ...types);
  const index = types.findIndex((type) => type === accepted);
  return formats[Math.max(index, 0)]!;
}
