/**
 * Several processes listening on one port, to use several cores: `--workers`.
 *
 * The kernel distributes connections among the processes that listen on a port with SO_REUSEPORT. Deno only offers that
 * with `--unstable-net`, which cannot be enabled at run time, so workers are started as new processes. Processes rather
 * than Web Workers: one that runs out of memory or is killed does not abort the downloads of the others, each simply
 * runs the command again, and one costs only some MiB more.
 *
 * Only Linux distributes connections among the sockets of a port; elsewhere one would get them all.
 *
 * @module
 */

import { countersOf, type Samples, sumOf } from "../handlers/layers/exposition.ts";
import { parseUpstream } from "../handlers/upstream/proxy/upstream_url.ts";
import type { Logger } from "../handlers/core/types.ts";
import { urlHost } from "../handlers/http/host.ts";
import type { InheritedEndpoint, ServerAddr, UnixEndpoint } from "../handlers/transport/endpoint.ts";
import type { Certificates } from "../handlers/transport/certificates.ts";
import type { RunningServer } from "../handlers/transport/serve.ts";
import { openShared, type SharedSocket } from "../handlers/transport/shared_socket.ts";
import { childArgs } from "./child.ts";
import { neededPaths } from "./features.ts";
import { explained } from "./listen.ts";
import { allSites, type Settings, type SiteSettings } from "./settings.ts";
import type { StopSignal } from "./signals.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl } from "./values.ts";
import { WorkerProcess } from "./worker_process.ts";
import { WORKER_WORD } from "./worker_seat.ts";

/** A worker that exits within this time counts as failed at start; several such failures stop the server. */
const AT_ONCE_MS = 2_000;
const MOST_AT_ONCE = 3;

/** Delay before a worker is restarted; doubled after each failure at start. */
const RESTART_MS = 100;

/** Time for workers to abort and flush their logs, in milliseconds. */
const ABORT_MS = 2_000;

/**
 * Throws {@linkcode StartError} if workers are not possible.
 *
 * @param isCommand Whether the main module only runs the command: any other program would start itself over and over.
 */
export function checkWorkersPossible(isCommand: boolean): void {
  const reason = Deno.build.os !== "linux"
    ? "only Linux distributes connections among processes"
    : Deno.build.standalone
    ? "a compiled program cannot start itself again"
    : isCommand
    ? null
    : "only the command can start them, not a program that imports it";
  if (reason !== null) throw new StartError(`Cannot use --workers: ${reason}`);
}

/** Opens the socket that the workers share. Throws {@linkcode StartError} if the system refuses. */
export function openForWorkers(endpoint: UnixEndpoint | InheritedEndpoint): SharedSocket {
  return explained(() => openShared(endpoint), { endpoint });
}

/** Parameters of {@linkcode startWorkers}. */
export interface WorkersOptions {
  /** The command-line arguments, which workers get too. */
  readonly args: readonly string[];
  /** The parsed settings. */
  readonly settings: Settings;
  /** The address to listen on; its port was free a moment ago. */
  readonly address: ServerAddr;
  /** The socket that the workers share; null if each opens its own, on the same port. */
  readonly socket: SharedSocket | null;
  /** The certificate, which workers start with; null without TLS. */
  readonly tls: Certificates | null;
  /** The log for the output of all workers. */
  readonly log: Logger;
}

/**
 * Starts the workers and resolves when all listen. A worker that exits is replaced; the server ends only when that
 * keeps failing. Throws {@linkcode StartError}.
 */
