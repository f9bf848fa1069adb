/**
 * Counts requests for monitoring.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { passedByErrors } from "../core/chain.ts";
import { type Counts, internalsOf } from "../core/internals.ts";
import { markRepeatable } from "../core/shortcuts.ts";
import type { Handler, Layer } from "../core/types.ts";
import { exposition, EXPOSITION_TYPE, type Samples } from "./exposition.ts";
import { processSamples } from "./process_samples.ts";

export type { Samples };

/** The methods with series of their own: clients can send any. */
const METHODS = [
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
  "MKCOL",
  "COPY",
  "MOVE",
  "PROPFIND",
  "PROPPATCH",
  "LOCK",
  "UNLOCK",
];
const OTHER = METHODS.length;

/** Upper bounds of the durations in milliseconds, with their labels in seconds. */
const BOUNDS = [0.1, 1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000];

/** Classes of status: 1xx to 5xx. */
const CLASSES = 5;

/** Counters of a server, and what shows them. */
export interface Metrics {
  /** Counts requests and responses. Put it outside of all other layers whose responses are to be counted. */
  readonly layer: Layer;
  /** Answers `GET /-/metrics` and `GET /metrics`, and declines all else. It is as public as the server it is put on. */
  readonly handler: Handler;
  /** The values now. */
  samples(): Samples;
}

/**
 * Metrics for Prometheus: requests by method and class of status, durations, announced bytes, cache hits, uploads, runs
 * and failures of CGI programs, rejected logins; CPU, memory and descriptors of the process.
 *
 * The numbers tell about users and files, so serve them on an address of their own, or behind a login.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch, wrap } from "@x/pyserve";
 * import { metrics } from "@x/pyserve/layers";
 *
 * const { layer, handler } = metrics();
 * const site = toFetch(wrap(fileServer(memory({ "a.txt": "a" }), { log: false }), layer));
 * await site(new Request("http://localhost/a.txt"));
 * const inside = toFetch(handler); // served on another port
 * const text = await (await inside(new Request("http://localhost/-/metrics"))).text();
 * assert(text.includes('pyserve_requests_total{method="GET",status="2xx"} 1\n'));
 * ```
 *
 * @category Layers
 */
export function metrics(): Metrics {
  const counts: Counts = {
    cacheHits: 0,
    uploads: 0,
    uploadedBytes: 0,
    programRuns: 0,
    programFailures: 0,
    rejectedLogins: 0,
  };
  const responses = new Responses();
  const layer = markRepeatable(passedByErrors("metrics", (next) => (request, context) => {
    const { notes, repeat } = internalsOf(context);
    notes.counts = counts;
    const hits = counts.cacheHits;
    const start = performance.now();
    return then(next(request, context), (response) => {
      if (response) {
        const counted = countedOf(request, response);
        responses.add(counted, performance.now() - start);
        if (repeat !== null) {
          const isHit = counts.cacheHits > hits;
          repeat.count = () => {
            responses.add(counted, 0);
            if (isHit) counts.cacheHits += 1;
          };
        }
      }
      return response;
    });
  }));
  const samples = () => ({ ...responses.samples(), ...samplesOf(counts), ...processSamples() });
  return { layer, samples, handler: metricsHandler(samples) };
}

/** Answers with samples, which may have to be collected first. */
export function metricsHandler(collect: () => Samples | Promise<Samples>): Handler {
  return (request, { requestTarget }) => {
    if (!/^\/(?:-\/)?metrics(?:\?|$)/.test(requestTarget)) return null;
    if (request.method !== "GET" && request.method !== "HEAD") return null;
    return then(collect(), (samples) =>
      new Response(exposition(samples), {
        headers: { "content-type": EXPOSITION_TYPE, "cache-control": "no-store", server: "pyserve" },
      }));
  };
}

/** What is counted of a response: its method and class of status, and the announced length. */
interface Counted {
  readonly kind: number;
  readonly bytes: number;
}

function countedOf({ method }: Request, { status, headers }: Response): Counted {
  const known = METHODS.indexOf(method);
  const statusClass = Math.min(Math.max(Math.floor(status / 100), 1), CLASSES);
  const length = method === "HEAD" ? null : headers.get("content-length");
  return { kind: (known < 0 ? OTHER : known) * CLASSES + statusClass - 1, bytes: Number(length) };
}

/** Counts responses. */
class Responses {
  /** By method and class of status. */
  readonly #byKind = new Float64Array((METHODS.length + 1) * CLASSES);
  /** By duration, the last one for longer ones. */
  readonly #byDuration = new Float64Array(BOUNDS.length + 1);
  #milliseconds = 0;
  #bytes = 0;

  add({ kind, bytes }: Counted, milliseconds: number): void {
    this.#byKind[kind]! += 1;
    let at = 0;
    while (at < BOUNDS.length && milliseconds > BOUNDS[at]!) at++;
    this.#byDuration[at]! += 1;
    this.#milliseconds += milliseconds;
    this.#bytes += bytes;
  }

  samples(): Record<string, number> {
    const samples: Record<string, number> = {};
    for (const [index, value] of this.#byKind.entries()) {
      const method = METHODS[Math.floor(index / CLASSES)] ?? "other";
      if (value > 0) samples[`pyserve_requests_total{method="${method}",status="${index % CLASSES + 1}xx"}`] = value;
    }
    const duration = "pyserve_request_duration_seconds";
    let below = 0;
    for (const [at, value] of this.#byDuration.entries()) {
      below += value;
      samples[`${duration}_bucket{le="${at < BOUNDS.length ? BOUNDS[at]! / 1000 : "+Inf"}"}`] = below;
    }
    samples[`${duration}_sum`] = this.#milliseconds / 1000;
    samples[`${duration}_count`] = below;
    samples.pyserve_response_announced_bytes_total = this.#bytes;
    return samples;
  }
}

function samplesOf(counts: Counts): Samples {
  return {
    pyserve_cache_hits_total: counts.cacheHits,
    pyserve_uploads_total: counts.uploads,
    pyserve_uploaded_bytes_total: counts.uploadedBytes,
    pyserve_cgi_runs_total: counts.programRuns,
    pyserve_cgi_failures_total: counts.programFailures,
    pyserve_rejected_logins_total: counts.rejectedLogins,
  };
}
