/**
 * `--metrics`: on an address of its own, so that it is not public by accident.
 *
 * @module
 */

import { toFetch } from "../handlers/core/fetch.ts";
import { settle } from "../handlers/core/settle.ts";
import type { Awaitable, Logger } from "../handlers/core/types.ts";
import { urlHost } from "../handlers/http/host.ts";
import { escapeLabel, sumOf } from "../handlers/layers/exposition.ts";
import { type Metrics, metrics, metricsHandler, type Samples } from "../handlers/layers/metrics.ts";
import { descriptorLimit, processSamples } from "../handlers/layers/process_samples.ts";
import { openSockets } from "../handlers/system/sockets.ts";
import type { Endpoint, ServerAddr } from "../handlers/transport/endpoint.ts";
import { serve } from "../handlers/transport/serve.ts";
import config from "../deno.json" with { type: "json" };
import { listen, makeRoom } from "./listen.ts";

/** The metrics of a process that serves. */
export interface ProcessMetrics extends Pick<Metrics, "layer"> {
  /** The values now, with the connections at an address. */
  samples(address: ServerAddr): Samples;
}

/** Counts in this process. */
export function measure(): ProcessMetrics {
  const { layer, samples } = metrics();
  return { layer, samples: (address) => ({ ...samples(), ...connectionsOf(address), pyserve_processes: 1 }) };
}

function connectionsOf(address: ServerAddr): Samples {
  if (!("port" in address)) return {};
  using sockets = openSockets();
  return sockets === null ? {} : { pyserve_connections: sockets.connections(address.port).length };
}

/** Parameters of {@linkcode startMetrics}. */
export interface MetricsServer {
  readonly endpoint: Endpoint;
  /** The values of what serves. */
  readonly collect: () => Awaitable<Samples>;
  /** Whether that is done by other processes, to which this one is to be added. */
  readonly isApart: boolean;
  readonly log: Logger;
  /** Disposed of after the server has ended. */
  readonly resources: AsyncDisposableStack;
}

/** Starts the server of the metrics; returns a sentence for the start. Throws `StartError`. */
export async function startMetrics({ endpoint, collect, isApart, log, resources }: MetricsServer): Promise<string> {
  if (endpoint.kind === "unix") await makeRoom(endpoint);
  const started = Date.now() / 1000 - performance.now() / 1000;
  const { version, deno } = { version: config.version, deno: Deno.version.deno };
  const ownSamples = () => ({
    [`pyserve_build_info{version="${escapeLabel(version)}",deno="${escapeLabel(deno)}"}`]: 1,
    process_start_time_seconds: started,
    ...descriptorLimit(),
    ...(isApart && processSamples()),
  });
  let address: ServerAddr | null = null;
  const fetch = toFetch(settle(metricsHandler(async () => sumOf([await collect(), ownSamples()]))), {
    log,
    accessLog: false,
    localAddress: () => address && "port" in address ? address : null,
  });
  const server = listen(serve, fetch, { endpoint, log });
  address = server.address;
  resources.defer(() => server.abort());
  return `metrics at ${"path" in address ? `unix:${address.path}` : urlOf(address)}`;
}

function urlOf({ hostname, port }: Deno.NetAddr): string {
  return `http://${urlHost(hostname)}:${port}/-/metrics`;
}
