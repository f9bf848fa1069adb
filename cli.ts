/**
 * The command: parses the command line, runs a server until a signal stops it, returns an exit status.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { main } from "@x/pyserve/cli";
 *
 * const output: string[] = [];
 * const status = await main(["--version"], { out: (text) => output.push(text) });
 * assert(status === 0 && output.join("").startsWith("pyserve "));
 * ```
 *
 * @module
 */

import { colorLogLine, colorStartLine } from "./cli/colors.ts";
import { environmentOfProcess } from "./cli/environment.ts";
import type { Https } from "./cli/https.ts";
import { confinement, listen, makeRoom, ownUrl, reachableUrls, type Serve, shownUrl, startLine } from "./cli/listen.ts";
import { type ByteWriter, LogSink } from "./cli/log_sink.ts";
import { configReader } from "./cli/config_reader.ts";
import { parse } from "./cli/parse.ts";
import type { IdentityWorld, LoadedIdentity } from "./cli/identity.ts";
import { handlerFor, type OpenSite, openSite } from "./cli/root.ts";
import { allSites, believed, lateOptions, type Settings, settingsOf, type SiteSettings } from "./cli/settings.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./cli/signals.ts";
import { activatedSocket } from "./cli/socket_activation.ts";
import { StartError } from "./cli/start_error.ts";
import { stateDirectoryOf } from "./cli/state_directory.ts";
import { type SubcommandIo, subcommandOf } from "./cli/subcommands.ts";
import { UsageError } from "./cli/usage_error.ts";
import type { OpenHost } from "./cli/virtual_hosts.ts";
import { type Shared, workerSeat } from "./cli/worker_seat.ts";
import { wrap } from "./handlers/core/chain.ts";
import { CacheBudget } from "./handlers/serving/response_cache.ts";
import type { Feature } from "./handlers/serving/feature.ts";
import { toFetch } from "./handlers/core/fetch.ts";
import { isLoopback } from "./handlers/http/own_host.ts";
import { escapeLog } from "./handlers/http/escape.ts";
import { requireNode } from "./handlers/system/node.ts";
import { requireExchange } from "./handlers/transport/binding.ts";
import type { Endpoint, ServerAddr, TcpEndpoint } from "./handlers/transport/endpoint.ts";
import { type RunningServer, serve } from "./handlers/transport/serve.ts";
import type { Awaitable, Handler, Layer, LocalAddress, Logger } from "./handlers/core/types.ts";
import type { Samples } from "./handlers/layers/exposition.ts";
import config from "./deno.json" with { type: "json" };

/** Time to flush the log at the end, in milliseconds. */
const FLUSH_MS = 1_000;

export type { ByteWriter, Shared, StopSignal };

/** The command's environment; each part can be replaced by a test and defaults to the process's own. */
export interface CommandIo {
  /** Writes to standard output, synchronously. */
  readonly out?: (text: string) => void;
  /** Standard error, for the log and for errors. */
  readonly err?: ByteWriter;
  /** Whether standard output and standard error are terminals that support colours. */
  readonly colors?: { readonly out: boolean; readonly err: boolean };
  /** Environment variables: those prefixed with `PYSERVE_` are options. */
  readonly env?: Readonly<Record<string, string>>;
  /** Registers a callback for the signals that stop the command; returns a function that removes it. */
  readonly onSignal?: (callback: (signal: StopSignal) => void) => () => void;
  /** The port or the socket shared by several processes (`--workers`), if this is one of them. */
  readonly shared?: Shared | null;
  /** In a worker, takes what answers the question of the command for its metrics. */
  readonly onAsk?: (answer: () => string) => void;
  /** Whether `--workers` may start the main module of this process again, because it only runs the command. */
  readonly startsWorkers?: boolean;
}

/**
 * Runs the command until it ends.
 *
 * @param args The command-line arguments.
 * @param io The environment; defaults to the process's own.
 * @returns The exit status: 0 for a normal end, 1 if the system refused, 2 for an invalid command line, 129 if the
 * terminal was closed (Linux), 130 or 143 if a second signal aborted the drain. It never throws for those, and never
 * calls `Deno.exit`.
 */
