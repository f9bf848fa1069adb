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
import { loadFeatures } from "./cli/features.ts";
import { confinement, listen, makeRoom, reachableUrls, type Serve, startLine } from "./cli/listen.ts";
import { type ByteWriter, LogSink } from "./cli/log_sink.ts";
import { parse } from "./cli/parse.ts";
import { type Settings, settingsOf, type TlsFiles } from "./cli/settings.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./cli/signals.ts";
import { activatedSocket } from "./cli/socket_activation.ts";
import { StartError } from "./cli/start_error.ts";
import { UsageError } from "./cli/usage_error.ts";
import { type Shared, workerSeat } from "./cli/worker_seat.ts";
import type { Feature } from "./handlers/serving/feature.ts";
import { toFetch } from "./handlers/core/fetch.ts";
import { fileServer } from "./handlers/site/file_server.ts";
import { escapeLog } from "./handlers/http/escape.ts";
import { requireExchange } from "./handlers/transport/binding.ts";
import type { Certificates } from "./handlers/transport/certificates.ts";
import type { Endpoint, ServerAddr, TcpEndpoint } from "./handlers/transport/endpoint.ts";
import { type RunningServer, serve } from "./handlers/transport/serve.ts";
import type { Handler, Logger } from "./handlers/core/types.ts";
import config from "./deno.json" with { type: "json" };

/** Drain time after SIGTERM, in milliseconds. */
const DRAIN_MS = 10_000;

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
  try {
    const given = parse(args, world.env);
    if (given.options.version) world.out(`pyserve ${config.version}\n`);
    else if (given.options.help !== null) world.out(await helpFor(given.options.help));
    else {
      const settings = settingsOf(given, activatedSocket(world.env));
      return await run([...given.inherited, ...args], settings, { ...world, sink });
    }
    return 0;
  } catch (error) {
    const usage = error instanceof UsageError;
    sink.line(`pyserve: ${escapeLog(usage ? error.sentence : StartError.sentence(error))}`);
    return usage ? 2 : 1;
  } finally {
    await sink.flush(FLUSH_MS);
  }
}

async function helpFor(topic: string): Promise<string> {
  const { help, topics } = await import("./cli/help.ts");
  const text = help(topic);
  if (text === null) throw new UsageError(`No help on "${topic}"; topics are ${topics()}`);
  return text;
}

/** Runs the command as this process and exits; for a main module that does nothing else. */
export async function runAsProcess(): Promise<never> {
  const worker = workerSeat(Deno.args);
  Deno.exit(await (worker ? main(worker.args, worker.io) : main(Deno.args, { startsWorkers: true })));
}

type World = Required<Omit<CommandIo, "err">> & { readonly sink: LogSink };

async function run(args: readonly string[], settings: Settings, world: World): Promise<number> {
  const log = loggerOf(world.sink, world.colors.err);
  // Registered now: after the start line has been printed, a signal may arrive at any time.
  using signals = new Signals(world.onSignal);
  const features = await loadFeatures(settings.features, settings.root);
  await using resources = new AsyncDisposableStack();
  resources.defer(() => endAll(features));
  const server = await startServer({ args, settings, world, log, features, resources });
  const secure = settings.tls !== null;
  const line = startLine(server.address, secure);
  const urls = reachableUrls(server.address, secure).map((url) => `  ${url}\n`);
  const note = settings.confinedBy.length > 0 ? `  ${confinement(settings.confinedBy)}\n` : "";
  world.out(`${world.colors.out ? colorStartLine(line) : line}\n${urls.join("")}${note}`);
  // An unhandled rejection must not stop the server and abort all downloads.
  const survive = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    log.error("Unexpected error; the server keeps running", event.reason);
  };
  globalThis.addEventListener("unhandledrejection", survive);
  try {
    return await untilStopped(server, world.out, signals);
  } finally {
    globalThis.removeEventListener("unhandledrejection", survive);
  }
}

/** Parameters of {@linkcode startServer}. */
interface Start {
  readonly args: readonly string[];
  readonly settings: Settings;
  readonly world: World;
  readonly log: Logger;
  readonly features: readonly Feature[];
  /** Disposed of after the server has ended. */
  readonly resources: AsyncDisposableStack;
}

