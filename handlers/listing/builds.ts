/**
 * Builds listings: once for all concurrent requests, two at a time, large ones streamed.
 *
 * @module
 */

import { ListingCache } from "./cache.ts";
import { entryOrders, type ListingHead } from "../serving/listing_data.ts";
import { type ListingFormat, type ListingWriter, writerOf } from "./format.ts";
import { type ListingPage, StreamedPage, WholePage } from "./pages.ts";
import { DirectoryScan } from "./scan.ts";
import type { Done } from "./stream.ts";
import { sortEntries } from "./sort.ts";
import { Gate, Turns } from "../core/turns.ts";
import type { Visitor } from "../core/internals.ts";
import type { SitePath } from "../http/target.ts";
import { FileChanged, type FileEntry, type FileSource, type FileStat } from "../sources/types.ts";
import type { Awaitable } from "../core/types.ts";

/** Directories with more entries are streamed; reading this many takes some 10 ms. */
const WHOLE_ENTRIES = 2_000;

/** Concurrent directory scans, for small and large listings each. */
const BUILDS = 2;

/**
 * Maximum number of different large listings streamed at the same time. Each holds its names, some 15 MB for 100,000,
 * and an open directory. One more aborts the oldest of the client with the most of them, which has had the longest time
 * to be read.
 */
const STREAMED = 8;

/** Characters per chunk of a large listing. */
const PIECE_LENGTH = 65_536;

/** A request for a listing. */
export interface ListingRequest {
  /** The source, filtered by the client's rights. */
  readonly source: FileSource;
  readonly path: SitePath;
  /** The directory's state after the request arrived. */
  readonly seen: FileStat;
  readonly head: ListingHead;
  readonly format: ListingFormat;
  /** Number of directories above that the client can read without a gap. */
  readonly above: number;
  /** What the page shows about the client. */
  readonly visitor: Visitor | null;
  /** The client, as identified by `clientOf`. */
  readonly client: string;
}

interface Build {
  /**
   * The directory's state before its names were read; null until then, when the build is new enough for any request.
   */
  stat: FileStat | null;
  /** The page, once it is available. */
  page: ListingPage | null;
  readonly done: Promise<ListingPage | null>;
}

/** All listings of a source. */
export class ListingBuilds {
  readonly cache: ListingCache;
  readonly #stallMs: number;
  readonly #variant: string;
  /** The newest build in progress for each listing. */
  readonly #builds = new Map<string, Build>();
  /** Large listings being sent, with the first client of each. */
  readonly #streamed = new Map<StreamedPage, string>();
  readonly #small = new Gate(BUILDS);
  readonly #large = new Gate(BUILDS);

  /** Creates an empty set. `variant` goes into entity tags: whatever else the form of a listing depends on. */
  constructor(
    source: FileSource,
    { cacheBytes, variant, stallMs }: { cacheBytes: number; variant: string; stallMs: number },
  ) {
    this.#variant = variant;
    this.#stallMs = stallMs;
    this.cache = new ListingCache(source, cacheBytes);
  }

  /**
   * The page of a directory: from the cache, from a build in progress, or from a new one; null if the directory no
   * longer exists. A build that began before the request arrived is only used if the directory has not changed since.
   */
  page(key: string, wanted: ListingRequest): Awaitable<ListingPage | null> {
    const { seen } = wanted;
    const kept = this.cache.get(key, seen);
    if (kept) return kept;
    const build = this.#builds.get(key);
    if (build && (build.stat === null || (build.stat.stable && build.stat.version === seen.version))) {
      return build.page ?? build.done;
    }
    return this.#begin(key, wanted).done;
  }

  #begin(key: string, wanted: ListingRequest): Build {
    const { promise, resolve } = Promise.withResolvers<ListingPage | null>();
    const build: Build = { stat: null, page: null, done: promise };
    this.#builds.set(key, build);
    const end = () => {
      if (this.#builds.get(key) === build) this.#builds.delete(key);
    };
    const made = this.#make(key, wanted, build, end);
    resolve(made);
    made.then((page) => page instanceof StreamedPage || end(), end);
    return build;
  }