export async function main(args: readonly string[], io: CommandIo = {}): Promise<number> {
  const { err, ...world } = { ...processIo, ...io };
  const sink = new LogSink(err);
  const subcommand = subcommandOf(args);
  try {
    if (subcommand) return await (await subcommand())(args.slice(1), subcommandIo(world, sink));
    const given = parse(args, world.env, await configReader(args, world.env));
    if (given.options.version) world.out(`pyserve ${config.version}\n`);
    else if (given.options.help !== null) {
      return await (await import("./cli/help_command.ts")).showHelp(given.options.help, subcommandIo(world, sink));
    } else {
      const settings = settingsOf(given, activatedSocket(world.env), world.env, await lateOptions(given));
      return await run([...given.inherited, ...args], settings, { ...world, sink });
    }
    return 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    const ofSubcommand = (message: string) => `${message} (see pyserve ${args[0]} --help)`;
    const text = usage ? subcommand ? ofSubcommand(error.message) : error.sentence : StartError.sentence(error);
    sink.line(`pyserve: ${escapeLog(text)}`);
    return usage ? 2 : 1;
  } finally {
    await sink.flush(FLUSH_MS);
  }
}

function subcommandIo({ env, out }: Pick<World, "env" | "out">, sink: LogSink): SubcommandIo {
  return {
    env,
    out,
    line: (line) => out(`${escapeLog(line)}\n`),
    note: (line) => sink.line(escapeLog(line)),
  };
}

/** Runs the command as this process and exits; for a main module that does nothing else. */
export async function runAsProcess(): Promise<never> {
  const worker = workerSeat(Deno.args);
  Deno.exit(await (worker ? main(worker.args, worker.io) : main(Deno.args, { startsWorkers: true })));
}

type World = Required<Omit<CommandIo, "err">> & { readonly sink: LogSink };

async function run(args: readonly string[], settings: Settings, world: World): Promise<number> {
  await using output = await logOf(settings, world);
  const { sink, log } = output;
  // Registered now: after the start line has been printed, a signal may arrive at any time.
  using signals = new Signals(world.onSignal);
  const sites = allSites(settings);
  const isNodeUsed = sites.some(({ features: { upload } }) => upload !== null) || settings.identity !== null;
  if (isNodeUsed || settings.workers > 1) requireNode();
  if (sites.length > 1) (await import("./cli/site_checks.ts")).refuseUploadsIntoPrograms(sites);
  const state = stateDirectoryOf(settings, world.env);
  if (state !== null) (await import("./cli/served_state.ts")).refuseServedState(state, sites);
  const open = await openAll(settings, { env: world.env, log });
  await using resources = new AsyncDisposableStack();
  resources.defer(() => endAll(open.features));
  const { server, notes, codes } = await startServer({ args, settings, world, log, open, resources });
  const secure = settings.tls !== null;
  const line = startLine(server.address, secure, settings.base);
  const urls = reachableUrls(server.address, secure, settings.base).map((url) => `  ${url}\n`);
  if (open.state !== null && world.shared === null) {
    const { noteServer, serverNotes } = await import("./cli/server_notes.ts");
    for (const note of serverNotes(settings, server.address)) resources.use(noteServer(open.state, note));
  }
  const confined = settings.confinedBy.length > 0 ? [confinement(settings.confinedBy)] : [];
  const note = [...confined, ...open.notes, ...notes].map((sentence) => `  ${sentence}\n`).join("");
  world.out(`${world.colors.out ? colorStartLine(line) : line}\n${urls.join("")}${note}${codes}`);
  using _survival = surviveRejections(log);
  const url = settings.open && world.shared === null ? ownUrl(server.address, secure, settings.base) : null;
  if (url !== null) (await import("./cli/open.ts")).openInBrowser(url, log);
  return await untilStopped(server, open.features, { out: world.out, sink, signals, drain: settings.drain });
}