export async function startWorkers(options: WorkersOptions): Promise<RunningWorkers> {
  const { settings, address, socket, tls, log } = options;
  const needs = { option: "--workers", addresses: neededAddresses(options), ...neededPaths(settings) };
  const seat = socket ? `fd:${socket.fd}` : String((address as Deno.NetAddr).port);
  const args = [...childArgs(needs), WORKER_WORD, seat];
  const workers = new Workers(
    address,
    () => new WorkerProcess([...args, ...options.args], tls?.current() ?? null, log),
    log,
  );
  try {
    await workers.start(settings.workers);
    return workers;
  } catch (error) {
    await workers[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The addresses on which the workers listen, and those of applications; null for a Unix socket, which cannot be
 * named in a list of permissions, and with an object store, whose address is not known here.
 */
function neededAddresses({ settings, address }: WorkersOptions): string[] | null {
  if ("path" in address || allSites(settings).some(isInStore)) return null;
  const { endpoint, tls, forwardedBy } = settings;
  const all = allSites(settings).map(({ features }) => features);
  const hostname = endpoint.kind === "tcp" ? endpoint.hostname : address.hostname;
  const upstreams = all.flatMap(({ proxy }) => proxy?.proxy ?? []).map(({ upstream }) => parseUpstream(upstream));
  const applied = all.flatMap(({ fastcgi }) => fastcgi?.fastcgi ?? []);
  const addresses = [...applied, ...upstreams.filter((each) => typeof each === "object")];
  const applications = addresses.flatMap(({ address }) => address.transport === "tcp" ? [address] : []);
  const own = [{ hostname, port: address.port }, ...applications].map(textOf);
  // The PROXY protocol needs a port of its own for the engine.
  if (forwardedBy === "proxy-protocol") return [...own, LOOPBACK].filter(isAllowed);
  // An inherited socket, or the next certificate, takes over a listener opened on any free port.
  return tls || endpoint.kind === "inherited" ? [...own, ANY_FREE].filter(isAllowed) : own;
}

function isInStore({ root, mounts }: SiteSettings): boolean {
  return [root, ...mounts.map(({ path }) => path)].some(isStoreUrl);
}

function textOf({ hostname, port }: { readonly hostname: string; readonly port: number }): string {
  return `${urlHost(hostname)}:${port}`;
}

const LOOPBACK = "127.0.0.1";
const ANY_FREE = `${LOOPBACK}:0`;

function isAllowed(host: string): boolean {
  return host !== ANY_FREE && host !== LOOPBACK ||
    Deno.permissions.querySync({ name: "net", host }).state === "granted";
}

/** Running workers. */
export interface RunningWorkers extends RunningServer<ServerAddr>, AsyncDisposable {
  /** The sums of their metrics, including the counters of those that have exited. */
  samples(): Promise<Samples>;
}

class Workers implements RunningWorkers {
  readonly address: ServerAddr;
  readonly finished: Promise<void>;
  readonly #spawn: () => WorkerProcess;
  readonly #log: Logger;
  readonly #running = new Set<WorkerProcess>();
  readonly #stopping = Promise.withResolvers<void>();
  readonly #finished = Promise.withResolvers<void>();
  #stopped = false;
  /** The counters of workers that have exited, which must not decrease. */
  #exited: Samples = {};

  constructor(address: ServerAddr, spawn: () => WorkerProcess, log: Logger) {
    this.address = address;
    this.#spawn = spawn;
    this.#log = log;
    this.finished = this.#finished.promise;
    this.finished.catch(() => {});
  }

  async start(count: number): Promise<void> {
    const workers = Array.from({ length: count }, () => this.#startOne());
    await Promise.all(workers.map(({ listening }) => listening));
    Promise.all(workers.map((worker) => this.#keep(worker))).then(() => this.#finished.resolve(), (error) => {
      this.abort().then(() => this.#finished.reject(error));
    });
  }

  async samples(): Promise<Samples> {
    return sumOf([this.#exited, ...await Promise.all([...this.#running].map((worker) => worker.samples()))]);
  }

  async drain(): Promise<void> {
    this.#stop("SIGTERM");
    await this.#allEnded();
  }

  async abort(): Promise<void> {
    this.#stop("SIGINT");
    const late = setTimeout(() => this.#kill(), ABORT_MS);
    await this.#allEnded();
    clearTimeout(late);
  }

  /** Leaves nothing running: a killed worker could not end its programs itself. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.abort();
  }

  #startOne(): WorkerProcess {
    const worker = this.#spawn();
    this.#running.add(worker);
    worker.ended.then(async () => {
      this.#running.delete(worker);
      this.#exited = sumOf([this.#exited, countersOf(await worker.samples())]);
    });
    return worker;
  }

  /** Replaces a worker whenever it exits. */
  async #keep(worker: WorkerProcess): Promise<void> {
    for (let atOnce = 0;;) {
      const start = performance.now();
      const how = await worker.ended;
      if (this.#stopped) return;
      atOnce = performance.now() - start < AT_ONCE_MS ? atOnce + 1 : 0;
      if (atOnce === MOST_AT_ONCE) {
        throw new StartError(`a worker exited right after startup ${atOnce} times in a row (${how})`);
      }
      this.#log.error(`Worker ${worker.pid} exited unexpectedly (${how}); starting another`);
      await this.#pause(RESTART_MS * 2 ** atOnce);
      if (this.#stopped) return;
      worker = this.#startOne();
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const timer = setTimeout(over.resolve, milliseconds);
    await Promise.race([over.promise, this.#stopping.promise]);
    clearTimeout(timer);
  }

  #stop(signal: StopSignal): void {
    this.#stopped = true;
    this.#stopping.resolve();
    for (const worker of this.#running) worker.tell(signal);
  }

  #kill(): void {
    for (const worker of this.#running) worker.kill();
  }

  async #allEnded(): Promise<void> {
    await Promise.all([...this.#running].map(({ ended }) => ended));
  }
}
