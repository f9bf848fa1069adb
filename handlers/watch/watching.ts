/**
 * Live reload: open pages hear of changes to the files they are made of.
 *
 * @module
 */

import { Limiter } from "../core/limiter.ts";
import type { Context, Handler } from "../core/types.ts";
import { clientOf } from "../http/client.ts";
import { coveredBy } from "../http/path_patterns.ts";
import { SitePath } from "../http/target.ts";
import { SCRIPT_DIRECTORY } from "../page/script.ts";
import { readable } from "../serving/rights.ts";
import type { Feature } from "../serving/feature.ts";
import type { FileSource } from "../sources/types.ts";
import { ChangeHub } from "./change_hub.ts";
import { EventStream } from "./event_stream.ts";
import { livePages } from "./live_pages.ts";

/** Options of {@linkcode watching}. */
export interface WatchOptions {
  /**
   * What to ignore besides `.git` and `node_modules`: names (`dist`), paths (`/docs/build`), and globs of names
   * (`*.log`) or paths (`/data/**`). What is in an ignored directory is ignored as well, and costs nothing.
   */
  readonly ignore?: readonly string[];
  /**
   * Time between two looks at all files, in milliseconds, where the system cannot watch them: it has reached a limit,
   * or the source is not on disk. Defaults to 1,000.
   */
  readonly pollMs?: number;
}

/** Directories full of files that are not served to pages, or not meant to be: watching them costs much for nothing. */
const NEVER_WATCHED = [".git", "node_modules"];

/**
 * Streams at the same time, in total and for one client or user: some are tabs, which a browser keeps open. Users have places
 * of their own, which clients without a login cannot take.
 */
const STREAMS = { max: 256, maxPerClient: 32, queueMs: 0 };

const POLL_MS = 1_000;

/** Long enough for a page that reloads to come back. */
const LINGER_MS = 5_000;

/** All changes of the site: the pages of a directory with an index may use any query themselves. */
const SITE_WIDE = SitePath.root.child(SCRIPT_DIRECTORY)!;

const HEADERS = {
  "cache-control": "no-store",
  "x-accel-buffering": "no", // nginx would collect events
  "x-content-type-options": "nosniff",
};

/**
 * The feature of live reload. Pages show a change of the site's files at once: style sheets and images are exchanged,
 * other changes reload the pages that use the file; rows of listings come and go.
 *
 * For this, HTML files get a small module when a browser navigates to them: `<script type="module">`, at the beginning
 * of the head. It is inserted while the file is sent, into nothing else, and never on disk. Sandboxed pages and the
 * output of programs get none. A Content-Security-Policy must allow scripts and connections from `'self'`; otherwise
 * the page stays as it is.
 *
 * `?watch` at a directory or a file streams the changes there and below: as server-sent events to clients that accept
 * `text/event-stream`, to others as one JSON object per line ({@linkcode WatchEvent}). At `/.pyserve/?watch`, all
 * changes of the site. Clients hear only of what they may read. Changes to what other features answer for, such as
 * programs, are not reported.
 *
 * The source is watched while anyone listens, by {@linkcode FileSource.watch} where it can.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { watching } from "@x/pyserve/handlers";
 *
 * const live = watching({ ignore: ["*.log"] });
 * const fetch = toFetch(fileServer(memory({ "index.html": "<h1>Hello</h1>" }), { features: [live], log: false }));
 * const page = await fetch(new Request("http://localhost/", { headers: { accept: "text/html" } }));
 * assert((await page.text()).startsWith('<script type="module"'));
 *
 * const changes = await fetch(new Request("http://localhost/.pyserve/?watch"));
 * const { value } = await changes.body!.pipeThrough(new TextDecoderStream()).getReader().read();
 * assert(value === '{"type":"watching","path":"/"}\n');
 * await live.end?.();
 * ```
 *
 * @category Features
 */
export function watching(options: WatchOptions = {}): Feature {
  const { ignore = [], pollMs = POLL_MS } = options;
  if (!(pollMs > 0)) throw new RangeError(`Cannot look for changes every ${pollMs} ms`);
  const ignored = coveredBy([...NEVER_WATCHED, ...ignore]);
  const hubs: ChangeHub[] = [];
  const streams = new Set<EventStream>();
  const drain = () => streams.forEach((stream) => stream.end());
  return {
    methods: ["GET", "HEAD"],
    queries: ["watch"],
    abilities: ["watch"],
    layer: livePages(),
    drain,
    end: () => {
      drain();
      hubs.forEach((hub) => hub.end());
      return Promise.resolve();
    },
    handler: ({ source }) => {
      const hub = new ChangeHub({ source, ignored, pollMs, lingerMs: LINGER_MS });
      hubs.push(hub);
      return streaming(source, hub, streams);
    },
  };
}

function streaming(source: FileSource, hub: ChangeHub, streams: Set<EventStream>): Handler {
  const [anonymous, ofUsers] = [new Limiter(STREAMS), new Limiter(STREAMS)];
  return async (request, context) => {
    const { method } = request;
    const wish = /^watch(?:&since=([\w-]*))?$/.exec(context.target.query);
    if (wish === null || method !== "GET" && method !== "HEAD") return null;
    const scope = await scopeOf(source, context);
    if (scope === null) return null;
    const isForBrowsers = /text\/event-stream/i.test(request.headers.get("accept") ?? "");
    const type = isForBrowsers ? "text/event-stream" : "application/x-ndjson";
    const headers = { ...HEADERS, "content-type": type, vary: "accept" };
    if (method === "HEAD") return new Response(null, { headers });
    const place = context.user === null
      ? await anonymous.enter(clientOf(context.remoteAddress, request.headers))
      : await ofUsers.enter(context.user);
    const since = request.headers.get("last-event-id") ?? wish[1] ?? null;
    const stream = new EventStream(context, { hub, source, scope, place, since, isForBrowsers });
    streams.add(stream);
    stream.onEnd(() => streams.delete(stream));
    return new Response(stream.body, { headers });
  };
}

/** What the client wants to hear of; null if there is no such thing. */
async function scopeOf(source: FileSource, context: Context): Promise<SitePath | null> {
  const { path, slash } = context.target;
  if (path.text === SITE_WIDE.text) return slash ? SitePath.root : null;
  const stat = await readable(source, context).stat(path);
  if (stat === null || (stat.kind === "directory") !== slash) return null;
  return path;
}