/** An unhandled rejection must not stop the server and abort all downloads. */
function surviveRejections(log: Logger): Disposable {
  const survive = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    log.error("Unexpected error; the server keeps running", event.reason);
  };
  globalThis.addEventListener("unhandledrejection", survive);
  return { [Symbol.dispose]: () => globalThis.removeEventListener("unhandledrejection", survive) };
}

/** Where the lines of a run go. */
interface LogOutput extends AsyncDisposable {
  readonly sink: LogSink;
  readonly log: Logger;
}

/** A file, if the command logs to one; standard error for all others, and for workers, whose lines the command reads. */
async function logOf(settings: Settings, { sink, colors, shared }: World): Promise<LogOutput> {
  if (settings.logFile === null || shared !== null) {
    return { sink, log: loggerOf(sink, colors.err), async [Symbol.asyncDispose]() {} };
  }
  const { LogFile } = await import("./cli/log_file.ts");
  const file = LogFile.open(settings.logFile, allSites(settings), sink.writer);
  const lines = new LogSink(file);
  return {
    sink: lines,
    log: loggerOf(lines, false),
    async [Symbol.asyncDispose]() {
      await lines.flush(FLUSH_MS);
      file[Symbol.dispose]();
    },
  };
}

/** Everything that is served. */
interface OpenSites {
  readonly main: OpenSite;
  readonly hosts: readonly OpenHost[];
  readonly features: readonly Feature[];
  /** Sentences to print at the start. */
  readonly notes: readonly string[];
  /** The state directory of the users; null without one. */
  readonly state: string | null;
}

async function openAll(settings: Settings, world: Pick<IdentityWorld, "env" | "log">): Promise<OpenSites> {
  const { endpoint, tls, workers, virtualHosts } = settings;
  const identity = settings.identity && await (await import("./cli/identity.ts")).loadIdentity(settings.identity, {
    ...world,
    workers,
    sites: allSites(settings),
    isInsecure: tls === null && endpoint.kind === "tcp" && !isLoopback(endpoint.hostname),
  });
  const layerFor = identity && ((site: SiteSettings) => identity.layerFor(site));
  const cacheSize = CacheBudget.of(settings.server.cacheSize);
  const shared = { layerFor, lockState: lockStateOf(settings, identity, world.env), cacheSize };
  const main = await openSite(settings, shared);
  const hosts: OpenHost[] = [];
  for (const host of virtualHosts) hosts.push({ name: host.name, site: await openSite(host, shared) });
  const named = allSites(settings).filter(({ server: { spa, notFound } }) =>
    spa !== undefined || notFound !== undefined
  );
  const missing = named.length > 0 ? (await import("./cli/missing_pages.ts")).missingPages(named) : [];
  return {
    main,
    hosts,
    features: [main, ...hosts.map(({ site }) => site)].flatMap(({ features }) => features),
    notes: [...identity?.notes ?? [], ...missing],
    state: identity?.directory ?? null,
  };
}

/** Where locks are kept; null for memory. With users, in the same directory. */
function lockStateOf(settings: Settings, identity: LoadedIdentity | null, env: World["env"]): string | null {
  if (settings.locks === null) return null;
  const directory = identity === null ? stateDirectoryOf(settings, env) : identity.directory;
  if (directory !== null || settings.workers === 1) return directory;
  throw new StartError("Cannot use --workers with --dav: there is no home directory to keep locks in; use --state");
}

/** Parameters of {@linkcode startServer}. */
interface Start {
  readonly args: readonly string[];
  readonly settings: Settings;
  readonly world: World;
  readonly log: Logger;
  readonly open: OpenSites;
  /** Disposed of after the server has ended. */
  readonly resources: AsyncDisposableStack;
}

/** A started server, and what to print about it. */
interface Started {
  readonly server: RunningServer<ServerAddr>;
  readonly notes: readonly string[];
  /** QR codes, or `""`. */
  readonly codes: string;
}