  async #make(key: string, wanted: ListingRequest, build: Build, end: () => void): Promise<ListingPage | null> {
    const entered = this.#small.enterNow();
    using _place = entered ?? await this.#small.enter();
    const since = performance.now();
    // After waiting, the state is a newer one, also for the requests that have come meanwhile.
    const stat = entered ? wanted.seen : await wanted.source.stat(wanted.path);
    if (stat?.kind !== "directory") return null;
    build.stat = stat;
    const writer = writerOf(wanted.format, wanted.head, {
      depth: wanted.path.segments.length,
      above: wanted.above,
      visitor: wanted.visitor,
    });
    const turns = new Turns();
    const scan = new DirectoryScan(wanted.source, wanted.path, turns, { namesFirst: wanted.head.sort === "name" });
    const all = await scan.readOver(WHOLE_ENTRIES);
    if (all === null) return null;
    const keep = (page: ListingPage, size: number, cost: number) => {
      const { isStable, hasLooseLinks } = scan;
      const stable = stat.stable && isStable;
      return this.cache.keep(key, wanted.path, { stat, since, size, page, cost, stable, hasLooseLinks });
    };
    const spent = () => performance.now() - since;
    if (all === "complete") {
      await scan.readAll();
      const page = new WholePage(textOf(scan, wanted.head, writer), writer, [this.#variant, stat.version]);
      keep(page, page.size, spent());
      return page;
    }
    turns.endFirst();
    const before = spent();
    return build.page = this.#stream({ scan, turns, writer, head: wanted.head }, wanted.client, {
      ended: (page, done) => {
        end();
        return done !== null && keep(page, done.bytes, before + done.cost);
      },
    });
  }

  #stream(
    listing: Unsent,
    client: string,
    { ended }: { readonly ended: (page: StreamedPage, done: Done | null) => boolean },
  ): StreamedPage {
    const stop = new AbortController();
    // The generator of the chunks closes the scan, but it never runs if nothing is read.
    stop.signal.addEventListener("abort", () => listing.scan[Symbol.asyncDispose]().catch(() => {}));
    const pieces = piecesOf(listing, this.#large, stop.signal);
    const page: StreamedPage = new StreamedPage({ ...listing, pieces, stop, stallMs: this.#stallMs }, {
      ended: (done) => ended(page, done),
      idle: () => this.#streamed.delete(page),
    });
    if (this.#streamed.size >= STREAMED) this.#oldestOfGreediest().cut();
    this.#streamed.set(page, client);
    return page;
  }

  #oldestOfGreediest(): StreamedPage {
    const pages = Map.groupBy(this.#streamed, ([, client]) => client);
    const [greediest] = [...pages.values()].sort((a, b) => b.length - a.length);
    return greediest![0]![0];
  }
}

function textOf({ entries, totals }: DirectoryScan, head: ListingHead, writer: ListingWriter): string {
  const sorted = [...entries];
  for (const order of entryOrders(head)) sorted.sort(order);
  // Concatenate row by row and flatten once; joining would flatten every row first.
  let text = writer.start();
  for (const [index, entry] of sorted.entries()) text += writer.entry(entry, index);
  return text + writer.after(totals, entries.length);
}

/** A directory of which nothing has been sent, and not everything read. */
interface Unsent {
  readonly scan: DirectoryScan;
  readonly turns: Turns;
  readonly writer: ListingWriter;
  readonly head: ListingHead;
}

/**
 * Reads the rest and writes everything: sorted by name, the metadata of each entry just before it is sent. No entry is
 * sent before the directory is proven to be the requested one.
 */
async function* piecesOf(
  { scan, turns, writer, head }: Unsent,
  gate: Gate,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  await using reading = scan;
  const encoder = new TextEncoder();
  yield encoder.encode(writer.start());
  let text = "";
  let count = 0;
  for (const [index, entry] of (await readRest(reading, { turns, head }, gate, signal)).entries()) {
    const read = reading.read(entry);
    if (read !== null) text += writer.entry(read, count++);
    if (text.length >= PIECE_LENGTH) {
      yield encoder.encode(text);
      text = "";
    }
    if (index % 16 !== 0 || !turns.due) continue;
    await turns.next();
    signal.throwIfAborted();
  }
  yield encoder.encode(text + writer.after(reading.totals, count));
}

async function readRest(
  scan: DirectoryScan,
  { turns, head }: Pick<Unsent, "turns" | "head">,
  gate: Gate,
  signal: AbortSignal,
): Promise<readonly FileEntry[]> {
  using _place = await gate.enter();
  signal.throwIfAborted();
  // The headers have been sent: only aborting can tell that the directory has gone.
  if (await scan.readOver(Infinity, signal) === null) throw new FileChanged();
  return await sortEntries(scan.entries, head, turns);
}