/** Starts a server in this process, or workers. Rarely needed modules are loaded here. */
async function startServer(start: Start): Promise<RunningServer<ServerAddr>> {
  const { settings, world: { shared } } = start;
  const several = settings.workers > 1 && shared === null ? await import("./cli/workers.ts") : null;
  several?.checkWorkersPossible(start.world.startsWorkers);
  if (shared === null && settings.endpoint.kind === "unix") await makeRoom(settings.endpoint);
  const tls = settings.tls && await watchedTls(settings.tls, start);
  return several ? await startSeveral(start, tls, several) : await startAlone(start, tls);
}

/**
 * Starts a server in this process.
 *
 * @param isProbe Whether it only verifies that a server can start: then it serves nothing, so that no upload is cut off when
 * the workers take over.
 */
async function startAlone(start: Start, tls: Certificates | null, isProbe = false) {
  const { settings, world: { shared }, log, features } = start;
  const localAddress = () => address && "port" in address ? { ...address, name: hostnameOf(settings) } : null;
  let address: ServerAddr | null = null;
  const handler = handlerFor(settings, features);
  const fetch = toFetch(isProbe ? notYet : handler, {
    log,
    accessLog: settings.server.log ?? false,
    localAddress,
    ...(settings.hosts && { hosts: settings.hosts }),
  });
  const transport = settings.classic ? await classic(settings) : serve;
  const reusePort = shared !== null && "port" in shared;
  const endpoint = endpointFor(settings, shared);
  const server = listen(transport, fetch, { endpoint, log, reusePort, ...(tls && { tls }) });
  address = server.address;
  return server;
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
  tls: Certificates | null,
  { openForWorkers, startWorkers }: typeof import("./cli/workers.ts"),
): Promise<RunningServer<ServerAddr>> {
  const { settings: { endpoint }, resources } = start;
  const socket = endpoint.kind === "tcp" ? null : resources.use(openForWorkers(endpoint));
  // Workers would share a port with any other process: it is free if this one can listen on it exclusively.
  const own = socket ?? await startAlone(start, tls, true);
  if ("abort" in own) await own.abort();
  tls?.usedBy(requireExchange);
  return resources.use(await startWorkers({ ...start, address: own.address, socket, tls }));
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

/**
 * The certificate from the files, replaced when they change; loaded only here. Each worker replaces its own, and the
 * command logs it once.
 */
async function watchedTls(
  files: TlsFiles,
  { log, resources, world: { shared } }: Start,
): Promise<Certificates> {
  const { CertificateFiles } = await import("./cli/tls.ts");
  const watched = resources.use(
    await CertificateFiles.open(files, shared ? null : log, { given: shared?.tls ?? null }),
  );
  return watched.certificates;
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

function handlerFor({ root, server }: Settings, features: readonly Feature[]): Handler {
  try {
    const info = Deno.statSync(root);
    if (info.isFile || info.isDirectory) {
      // Fail now rather than at each request. Windows cannot open a directory this way and reports it like a permission
      // error.
      if (info.isFile || Deno.build.os !== "windows") Deno.openSync(root).close();
      return fileServer(root, { ...server, features });
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot serve "${root}": ${StartError.reason(error)}${hintFor(root, error)}`);
  }
  throw new StartError(`Cannot serve "${root}": it is neither a directory nor a file`);
}

/** A hint on a root that does not exist. */
function hintFor(root: string, error: unknown): string {
  if (!(error instanceof Deno.errors.NotFound)) return "";
  if (root.startsWith("~")) {
    return `; the shell does not expand "~" in quotes: use "$HOME"`;
  }
  // The runtime replaces the bytes of a name that is not UTF-8 with U+FFFD, which names another file.
  if (root.includes("\uFFFD")) return "; a name that is not UTF-8 cannot be served: rename it";
  if (isHost(root)) return `; to listen on this address, use --bind ${root}`;
  return "";
}

/** Whether it can only be an address: a host name might as well be the name of a directory. */
function isHost(word: string): boolean {
  return word === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(word) || /^[0-9a-f]*:[0-9a-f:]+$/i.test(word);
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
async function untilStopped(server: RunningServer<ServerAddr>, out: World["out"], signals: Signals): Promise<number> {
  const first = await Promise.race([signals.first, endOf(server)]);
  if (first === "SIGHUP") {
    await server.abort(); // the terminal has gone, so there is no one to wait for
    return 128 + SIGNAL_NUMBERS.SIGHUP;
  }
  if (first === "SIGINT") {
    out("\nKeyboard interrupt received, exiting.\n");
    await server.abort();
    return 0;
  }
  const impatient = await Promise.race([server.drain(), signals.second, wait(DRAIN_MS)]);
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
  startsWorkers: false,
};

if (import.meta.main) await runAsProcess();