/** Starts a server in this process, or workers. Rarely needed modules are loaded here. */
async function startServer(start: Start): Promise<Started> {
  const { settings, world, log, resources } = start;
  const isWorker = world.shared !== null;
  const several = settings.workers > 1 && !isWorker ? await import("./cli/workers.ts") : null;
  several?.checkWorkersPossible(world.startsWorkers);
  if (!isWorker && settings.endpoint.kind === "unix") await makeRoom(settings.endpoint);
  // Each worker replaces its certificate; the command logs it once.
  const https = settings.tls && await (await import("./cli/https.ts")).openHttps(settings, {
    env: world.env,
    log: isWorker ? null : log,
    resources,
    given: world.shared?.tls ?? null,
  });
  const { server, samples } = several ? await startSeveral(start, https, several) : await startAlone(start, https);
  if (isWorker) {
    if (samples) world.onAsk(() => JSON.stringify(samples()));
    return { server, notes: [], codes: "" };
  }
  const { notes, codes } = await announced(start, server, https, samples);
  return { server, notes, codes };
}

/** A server, and the metrics of what serves; null without any. */
interface Serving {
  readonly server: RunningServer<ServerAddr>;
  readonly samples: (() => Awaitable<Samples>) | null;
}

/** Starts what goes with the server, and tells what to print; aborts the server if that fails. */
async function announced(
  { settings, world, log, resources }: Start,
  server: RunningServer<ServerAddr>,
  https: Https | null,
  collect: Serving["samples"],
): Promise<Omit<Started, "server">> {
  await using started = new AsyncDisposableStack();
  started.defer(() => server.abort());
  const told = https && await (await import("./cli/https.ts")).announce({
    settings,
    https,
    transport: await transportOf(settings),
    address: server.address as Deno.NetAddr,
    log,
    resources,
  });
  const urls = [shownUrl(server.address, https !== null, settings.base), told?.authorityUrl].filter((url) =>
    typeof url === "string"
  );
  const { metrics: endpoint, workers } = settings;
  const metrics = endpoint && collect && await (await import("./cli/metrics.ts")).startMetrics({
    ...{ endpoint, collect, log, resources },
    isApart: workers > 1,
  });
  const codes = settings.qr ? (await import("./cli/qr.ts")).codesFor(urls, world.colors.out) : "";
  started.move();
  return { notes: [...told?.notes ?? [], ...metrics ? [metrics] : []], codes };
}

/**
 * Starts a server in this process.
 *
 * @param isProbe Whether it only verifies that a server can start: then it serves nothing, so that no upload is cut off
 * when the workers take over.
 */
async function startAlone(start: Start, https: Https | null, isProbe = false): Promise<Serving> {
  const { settings, world: { shared }, log, open } = start;
  let localAddress: LocalAddress | null = null;
  const outermost = settings.health ? [(await import("./handlers/layers/health.ts")).health()] : [];
  const measured = settings.metrics && (await import("./cli/metrics.ts")).measure();
  const secured = https?.layers ?? await layersBehindProxy(settings);
  const inner = [...measured ? [measured.layer] : [], ...secured];
  const handler = wrap(await handlerOf(open, settings.base), ...outermost, ...inner);
  const fetch = toFetch(isProbe ? notYet : handler, {
    log,
    accessLog: settings.server.log ?? false,
    localAddress: () => localAddress,
    ...believed(settings),
    ...(settings.hosts && { hosts: settings.hosts }),
  });
  const transport = await transportOf(settings);
  const reusePort = shared !== null && "port" in shared;
  const endpoint = endpointFor(settings, shared);
  const orNextPort = settings.orNextPort && shared === null;
  const server = listen(transport, fetch, {
    endpoint,
    orNextPort,
    log,
    reusePort,
    ...(https && { tls: https.certificates }),
  });
  const { address } = server;
  if ("port" in address) localAddress = { ...address, name: hostnameOf(settings) };
  return { server, samples: measured && (() => measured.samples(address)) };
}

async function handlerOf({ main, hosts }: OpenSites, base: string | null): Promise<Handler> {
  const handler = await handlerFor(main, base);
  return hosts.length === 0 ? handler : (await import("./cli/virtual_hosts.ts")).byHost(handler, hosts, base);
}

/** The answer of a server whose workers have not started. */
function notYet(): Response {
  return new Response("The server is starting\n", {
    status: 503,
    headers: { "retry-after": "1", connection: "close" },
  });
}

/** Starts workers, after verifying that one can start. */
async function startSeveral(
  start: Start,
  https: Https | null,
  { openForWorkers, startWorkers }: typeof import("./cli/workers.ts"),
): Promise<Serving> {
  const { args, settings: { endpoint, metrics }, resources } = start;
  const socket = endpoint.kind === "tcp" ? null : resources.use(openForWorkers(endpoint));
  // Workers would share a port with any other process: it is free if this one can listen on it exclusively.
  const own = socket ?? (await startAlone(start, https, true)).server;
  if ("abort" in own) await own.abort();
  https?.certificates.usedBy(requireExchange);
  const workers = await startWorkers({
    ...start,
    args: [...https?.forWorkers ?? [], ...args],
    address: own.address,
    socket,
    tls: https?.certificates ?? null,
  });
  resources.use(workers);
  return { server: workers, samples: metrics && (() => workers.samples()) };
}

/** The endpoint of this process. */
function endpointFor({ endpoint }: Settings, shared: Shared | null): Endpoint {
  if (shared === null) return endpoint;
  return "fd" in shared ? { kind: "inherited", fd: shared.fd } : { ...endpoint as TcpEndpoint, port: shared.port };
}

/** The host name to bind; null for a socket. */
function hostnameOf({ endpoint }: Settings): string {
  return endpoint.kind === "tcp" ? endpoint.hostname : "localhost";
}

/** The layers of a server whose proxy has the certificate. */
async function layersBehindProxy({ hsts: seconds }: Settings): Promise<Layer[]> {
  return seconds === null ? [] : [(await import("./handlers/layers/https.ts")).hsts(seconds)];
}

/** The transport of the protocol, perhaps behind that of proxies. */
async function transportOf(settings: Settings): Promise<Serve> {
  const engine = await engineOf(settings);
  const { trustedProxies, forwardedBy } = settings;
  if (forwardedBy !== "proxy-protocol") return engine;
  const { serveProxied } = await import("./handlers/transport/proxy_protocol.ts");
  return (fetch, options) => serveProxied(engine, fetch, { ...options, trustedProxies });
}

/** What speaks HTTP. */
async function engineOf(settings: Settings): Promise<Serve> {
  if (settings.classic) return await classic(settings);
  if (settings.engine === "deno" || settings.tls !== null) return serve;
  return (await import("./cli/engine.ts")).native(settings.engine);
}

/** Python's transport, loaded only here. */
async function classic({ server: { log } }: Settings): Promise<Serve> {
  const { serveClassic } = await import("./handlers/python/transport.ts");
  // Requests refused before any handler runs are logged in Python's format, or not at all.
  return (fetch, options) => serveClassic(fetch, { ...options, logRefused: log === "python" });
}

async function endAll(features: readonly Feature[]): Promise<void> {
  await Promise.all(features.map((feature) => feature.end?.()));
}

function loggerOf(sink: LogSink, colors: boolean): Logger {
  return {
    access: (line) => sink.line(colors ? colorLogLine(line) : line),
    error(message, cause) {
      const reason = cause instanceof Error ? `${cause.name}: ${cause.message}` : String(cause);
      sink.line(`pyserve: ${escapeLog(cause === undefined ? message : `${message}: ${reason}`)}`);
    },
  };
}

/** Queues signals from the moment it is created. */
class Signals implements Disposable {
  readonly first: Promise<StopSignal>;
  readonly second: Promise<StopSignal>;
  readonly #unsubscribe: () => void;

  constructor(onSignal: World["onSignal"]) {
    const [first, second] = [Promise.withResolvers<StopSignal>(), Promise.withResolvers<StopSignal>()];
    let asked = false;
    this.first = first.promise;
    this.second = second.promise;
    this.#unsubscribe = onSignal((signal) => {
      (asked ? second : first).resolve(signal);
      asked = true;
    });
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
  }
}

/**
 * Waits for a signal and stops the server: SIGINT and SIGHUP abort, SIGTERM drains, a second signal aborts the drain.
 * Returns the exit status.
 */
async function untilStopped(
  server: RunningServer<ServerAddr>,
  features: readonly Feature[],
  { out, sink, signals, drain }: { out: World["out"]; sink: LogSink; signals: Signals; drain: number },
): Promise<number> {
  const first = await Promise.race([signals.first, endOf(server)]);
  if (first === "SIGHUP") {
    await server.abort(); // the terminal has gone, so there is no one to wait for
    return 128 + SIGNAL_NUMBERS.SIGHUP;
  }
  if (first === "SIGINT") {
    await sink.flush(FLUSH_MS); // what has been logged comes before
    out("\nKeyboard interrupt received, exiting.\n");
    await server.abort();
    return 0;
  }
  if (drain === 0) {
    await server.abort();
    return 0;
  }
  for (const feature of features) feature.drain?.();
  const impatient = await Promise.race([server.drain(), signals.second, wait(drain)]);
  return impatient ? 128 + SIGNAL_NUMBERS[impatient] : 0;
}

async function endOf(server: RunningServer<ServerAddr>): Promise<never> {
  const reason = await server.finished.then(() => "it was closed", StartError.reason);
  throw new StartError(`The server stopped unexpectedly: ${reason}`);
}

function wait(milliseconds: number): Promise<void> {
  return new Promise((resolve) => Deno.unrefTimer(setTimeout(resolve, milliseconds)));
}

/**
 * Whether SIGHUP was ignored by the parent process, as nohup(1) does; null if unknown. The runtime loses this with the
 * first signal listener.
 */
function ignoresHangup(): boolean | null {
  if (Deno.build.os !== "linux" || Deno.permissions.querySync({ name: "read" }).state !== "granted") return null;
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)/m.exec(Deno.readTextFileSync("/proc/self/status"))?.[1];
    return ignored === undefined ? null : (BigInt(`0x${ignored}`) & 1n) === 1n;
  } catch {
    return null; // the read permission does not cover all of /proc
  }
}

/** A closed pipe, as in `pyserve | head -1`, is not an error of the server. */
function printToStdout(text: string): void {
  const bytes = new TextEncoder().encode(text);
  try {
    for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

function wantsColors(stream: typeof Deno.stdout): boolean {
  return !Deno.noColor && stream.isTerminal() && !isDumbTerminal();
}

/** Without the permission to read TERM, which is not requested, assume a capable terminal. */
function isDumbTerminal(): boolean {
  const { state } = Deno.permissions.querySync({ name: "env", variable: "TERM" });
  return state === "granted" && Deno.env.get("TERM") === "dumb";
}

const processIo: Required<CommandIo> = {
  out: printToStdout,
  err: Deno.stderr,
  get env() {
    return environmentOfProcess();
  },
  colors: { out: wantsColors(Deno.stdout), err: wantsColors(Deno.stderr) },
  onSignal(callback) {
    const ignored = ignoresHangup();
    const signals: readonly StopSignal[] = [
      "SIGINT",
      ...Deno.build.os === "windows" ? [] : ["SIGTERM"] as const,
      ...ignored === null ? [] : ["SIGHUP"] as const,
    ];
    const listeners = signals.map((signal) => {
      return { signal, listener: () => signal === "SIGHUP" && ignored ? undefined : callback(signal) };
    });
    for (const { signal, listener } of listeners) Deno.addSignalListener(signal, listener);
    return () => {
      for (const { signal, listener } of listeners) Deno.removeSignalListener(signal, listener);
    };
  },
  shared: null,
  onAsk() {},
  startsWorkers: false,
};

if (import.meta.main) await runAsProcess();
